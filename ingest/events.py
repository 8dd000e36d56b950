"""Stores events; what is already there has had its effect and is told apart as a duplicate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from ingest.record import Record
from keystone.db import Cursor, json_rows, uuid_array

# jsonb, unlike elsewhere: context and payload are then copied instead of parsed a second time.
_INSERT = """
INSERT INTO event (id, actor_key, org_id, session_id, dialect, source_id, kind, type, name, url,
                   occurred_at, received_at, context, payload)
SELECT id, actor_key, org_id, session_id, dialect, source_id, kind, type, name, url,
       occurred_at, received_at, context, payload
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    id uuid, actor_key uuid, org_id uuid, session_id uuid, dialect text, source_id uuid,
    kind text, type text, name text, url text, occurred_at timestamptz,
    received_at timestamptz, context jsonb, payload jsonb)
ON CONFLICT (id, actor_key) DO NOTHING
RETURNING id
"""
_REMOVE = "DELETE FROM event WHERE id = ANY(%(ids)s::uuid[])"


class _Row(msgspec.Struct, gc=False):
    id: UUID
    actor_key: UUID
    org_id: UUID
    dialect: str
    source_id: UUID
    kind: str
    type: str
    name: str
    url: str
    occurred_at: datetime
    received_at: datetime
    context: msgspec.Raw
    payload: msgspec.Raw
    session_id: UUID | None = None


def insert(
    cursor: Cursor, records: Sequence[Record], ids: Sequence[UUID], actor_keys: Sequence[UUID]
) -> Callable[[], list[bool]]:
    """Insert records under their ids; the call of what is returned says of each if it is new.

    Equal ids are brought together first: one statement that says an id three times would
    return one row and leave open which of the three is the new one (it is the first).
    """
    first: dict[UUID, int] = {}
    for index, id_ in enumerate(ids):
        first.setdefault(id_, index)
    by_id = sorted(first.items(), key=lambda item: item[0].int)
    rows = [_row(records[index], id_, actor_keys[index]) for id_, index in by_id]
    answer = cursor.ask(_INSERT, rows=json_rows(rows))

    def is_new() -> list[bool]:
        inserted = {row[0] for row in answer()}
        return [id_ in inserted and first[id_] == index for index, id_ in enumerate(ids)]

    return is_new


def remove(cursor: Cursor, ids: Collection[UUID]) -> None:
    """Take back what this transaction inserted and must not keep; no statement for none."""
    if ids:
        cursor.send(_REMOVE, ids=uuid_array(ids))


def _row(record: Record, id_: UUID, actor_key: UUID) -> _Row:
    return _Row(
        id=id_,
        actor_key=actor_key,
        org_id=record.source.organization_id,
        dialect=record.dialect,
        source_id=record.source.key_id,
        kind=record.kind,
        type=record.type,
        name=record.name,
        url=record.url,
        occurred_at=record.occurred_at,
        received_at=record.received_at,
        context=msgspec.Raw(record.context),
        payload=msgspec.Raw(record.payload),
    )
