"""Says why two identifiers are one person, since when and by what; or why they are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from identity import apart
from identity.apart import WhyNot
from identity.chain import Edge, Side, Stored, Way, between
from identity.identifiers import Identifier
from identity.read_merges import IdentifierName
from keystone.clock import iso
from keystone.reading import Moment, select
from keystone.source import Source

#: Asks when events came in (our clock), which is nothing that identity knows.
Arrivals = Callable[[Source, Collection[UUID]], Mapping[UUID, datetime]]


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two: in normal form, and who it is. An erased one is nobody any more."""

    kind: str
    value: str
    known: bool
    profile_id: UUID | None
    status: str | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What made two identifiers one person.

    `linked`: an event brought `identifier` to `profile_id`, where it was first. `merged`: by a
    merge in force `loser` became part of `winner`.
    """

    what: str
    at: Moment
    event_id: UUID | None
    source: UUID | None  # id of the key that brought the event
    identifier: IdentifierName | UnsetType = UNSET
    profile_id: UUID | UnsetType = UNSET
    merge_id: UUID | UnsetType = UNSET
    winner: UUID | UnsetType = UNSET
    loser: UUID | UnsetType = UNSET
    rule: str | UnsetType = UNSET
    by: str | UnsetType = UNSET  # "" where an event decided


class ExplainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether two identifiers are one person: because of what, oldest first; or why not."""

    a: Explained
    b: Explained
    one_person: bool
    #: When the last of what `because` lists happened.
    since: Moment | None
    because: list[Step]
    why_not: list[WhyNot]


# One statement, so that nothing happens between looking at an identifier and at its merges.
# By merge_in_force_once (loser_id).
_WAYS = """
WITH RECURSIVE asked AS (
    SELECT * FROM identifier WHERE key = ANY(%(keys)s::uuid[]) AND org_id = %(organization)s
), way AS (
    SELECT asked.key, 1 AS depth, merge.*
    FROM asked JOIN merge ON merge.loser_id = asked.home_id AND merge.undone_at IS NULL
    UNION ALL
    SELECT way.key, depth + 1, merge.*
    FROM way JOIN merge ON merge.loser_id = way.winner_id AND merge.undone_at IS NULL
    WHERE depth < %(most)s
)
SELECT asked.key, asked.status, asked.profile_id, asked.home_id, asked.event_id, asked.source_id,
       asked.linked_at, way.id, way.winner_id, way.loser_id, way.event_id, way.source_id, way.rule,
       way.by, way.at
FROM asked LEFT JOIN way ON way.key = asked.key
ORDER BY asked.key, way.depth
"""
#: Merges that one way is followed over.
_EDGES_MAX = 10_000


def explain(source: Source, a: Identifier, b: Identifier, arrivals: Arrivals) -> ExplainAnswer:
    """Explain two identifiers of the caller's organization, given in normal form."""
    one, other = _read(source, a, b)
    is_one = _are_one(one.stored, other.stored)
    because = _because(source, one, other, arrivals) if is_one else []
    return ExplainAnswer(
        a=_explained(one),
        b=_explained(other),
        one_person=is_one,
        since=because[-1].at if because else None,
        because=because,
        why_not=[] if is_one else apart.reasons(source, one, other),
    )


def _read(source: Source, a: Identifier, b: Identifier) -> tuple[Side, Side]:
    keys = [each.key(source.organization_secret) for each in (a, b)]
    stored: dict[UUID, Stored] = {}
    edges: dict[UUID, list[Edge]] = {key: [] for key in keys}
    for key, status, profile_id, home, event_id, said_by, linked_at, *merge in select(
        _WAYS, keys=keys, organization=source.organization_id, most=_EDGES_MAX
    ):
        way = Way(home, edges[key])
        stored[key] = Stored(status, profile_id, event_id, said_by, linked_at, way)
        if merge[0] is not None:
            edges[key].append(Edge(*merge))
    one, other = (Side(*each) for each in zip((a, b), keys, map(stored.get, keys), strict=True))
    return one, other


def _are_one(one: Stored | None, other: Stored | None) -> bool:
    if one is None or other is None or one.is_erased or other.is_erased:
        return False
    return one.profile_id == other.profile_id


def _explained(side: Side) -> Explained:
    stored = side.stored
    return Explained(
        kind=side.said.kind,
        value=side.said.value,
        known=stored is not None,
        profile_id=None if stored is None or stored.is_erased else stored.profile_id,
        status=stored.status if stored else None,
    )


def _because(source: Source, one: Side, other: Side, arrivals: Arrivals) -> list[Step]:
    """Tell the links and merges in the order in which they happened."""
    stored = {side.key: (side.said, side.stored) for side in (one, other) if side.stored}
    events = {known.event_id for _, known in stored.values() if known.event_id}
    arrived = arrivals(source, events)
    told: list[tuple[datetime, Step]] = [
        _linked(said, known, _arrival(known, arrived)) for said, known in stored.values()
    ]
    ways = [known.way for _, known in stored.values()]
    told += map(_joined, between(ways[0], ways[-1]) or ())
    return [step for _, step in sorted(told, key=lambda each: each[0])]


def _arrival(stored: Stored, arrived: Mapping[UUID, datetime]) -> datetime:
    """Say when an identifier came to its home: with its event."""
    if stored.event_id and stored.event_id in arrived:
        return arrived[stored.event_id]
    # `linked_at` is that of its last move; it came before its home itself became part of another.
    return min([stored.linked_at, *(edge.at for edge in stored.way.edges[:1])])


def _linked(said: Identifier, stored: Stored, at: datetime) -> tuple[datetime, Step]:
    return at, Step(
        what="linked",
        at=iso(at),
        event_id=stored.event_id,
        source=stored.source,
        identifier=IdentifierName(said.kind, said.value),
        profile_id=stored.way.home,
    )


def _joined(edge: Edge) -> tuple[datetime, Step]:
    return edge.at, Step(
        what="merged",
        at=iso(edge.at),
        event_id=edge.event_id,
        source=edge.source,
        merge_id=edge.id,
        winner=edge.winner,
        loser=edge.loser,
        rule=edge.rule,
        by=edge.by,
    )
