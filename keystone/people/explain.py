"""Why two identifiers are one person or not: what identity knows, and when events came in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import identity.explain
from identity.explain import ExplainAnswer
from identity.identifiers import Identifier
from keystone.reading import select
from keystone.source import Source

_RECEIVED = """
SELECT id, received_at FROM event
WHERE id = ANY(%(ids)s::uuid[]) AND org_id = %(organization)s
"""


def explain(source: Source, a: Identifier, b: Identifier) -> ExplainAnswer:
    """Explain two identifiers of the caller's organization, given in normal form."""
    return identity.explain.explain(source, a, b, _received)


def _received(source: Source, event_ids: Collection[UUID]) -> dict[UUID, datetime]:
    rows = select(_RECEIVED, ids=list(event_ids), organization=source.organization_id)
    return dict(rows)
