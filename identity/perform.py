"""Works through what is still to be done to profiles, one row at a time, each in a transaction."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import LiteralString, TypeVar
from uuid import UUID

import django.db
import psycopg

from identity import backlog, drafts, history, undo, unite
from identity.backlog import Impossible, Work
from identity.drafts import Cause
from identity.locks import lock_people
from identity.races import LostRace
from keystone import clock
from keystone.db import Cursor, ingest_transaction

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Attempts at a row before it is left for later.
RACES = 5
# SQLSTATE: serialization and deadlock, lock not available, unique violation (`ingest.faults`) …
_RACES = ("40", "55P03", "23505")
# … and what only means that PostgreSQL, or the way to it, is not well.
_AWAY = ("08", "53", "57", "58")

_ROOT: LiteralString = """
SELECT COALESCE(merged_into, id) FROM profile WHERE id = %(id)s AND org_id = %(organization)s
"""


def work_through(seconds: float) -> int:
    """Perform what is due until nothing is, or the time is up; return how many rows that were.

    May run in several processes at once: a row is claimed by one of them. Raises when PostgreSQL
    is away; what was claimed comes again.
    """
    until = time.monotonic() + seconds
    done = 0
    while time.monotonic() < until and (work := backlog.claim(clock.now())):
        perform(work, clock.now())
        done += 1
    return done


def perform(work: Work, now: datetime) -> None:
    """Perform a claimed row, however long it takes; what it raises itself is written to it."""
    try:
        transact(partial(_carry_out, work=work, now=now))
    except Impossible as why:
        with ingest_transaction() as cursor:
            backlog.close(cursor, work, now, why.code)
    except Exception as error:
        if is_away(error):
            raise
        if not is_race(error):
            logger.exception("profile work failed", extra={"work_id": str(work.id)})
        # Its class, not its words: these may say what is in a row.
        backlog.postpone(work, now, type(error).__name__)


def transact(effect: Callable[[Cursor], T]) -> T:
    """Run in a transaction; a lost race is run again, at most `RACES` times, then raised."""
    for attempt in range(RACES - 1):
        try:
            with ingest_transaction() as cursor:
                return effect(cursor)
        except Exception as error:
            if not is_race(error):
                raise
            # Two who lose to each other must not meet again in step.
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
    with ingest_transaction() as cursor:
        return effect(cursor)


def is_race(error: Exception) -> bool:
    """Say whether it may go well if it is tried again."""
    return isinstance(error, LostRace) or _sqlstate(error).startswith(_RACES)


def is_away(error: Exception) -> bool:
    """Say whether it is PostgreSQL that is not well, and not the row."""
    state = _sqlstate(error)
    away = (psycopg.OperationalError, psycopg.InterfaceError, django.db.OperationalError)
    lost = isinstance(error, (*away, django.db.InterfaceError)) and not state
    return lost or state.startswith(_AWAY)


def _sqlstate(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, django.db.Error) else error
    return (isinstance(cause, psycopg.Error) and cause.sqlstate) or ""


def _carry_out(cursor: Cursor, work: Work, now: datetime) -> None:
    _EFFECTS[work.kind](cursor, work, now)
    if not backlog.close(cursor, work, now):
        raise Impossible("done", "Somebody else has done it.")


def _undo(cursor: Cursor, work: Work, now: datetime) -> None:
    assert work.merge_id is not None
    asked = undo.Asked(organization_id=work.org_id, merge_id=work.merge_id, by=work.by)
    undo.take_back(cursor, asked, now)


def _refold(cursor: Cursor, work: Work, now: datetime) -> None:
    """Fold all attributes of a profile again, or of whomever it is part of by now.

    A long history is read before the lock: who has an event for that person must not wait for
    it. If they were faster, the version has moved on and it is read again.
    """
    root = _root(cursor, work)
    is_long = history.is_long(cursor, [root])
    if not is_long:
        lock_people(cursor, [root])
    draft = drafts.read(cursor, {root: work.org_id})[root]
    if not draft.is_root:
        raise LostRace
    folded = history.fold(cursor, root, draft.only_keys)
    if is_long:
        lock_people(cursor, [root])
    draft.settle(folded, Cause(work.seen_at, work.event_id, work.source_id, work.merge_id))
    drafts.write(cursor, [draft], now)


def _root(cursor: Cursor, work: Work) -> UUID:
    rows = cursor.run(_ROOT, id=work.profile_id, organization=work.org_id)
    if not rows:
        raise Impossible("not_found", "There is no such person.")
    root: UUID = rows[0][0]
    return root


_EFFECTS: dict[str, Callable[..., object]] = {
    backlog.MERGE: unite.unite,
    backlog.UNDO: _undo,
    backlog.REFOLD: _refold,
}
