"""How a person's attributes came to be what they are: every leaf that changed, from and to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from keystone import bounded
from keystone.clock import iso
from keystone.people.profiles import parts_of, survivor
from keystone.reading import Moment, select
from keystone.source import Source

#: Any JSON, as PostgreSQL stores it.
JsonValue = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={})]


class ChangeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf changed. `old` is null for an add, `new` for a remove."""

    id: UUID
    path: list[str]
    op: str
    old: JsonValue
    new: JsonValue
    occurred_at: Moment
    recorded_at: Moment
    event_id: UUID | None
    source: UUID | None  # id of the key that brought the event
    merge_id: UUID | None  # the merge by which it changed


class LineagePage(msgspec.Struct, frozen=True):
    """Changes, last recorded first."""

    results: list[ChangeAnswer]
    next: str | None


#: A page, and the id after which the next one begins.
Found = tuple[list[ChangeAnswer], UUID | None]

# attribute_change_by_profile, an arm for each profile that the person consists of; how far an arm
# runs and what it returns: `keystone.bounded`. Bounds and order of both columns are those
# of no other index.
_PAGE = """
SELECT id, path, op, old::text, new::text, occurred_at, recorded_at, event_id, source_id, merge_id,
       depth, matches
FROM (
    SELECT arm.* FROM unnest(%(parts)s::uuid[]) AS part (id) CROSS JOIN LATERAL (
        SELECT * FROM (
            SELECT attribute_change.*, row_number() OVER (ORDER BY profile_id DESC, id DESC) AS depth,
                   path[1:cardinality(%(path)s::text[])] = %(path)s::text[] AS matches
            FROM attribute_change
            WHERE profile_id >= part.id AND (profile_id, id) < (part.id, %(beyond)s::uuid)
            ORDER BY profile_id DESC, id DESC LIMIT %(reach)s
        ) AS looked_at
        WHERE matches OR depth = %(reach)s
        ORDER BY profile_id DESC, id DESC LIMIT %(limit)s + 1
    ) AS arm
    ORDER BY id DESC LIMIT %(limit)s + 1
) AS page
ORDER BY id DESC
"""
_BEYOND = UUID(int=(1 << 128) - 1)


class _Row(NamedTuple):
    id: UUID
    path: list[str]
    op: str
    old: str | None
    new: str | None
    occurred_at: datetime
    recorded_at: datetime
    event_id: UUID | None
    source: UUID | None
    merge_id: UUID | None
    depth: int
    matches: bool


def lineage_of(
    source: Source, profile_id: UUID, *, path: Sequence[str], limit: int, after: UUID | None
) -> Found | None:
    """Return a page of what changed at or below a path (empty: anywhere), of a person.

    With what was logged on profiles that became part of it; None where there is no such person.
    """
    person = survivor(source, profile_id)
    if person is None:
        return None
    parts = parts_of(source, person)
    reach = max(limit + 1, bounded.REACH // len(parts)) if path else limit + 1
    rows = select(
        _PAGE,
        parts=parts,
        path=list(path),
        beyond=after or _BEYOND,
        reach=reach,
        limit=limit,
    )
    shown, last = bounded.whole([_Row(*row) for row in rows], limit, reach)
    return [_answer(row) for row in shown], last and last.id


def _answer(row: _Row) -> ChangeAnswer:
    return ChangeAnswer(
        id=row.id,
        path=row.path,
        op=row.op,
        old=msgspec.Raw(row.old or "null"),
        new=msgspec.Raw(row.new or "null"),
        occurred_at=iso(row.occurred_at),
        recorded_at=iso(row.recorded_at),
        event_id=row.event_id,
        source=row.source,
        merge_id=row.merge_id,
    )
