"""What is still to be done to profiles: rows that `collapse_profiles` works through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from identity.decide import Collapse
from keystone.db import Cursor, json_rows
from keystone.ids import new_id

_ENQUEUE = """
INSERT INTO profile_work (id, org_id, kind, profile_id, other_id, merge_id, event_id, source_id,
                          rule, by, seen_at, created_at, attempts, next_attempt_at, error)
SELECT id, org_id, kind, profile_id, other_id, merge_id, event_id, source_id,
       rule, by, seen_at, %(now)s, 0, %(now)s, ''
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, kind text, profile_id uuid, other_id uuid, merge_id uuid,
    event_id uuid, source_id uuid, rule text, by text, seen_at timestamptz)
"""


def enqueue_merges(cursor: Cursor, pending: Sequence[Collapse], now: datetime) -> None:
    """Leave collapses to `collapse_profiles`; no statement for none."""
    if pending:
        distinct = {(each.loser.id, each.winner.id): each for each in pending}
        cursor.send(_ENQUEUE, rows=json_rows(map(_merge_row, distinct.values())), now=now)


def _merge_row(collapse: Collapse) -> dict[str, object]:
    return {
        "id": new_id(),
        "org_id": collapse.sighting.organization_id,
        "kind": "merge",
        "profile_id": collapse.winner.id,
        "other_id": collapse.loser.id,
        "merge_id": collapse.merge_id,
        "event_id": collapse.sighting.event_id,
        "source_id": collapse.sighting.source_id,
        "rule": collapse.rule,
        "by": collapse.by,
        "seen_at": collapse.sighting.seen_at,
    }
