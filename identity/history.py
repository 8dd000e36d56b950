"""What the operations of people add up to, read from where they are stored.

A few keys of many people at once, within bounds, for the request path; or all of one person, as
many operations as there may be, for a worker and for an undo.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import msgspec
from msgspec import UNSET

from identity.attributes import KEYS_MAX, Operation, SortKey, State, sort_key
from identity.folding import Folding
from identity.values import Json, Slot
from keystone.db import Cursor, json_rows, uuid_array

#: A profile of so many characters of JSON takes no new keys (keystone.md §6; a soft limit).
SIZE_MAX = 1_048_576
#: Operations folded for one profile, and for all profiles of a call; of so many times more it is
#: looked whether they mention the keys. A flush has a second in all (`ingest.breaker`).
FOLDED_MAX, FOLDED_TOGETHER, LOOKED_AT = 2_000, 20_000, 4
#: … but so many of each profile, however many there are.
FOLDED_MIN = 50
#: Operations that are folded while a person is locked; whoever has an event for them waits.
LOCKED_MAX = 20_000

# By the indexes identifier (profile_id, …) and attribute_op (actor_key, event_id): an arm for each
# profile that stops at its bounds. The row in the last place says that there are more.
_MENTIONING = """
SELECT asked.id, place, actor_key, event_id, occurred_at, client_ms, strength,
       (SELECT json_object_agg(key, patch -> key) FROM unnest(asked.keys) AS key
        WHERE patch ? key)::text
FROM json_to_recordset(%(rows)s::json) AS asked (id uuid, keys text[])
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT attribute_op.*, row_number() OVER () AS place
        FROM identifier JOIN attribute_op ON attribute_op.actor_key = identifier.key
        WHERE identifier.profile_id = asked.id
        LIMIT %(look_at)s
    ) AS looked_at
    WHERE patch ?| asked.keys OR place = %(look_at)s
    LIMIT %(fold)s + 1
) AS said
"""
_IS_LONG = """
SELECT FROM unnest(%(ids)s::uuid[]) AS asked (id)
WHERE EXISTS (
    SELECT FROM identifier JOIN attribute_op ON attribute_op.actor_key = identifier.key
    WHERE identifier.profile_id = asked.id OFFSET %(most)s)
"""
# A cursor, for there may be more than fit into memory; the text of a uuid sorts as its bytes do.
_OPEN = """
DECLARE history NO SCROLL CURSOR FOR
SELECT actor_key, attribute_op.event_id, occurred_at, client_ms, strength, patch::text
FROM identifier JOIN attribute_op ON attribute_op.actor_key = identifier.key
WHERE identifier.profile_id = %(id)s
  AND (%(keys)s::text[] IS NULL OR patch ?| %(keys)s::text[])
ORDER BY occurred_at, client_ms, strength, attribute_op.event_id
"""
_NEXT: LiteralString = "FETCH 1000 FROM history"
_CLOSE: LiteralString = "CLOSE history"

_patch: Callable[[str], dict[str, Json]] = msgspec.json.Decoder(dict).decode


def mentioning(
    cursor: Cursor, wanted: Mapping[UUID, Collection[str]]
) -> tuple[dict[UUID, list[Operation]], set[UUID]]:
    """Read by profile what operations say of the wanted keys, and nothing else of them.

    Returns the operations, and the profiles that have more than are read here. One statement.
    """
    fold = max(FOLDED_MIN, min(FOLDED_MAX, FOLDED_TOGETHER // len(wanted)))
    look_at = fold * LOOKED_AT
    rows = json_rows({"id": id_, "keys": sorted(wanted[id_])} for id_ in sorted(wanted))
    found: defaultdict[UUID, list[Operation]] = defaultdict(list)
    beyond: set[UUID] = set()
    for id_, place, *said in cursor.run(_MENTIONING, rows=rows, look_at=look_at, fold=fold):
        if said[-1] is not None:  # else the row in the last place, of which nothing is wanted
            found[id_].append(_operation(*said))
        if place == look_at or len(found[id_]) > fold:
            beyond.add(id_)
    return found, beyond


def fold_keys(operations: Iterable[Operation], keys: Iterable[str]) -> dict[str, Slot]:
    """Return what operations add up to in these keys; they mention no others."""
    folding = Folding()
    for op in sorted(operations, key=sort_key):
        folding.take(op)
    return {key: folding.attributes.get(key, UNSET) for key in keys}


def is_long(cursor: Cursor, profile_ids: Collection[UUID]) -> bool:
    """Say whether one of these profiles has more operations than may be folded under its lock."""
    return bool(cursor.run(_IS_LONG, ids=uuid_array(profile_ids), most=LOCKED_MAX))


def fold(cursor: Cursor, profile_id: UUID, keys: Collection[str] | None = None) -> State:
    """Return what all operations of a profile add up to (`identity.attributes.fold`).

    `keys`: only of these. Else it stops taking in new keys where profiles do; `full` says so. As
    many operations as there may be, a thousand at a time.
    """
    folding = Folding()
    mentioned: dict[str, SortKey] = {}
    size, full = 0, False
    for op in _in_order(cursor, profile_id, keys):
        at = sort_key(op)
        for key, incoming in op.patch.items():
            if keys is not None and key not in keys:
                continue
            if keys is None and key not in mentioned:
                full = full or size >= SIZE_MAX or len(mentioned) >= KEYS_MAX
                if full:
                    continue
                size += len(msgspec.json.encode(incoming))
            mentioned[key] = at
            folding.add(key, incoming)
    return State(folding.attributes, mentioned, full)


def _in_order(
    cursor: Cursor, profile_id: UUID, keys: Collection[str] | None
) -> Iterator[Operation]:
    cursor.send(_OPEN, id=profile_id, keys=None if keys is None else sorted(keys))
    while rows := cursor.run(_NEXT):
        for row in rows:
            yield _operation(*row)
    cursor.send(_CLOSE)


def _operation(
    actor_key: UUID,
    event_id: UUID,
    occurred_at: datetime,
    client_ms: int,
    strength: int,
    patch: str,
) -> Operation:
    return Operation(
        actor_key=actor_key,
        event_id=event_id,
        occurred_at=occurred_at,
        client_ms=client_ms,
        strength=strength,
        patch=_patch(patch),
    )
