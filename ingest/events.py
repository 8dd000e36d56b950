"""Stores events; what is already there has had its effect and is told apart as a duplicate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from ingest.record import Record
from keystone.db import Column, Cursor, jsonbs, moments, texts, uuid_array, uuids

# Answers the ids that were there already: mostly none, so nothing is read that is known anyway.
_INSERT = """
WITH stored AS (
    INSERT INTO event (id, actor_key, org_id, dialect, source_id, kind, type, name, url,
                       occurred_at, received_at, context, payload)
    SELECT * FROM unnest(
        %(id)s::uuid[], %(actor_key)s::uuid[], %(org_id)s::uuid[], %(dialect)s::text[],
        %(source_id)s::uuid[], %(kind)s::text[], %(type)s::text[], %(name)s::text[],
        %(url)s::text[], %(occurred_at)s::timestamptz[], %(received_at)s::timestamptz[],
        %(context)s::jsonb[], %(payload)s::jsonb[])
    ON CONFLICT (id, actor_key) DO NOTHING
    RETURNING id
)
SELECT id FROM unnest(%(id)s::uuid[]) AS sent (id) WHERE id NOT IN (SELECT id FROM stored)
"""
_REMOVE = "DELETE FROM event WHERE id = ANY(%(ids)s::uuid[])"


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
    rows = [records[index] for _, index in by_id]
    answer = cursor.ask(
        _INSERT,
        id=uuids(id_ for id_, _ in by_id),
        actor_key=uuids(actor_keys[index] for _, index in by_id),
        **_columns(rows),
    )

    def is_new() -> list[bool]:
        repeated = {row[0] for row in answer()}
        return [id_ not in repeated and first[id_] == index for index, id_ in enumerate(ids)]

    return is_new


def remove(cursor: Cursor, ids: Collection[UUID]) -> None:
    """Take back what this transaction inserted and must not keep; no statement for none."""
    if ids:
        cursor.send(_REMOVE, ids=uuid_array(ids))


def _columns(records: Sequence[Record]) -> dict[str, Column]:
    return {
        "org_id": uuids(record.source.organization_id for record in records),
        "dialect": texts(record.dialect for record in records),
        "source_id": uuids(record.source.key_id for record in records),
        "kind": texts(record.kind for record in records),
        "type": texts(record.type for record in records),
        "name": texts(record.name for record in records),
        "url": texts(record.url for record in records),
        "occurred_at": moments(record.occurred_at for record in records),
        "received_at": moments(record.received_at for record in records),
        "context": jsonbs(record.context for record in records),
        "payload": jsonbs(record.payload for record in records),
    }
