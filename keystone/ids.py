"""Pure: ids of rows that have no natural key."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat as uuid_utils


def new_id() -> UUID:
    """Return a UUIDv7: sorted by the time it was made."""
    return uuid_utils.uuid7()
