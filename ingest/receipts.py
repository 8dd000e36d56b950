"""Which event id each record has; message ids that came without a time are remembered here."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ingest.event_id import event_id, receipt_key
from ingest.record import Record
from keystone.db import Cursor, json_rows, uuid_array

_REMEMBER = """
INSERT INTO receipt (key, event_id, actor_key, received_at)
SELECT * FROM json_to_recordset(%(rows)s::json)
    AS new (key uuid, event_id uuid, actor_key uuid, received_at timestamptz)
ON CONFLICT (key) DO NOTHING
"""
_RECALL = "SELECT key, event_id FROM receipt WHERE key = ANY(%(keys)s::uuid[])"


def settle(cursor: Cursor, records: Sequence[Record], actor_keys: Sequence[UUID]) -> list[UUID]:
    """Return the event id of each record; the first that brought a message id decides it.

    No statement at all where every message id came with a time, as SDKs send them.
    """
    ids = [event_id(*pair) for pair in zip(records, actor_keys, strict=True)]
    undated = {
        index: receipt_key(record, actor_keys[index])
        for index, record in enumerate(records)
        if record.client_ms is None and record.message_id is not None
    }
    if not undated:
        return ids
    recalled = _recall(cursor, records, actor_keys, ids, undated)
    for index, key in undated.items():
        ids[index] = recalled[key]
    return ids


def _recall(
    cursor: Cursor,
    records: Sequence[Record],
    actor_keys: Sequence[UUID],
    ids: Sequence[UUID],
    undated: dict[int, UUID],
) -> dict[UUID, UUID]:
    rows = {
        key: {
            "key": key,
            "event_id": ids[index],
            "actor_key": actor_keys[index],
            "received_at": records[index].received_at,
        }
        for index, key in reversed(undated.items())  # of equal ones in a batch the first stays
    }
    cursor.send(_REMEMBER, rows=json_rows(row for _, row in sorted(rows.items())))
    # A statement of its own: it sees what another transaction committed while ours waited.
    return dict(cursor.run(_RECALL, keys=uuid_array(rows)))
