"""Writes down everything about one person, line by line, however much there is of it.

Each page of rows is a statement of its own, by keyset: no more than that page is held. What comes
in meanwhile may or may not be told. A server that fails in the middle can only end its answer, so
the last line, with the counts, says that all of it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import BinaryField, Field, JSONField

from keystone.api import encode
from keystone.deadline import deadline
from keystone.people.places import MINE, PLACES, Place
from keystone.reading import select

#: Rows of one statement; ids that one statement looks for.
PAGE, IDS = 200, 1_000
#: For one statement: a PostgreSQL that hangs must not hold a thread for ever.
SECONDS = 10.0

_FIRST = UUID(int=0)
# When somebody else was part of the person; a little longer, as in `places`.
_TOGETHER = """
SELECT at - interval '1 minute', undone_at + interval '10 minutes'
FROM unnest(%(profiles)s::uuid[]) AS mine (id)
JOIN merge ON (winner_id = mine.id OR loser_id = mine.id) AND undone_at IS NOT NULL
"""

Told = dict[str, Any]
Spans = Sequence[tuple[datetime, datetime]]


class _Place(NamedTuple):
    """A place with the statement that reads a page of it."""

    place: Place
    columns: list[tuple[str, Field[Any, Any]]]
    sql: str


def lines(person: UUID) -> Iterator[bytes]:
    """Write what there is of a person as NDJSON; `person` is the profile that the others joined.

    Yields some lines at a time, from statements outside any transaction. Raises infrastructure
    errors.
    """
    with deadline(SECONDS):
        mine = {
            by: sorted(id_ for (id_,) in select(sql, person=person)) for by, sql in MINE.items()
        }
        together = select(_TOGETHER, profiles=mine["profiles"])
    counts = Counter({each.place.name: 0 for each in _PLACES})
    for each in _PLACES:
        for rows in _pages(each, person, mine[each.place.by]):
            told = [row for row in rows if not _tells_of_another(row, each.place, together)]
            counts[each.place.name] += len(told)
            if told:  # a chunk without content would end the answer
                yield b"".join(encode(row) + b"\n" for row in told)
    yield encode({"place": "end", "counts": dict(counts)}) + b"\n"


def _pages(each: _Place, person: UUID, mine: Sequence[UUID]) -> Iterator[list[Told]]:
    """Read what a place has of these ids."""
    for start in range(0, len(mine), IDS):
        ids = mine[start : start + IDS]
        at, after = 1, _FIRST
        while True:
            with deadline(SECONDS):
                rows = select(each.sql, person=person, ids=ids, at=at, after=after, limit=PAGE)
            yield [_told(each, values) for _, _, *values in rows]
            if len(rows) < PAGE:
                break
            at, after, *_ = rows[-1]


def _told(each: _Place, values: Sequence[Any]) -> Told:
    told: Told = {"place": each.place.name}
    for (name, field), value in zip(each.columns, values, strict=True):
        if value is not None and isinstance(field, JSONField):
            value = msgspec.Raw(value.encode())
        elif isinstance(field, BinaryField):
            value = bytes(value).decode(errors="replace")
        told[name] = value
    return told


def _tells_of_another(row: Told, place: Place, together: Spans) -> bool:
    """Say whether a row was written while somebody was part of the person who is not any more."""
    if not place.written_at:
        return False
    return any(since <= row[place.written_at] <= until for since, until in together)


def _place(place: Place) -> _Place:
    meta = place.model._meta
    fields = {field.column: field for field in meta.concrete_fields}
    columns = [(n, f) for n, f in fields.items() if n != "org_id" and n not in place.hidden]
    shown = [_column(place, name, field) for name, field in columns]
    position = f"it.{meta.pk_fields[-1].column}"
    # Arms run down an index, one after the other, and stop when the page is full.
    sql = f"""
    SELECT mine.place, found.*
    FROM (
        SELECT id, place FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS given (id, place)
        WHERE place >= %(at)s ORDER BY place
    ) AS mine CROSS JOIN LATERAL (
        SELECT {position} AS position, {", ".join(shown)}
        FROM {place.rows} AND {place.exported}
          AND {position} > CASE mine.place WHEN %(at)s THEN %(after)s ELSE '{_FIRST}' END::uuid
        ORDER BY {position} LIMIT %(limit)s
    ) AS found
    ORDER BY mine.place, found.position LIMIT %(limit)s
    """  # noqa: S608 - constants
    return _Place(place, columns, sql)


def _column(place: Place, name: str, field: Field[Any, Any]) -> str:
    value = place.instead.get(name, f"it.{name}")
    # As text: its numbers are not read, so they cannot be harmed.
    return f"({value})::text" if isinstance(field, JSONField) else value


_PLACES = [_place(place) for place in PLACES if place.is_exported]
