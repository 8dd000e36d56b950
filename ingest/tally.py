"""Counts what became of records, per key, door and hour: received is always the sum of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from ingest.record import Outcome, Record
from keystone.db import Cursor, json_rows
from keystone.ids import new_id

_APPEND = """
INSERT INTO tally (id, org_id, source_id, door, hour, outcome, count, rolled_up)
SELECT id, org_id, source_id, door, hour, outcome, count, false
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, source_id uuid, door text, hour timestamptz, outcome text, count bigint)
"""


def count(cursor: Cursor, counted: Iterable[tuple[Record, Outcome]], now: datetime) -> None:
    """Append one row for each group of key, door and outcome: stored, duplicate, failed or
    `dropped:<reason>`.
    """
    counted = list(counted)
    groups = Counter((record.source.key_id, record.door, _word(said)) for record, said in counted)
    organizations = {r.source.key_id: r.source.organization_id for r, _ in counted}
    rows = [
        {
            "id": new_id(),
            "org_id": organizations[key_id],
            "source_id": key_id,
            "door": door,
            "hour": now.replace(minute=0, second=0, microsecond=0),
            "outcome": outcome,
            "count": number,
        }
        for (key_id, door, outcome), number in groups.items()
    ]
    cursor.send(_APPEND, rows=json_rows(rows))


def _word(outcome: Outcome) -> str:
    return f"dropped:{outcome.reason}" if outcome.reason else outcome.status
