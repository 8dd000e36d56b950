"""What people decide about profiles: two are one person, or a merge was wrong.

It is carried out at once where that does not take long. Else it becomes a row of work, which
`collapse_profiles` sees to a moment later with the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeVar
from uuid import UUID

import msgspec
from django.db import transaction

from identity import backlog, undo, unite
from identity.backlog import Impossible, TooMuch, Work
from identity.perform import is_race, transact
from identity.tasks import ring
from identity.undo import Asked, Undone
from keystone import clock
from keystone.db import Cursor, ingest_transaction
from keystone.ids import new_id

__all__ = ["Done", "Impossible", "Undone", "merge_by_hand", "undo_by_hand"]

T = TypeVar("T")


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A merge, or one that is left to `collapse_profiles`: it will have this id."""

    merge_id: UUID
    status: Literal["done", "pending"]
    winner_id: UUID
    loser_id: UUID


def merge_by_hand(
    *, organization_id: UUID, winner_id: UUID, loser_id: UUID, by: str, rule: str = unite.STAFF
) -> Done:
    """Make two profiles one because somebody says so; `by` is who ("staff ada").

    A merged-away id stands for its root. Limits do not count, and a cannot-link between the two
    is lifted. `rule`: staff, or suggestion. Call it outside a transaction. Raises `Impossible`:
    not_found (also who was erased), same_person, anchor_into_shadow.
    """
    now, merge_id = clock.now(), new_id()
    work = Work(
        id=new_id(),  # after the merge's: `identity.read_merges` looks for it there
        org_id=organization_id,
        kind=backlog.MERGE,
        profile_id=winner_id,
        other_id=loser_id,
        merge_id=merge_id,
        rule=rule,
        by=by,
        seen_at=now,
    )
    united = _at_once(lambda cursor: unite.unite(cursor, work, now, in_request=True))
    if united is None:
        return _leave_merge(work, now)
    if united.postponed:
        ring()
    return _done(work, "done", united.winner_id, united.loser_id)


def undo_by_hand(
    *, organization_id: UUID, merge_id: UUID, by: str, dry_run: bool = False
) -> Undone:
    """Take a merge back; `by` is who says so ("staff ada").

    `dry_run`: only say what would move. Call it outside a transaction. Raises `Impossible`:
    not_found, erased.
    """
    now = clock.now()
    asked = Asked(organization_id=organization_id, merge_id=merge_id, by=by)
    undone = _at_once(lambda cursor: _take_back(cursor, asked, now, dry_run=dry_run))
    if undone is None:
        undone = _leave_undo(asked, now, dry_run=dry_run)
    return msgspec.structs.replace(undone, dry_run=dry_run)


def _at_once(effect: Callable[[Cursor], T]) -> T | None:
    """Do it in a transaction; None where it takes too long, or others are always faster."""
    try:
        return transact(effect)
    except TooMuch:
        return None
    except Exception as error:
        if not is_race(error):
            raise
        return None


def _leave_merge(work: Work, now: datetime) -> Done:
    asked = work.org_id, work.profile_id, work.other_id or work.profile_id
    with ingest_transaction() as cursor:
        sides = unite.look(cursor, *asked)
        roots = {"profile_id": sides.winner.id, "other_id": sides.loser.id}
        backlog.enqueue(cursor, [msgspec.structs.replace(work, **roots)], now)
    ring()
    return _done(work, "pending", sides.winner.id, sides.loser.id)


def _done(work: Work, status: Literal["done", "pending"], winner_id: UUID, loser_id: UUID) -> Done:
    merge_id = work.merge_id or work.id
    return Done(merge_id=merge_id, status=status, winner_id=winner_id, loser_id=loser_id)


def _take_back(cursor: Cursor, asked: Asked, now: datetime, *, dry_run: bool) -> Undone:
    undone = undo.take_back(cursor, asked, now, in_request=True)
    if dry_run:
        transaction.set_rollback(True)
    return undone


def _leave_undo(asked: Asked, now: datetime, *, dry_run: bool) -> Undone:
    with ingest_transaction() as cursor:
        found = undo.find(cursor, asked)
        work = Work(
            id=new_id(),
            org_id=asked.organization_id,
            kind=backlog.UNDO,
            profile_id=found.root_id,
            other_id=found.loser_id,
            merge_id=asked.merge_id,
            by=asked.by,
            seen_at=now,
        )
        backlog.enqueue(cursor, [] if dry_run else [work], now)
    if not dry_run:
        ring()
    return Undone(
        merge_id=asked.merge_id,
        status="pending",
        winner_id=found.root_id,
        loser_id=found.loser_id,
    )
