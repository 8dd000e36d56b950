"""Reads merges back: who became part of whom, why, and whether it was taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from identity.identifiers import STRENGTH
from keystone.clock import iso
from keystone.reading import Moment, select
from keystone.source import Source

#: Identifiers that one merge shows, alone and in a list.
IDENTIFIERS_MAX, LISTED_MAX = 1_000, 20


class IdentifierName(msgspec.Struct, frozen=True):
    """An identifier, as people say it."""

    kind: str
    value: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why: an event by a rule, or somebody's decision."""

    event_id: UUID | None
    source: UUID | None  # id of the key that brought the event
    rule: str
    by: str  # "" where an event decided


class MergeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One profile became part of another. `winner` is the one that it joined then.

    `pending`: it is still to be done, and `at` is when it was asked for. `failed`: it came to
    nothing, and `error` says why in a word (`identity.work.Impossible`).
    """

    id: UUID
    status: str  # pending, done, undone, failed
    winner: UUID
    loser: UUID
    #: Some of those that moved then, without what was erased since.
    identifiers: list[IdentifierName]
    #: All that moved then.
    identifier_count: int
    evidence: Evidence
    at: Moment
    undone_at: Moment | None = None
    undone_by: str = ""
    error: str | msgspec.UnsetType = msgspec.UNSET


class MergePage(msgspec.Struct, frozen=True):
    """Merges, newest first."""

    results: list[MergeAnswer]
    next: str | None


_COLUMNS = """merge.id, winner_id, loser_id, event_id, source_id, rule, by, at, undone_at, undone_by,
              identifiers[1:%(shown)s::int], cardinality(identifiers)"""
_ONE = f"SELECT {_COLUMNS} FROM merge WHERE id = %(id)s AND org_id = %(organization)s"  # noqa: S608
# By merge_by_winner and merge_by_loser, an arm for each profile; grouped, for a merge between two
# of them comes twice. Bounds and order of both columns are those of no other index: to run down
# the primary key looks as cheap where most merges have one winner, and is not.
_OF_PROFILES = f"""
SELECT {_COLUMNS}
FROM (
    SELECT arm.id FROM unnest(%(profiles)s::uuid[]) AS part (id) CROSS JOIN LATERAL (
        (SELECT id FROM merge
         WHERE winner_id >= part.id AND (winner_id, id) < (part.id, %(beyond)s::uuid)
         ORDER BY winner_id DESC, id DESC LIMIT %(limit)s + 1)
        UNION ALL
        (SELECT id FROM merge
         WHERE loser_id >= part.id AND (loser_id, id) < (part.id, %(beyond)s::uuid)
         ORDER BY loser_id DESC, id DESC LIMIT %(limit)s + 1)
    ) AS arm
    GROUP BY arm.id ORDER BY arm.id DESC LIMIT %(limit)s + 1
) AS page
JOIN merge ON merge.id = page.id AND merge.org_id = %(organization)s
ORDER BY merge.id DESC
"""  # noqa: S608 - constants
# No index leads from a merge to its work; but both ids are made together, so that the time in the
# one tells where in profile_work_by_org the other is.
_WORK = """
SELECT merge_id, profile_id, other_id, event_id, source_id, rule, by, created_at, done_at, error
FROM profile_work
WHERE org_id = %(organization)s AND id >= %(since)s AND id < %(before)s
  AND kind = 'merge' AND merge_id = %(id)s
ORDER BY id DESC LIMIT 1
"""
_NAMES = """
SELECT key, kind, value FROM identifier
WHERE key = ANY(%(keys)s::uuid[]) AND org_id = %(organization)s AND status <> 'erased'
"""
_BEYOND = UUID(int=(1 << 128) - 1)
#: Between the making of a merge's id and of its work's: no transaction lasts so long.
_TOGETHER_MS = 60_000


class _Row(NamedTuple):
    id: UUID
    winner: UUID
    loser: UUID
    event_id: UUID | None
    source: UUID | None
    rule: str
    by: str
    at: datetime
    undone_at: datetime | None
    undone_by: str
    keys: list[UUID]
    moved: int


def merge_of(source: Source, id_: UUID) -> MergeAnswer | None:
    """Return a merge of the caller's organization, also one that is still to be done."""
    answer = _made(source, id_) or _work_of(source, id_)
    if answer and answer.status == "failed":  # or it was made between the two looks
        answer = _made(source, id_) or answer
    return answer


def _made(source: Source, id_: UUID) -> MergeAnswer | None:
    rows = select(_ONE, id=id_, organization=source.organization_id, shown=IDENTIFIERS_MAX)
    return next(iter(_answers(source, [_Row(*row) for row in rows])), None)


def merges_of(
    source: Source, profile_ids: Collection[UUID], *, limit: int, after: UUID | None
) -> tuple[list[MergeAnswer], UUID | None]:
    """Return a page of the merges that any of these profiles was a side of, undone ones too.

    Newest first, and the id after which the next page begins.
    """
    rows = select(
        _OF_PROFILES,
        profiles=list(profile_ids),
        organization=source.organization_id,
        beyond=after or _BEYOND,
        limit=limit,
        shown=LISTED_MAX,
    )
    page = [_Row(*row) for row in rows[:limit]]
    return _answers(source, page), page[-1].id if len(rows) > limit else None


def _answers(source: Source, rows: Sequence[_Row]) -> list[MergeAnswer]:
    names = _names(source, (key for row in rows for key in row.keys))
    return [_answer(row, names) for row in rows]


def _names(source: Source, keys: Iterable[UUID]) -> dict[UUID, IdentifierName]:
    rows = select(_NAMES, keys=list(set(keys)), organization=source.organization_id)
    return {key: IdentifierName(kind, value) for key, kind, value in rows}


def _answer(row: _Row, names: Mapping[UUID, IdentifierName]) -> MergeAnswer:
    moved = (names[key] for key in row.keys if key in names)
    return MergeAnswer(
        id=row.id,
        status="undone" if row.undone_at else "done",
        winner=row.winner,
        loser=row.loser,
        identifiers=sorted(moved, key=lambda each: (-STRENGTH[each.kind], each.value)),
        identifier_count=row.moved,
        evidence=Evidence(event_id=row.event_id, source=row.source, rule=row.rule, by=row.by),
        at=iso(row.at),
        undone_at=iso(row.undone_at) if row.undone_at else None,
        undone_by=row.undone_by,
    )


def _work_of(source: Source, id_: UUID) -> MergeAnswer | None:
    """Return a merge that is still to be done, or that came to nothing."""
    made_ms = id_.int >> 80
    rows = select(
        _WORK,
        id=id_,
        organization=source.organization_id,
        since=UUID(int=made_ms << 80),
        before=UUID(int=min((made_ms + _TOGETHER_MS) << 80, _BEYOND.int)),
    )
    return next((_asked_for(*row) for row in rows), None)


def _asked_for(  # noqa: PLR0913 - the columns
    id_: UUID,
    winner: UUID,
    loser: UUID,
    event_id: UUID | None,
    source: UUID | None,
    rule: str,
    by: str,
    created_at: datetime,
    done_at: datetime | None,
    error: str,
) -> MergeAnswer:
    return MergeAnswer(
        id=id_,
        status="failed" if done_at else "pending",
        winner=winner,
        loser=loser,
        identifiers=[],
        identifier_count=0,
        evidence=Evidence(event_id=event_id, source=source, rule=rule, by=by),
        at=iso(created_at),
        error=error if done_at else msgspec.UNSET,
    )
