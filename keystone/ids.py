"""Pure: ids of rows that have no natural key; they begin with the time they were made."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import uuid_utils.compat as uuid_utils

from keystone.clock import to_ms


def new_id() -> UUID:
    """Return a UUIDv7: sorted by the time it was made."""
    return uuid_utils.uuid7()


def lowest_id(moment: datetime) -> UUID:
    """Return what sorts before every UUIDv7-shaped id of this moment or later.

    A moment before 1970 has the nil UUID.

    >>> lowest_id(datetime.fromisoformat("2026-11-01T00:00:00Z"))
    UUID('01a19467-e800-0000-0000-000000000000')
    """
    return UUID(int=max(to_ms(moment), 0) << 80)
