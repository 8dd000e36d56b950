"""Erases a person everywhere, as a row says: tombstones at once, then all else in slices.

1. `keystone.people.erasures` leaves the row.
2. Merges and undos of the person that are under way are waited for: they decide who it is, and
   what others still have of it.
3. One transaction under the person's lock: identifiers lose their values and become tombstones,
   profiles are emptied (`Place.at_once`). From its commit on the pipeline drops what comes.
4. Who looked before that commit may still store something. They all have a transaction id by
   then, lower than that of a transaction of ours that begins after it (`barrier`): we wait until
   none of these runs any more.
5. Slices, each a transaction that counts what it erases, through all places until a pass finds
   nothing. That is the certificate.

A worker that is killed leaves the row to the next one: what has been erased is not found again,
and has been counted with it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import msgspec

from identity.locks import lock_people
from identity.models import Erasure
from identity.races import LostRace
from ingest.faults import Fault, classify
from keystone import clock
from keystone.db import Cursor, ingest_transaction, uuid_array
from keystone.people.places import ADMIN_LOG, MINE, PLACES, Place
from keystone.reading import select

T = TypeVar("T")

#: Rows that one transaction erases; ids that one statement looks for.
SLICE = 1_000
#: Whoever has claimed a row and is not heard of for so long is dead.
LEASE = timedelta(minutes=1)
#: When to come again for what we wait for, and how long merges under way are waited for.
SOON, PATIENCE = timedelta(seconds=1), timedelta(minutes=5)
#: Attempts of a transaction that loses races.
RACES = 8
#: Looks at the barrier, so many seconds apart, before we come again: most flushes take less.
LOOKS, LOOK_SECONDS = 10, 0.05

_CLAIM = """
UPDATE erasure SET attempts = attempts + 1, status = 'running', next_attempt_at = %(until)s
WHERE id = (
    SELECT id FROM erasure
    WHERE id = %(id)s AND finished_at IS NULL AND next_attempt_at <= %(now)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id, identifier_key, profile_id, requested_at, started_at
"""
_OWNER = "SELECT profile_id FROM identifier WHERE key = %(key)s"
_IS_UNDER_WAY = """
SELECT EXISTS (
    SELECT FROM profile_work AS work LEFT JOIN merge ON merge.id = work.merge_id
    JOIN profile ON profile.id
        IN (work.profile_id, work.other_id, merge.winner_id, merge.loser_id)
    WHERE work.done_at IS NULL AND COALESCE(profile.merged_into, profile.id) = %(person)s
)
"""
_BEGIN = """
UPDATE erasure SET profile_id = %(person)s, started_at = %(at)s, counts = %(counts)s::jsonb
WHERE id = %(id)s
"""
_SET_BARRIER = """
UPDATE erasure SET barrier = COALESCE(barrier, pg_current_xact_id()::text::bigint)
WHERE id = %(id)s
"""
_IS_PASSED = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > barrier
FROM erasure WHERE id = %(id)s
"""
_COUNT = """
UPDATE erasure SET next_attempt_at = %(until)s, counts = counts || jsonb_build_object(
    %(place)s::text, COALESCE((counts ->> %(place)s::text)::bigint, 0) + %(rows)s::bigint,
    %(log)s::text, COALESCE((counts ->> %(log)s::text)::bigint, 0) + %(entries)s::bigint)
WHERE id = %(id)s
"""
_EMPTY_LOG = """
UPDATE django_admin_log AS entry SET object_repr = '', change_message = ''
FROM django_content_type AS kind
WHERE kind.app_label = %(app)s AND kind.model = %(model)s AND entry.content_type_id = kind.id
  AND entry.object_id = ANY(%(ids)s::text[]) AND (object_repr <> '' OR change_message <> '')
RETURNING 1
"""
_COME_AGAIN = "UPDATE erasure SET next_attempt_at = %(at)s WHERE id = %(id)s"
_FINISH = """
UPDATE erasure SET status = 'completed', finished_at = %(at)s
WHERE id = %(id)s AND finished_at IS NULL
"""


class _Job(msgspec.Struct, frozen=True):
    """An erasure that we have claimed."""

    id: UUID
    key: UUID  # of the identifier by which the person was named
    person: UUID
    requested_at: datetime
    started_at: datetime | None


def work_through() -> None:
    """Go on with all erasures that are due. Raises infrastructure errors."""
    waiting = Erasure.objects.filter(finished_at=None, next_attempt_at__lte=clock.now())
    for id_ in waiting.order_by("next_attempt_at").values_list("id", flat=True)[:SLICE]:
        erase(id_)


def erase(id_: UUID) -> None:
    """Go on with an erasure as far as it goes now; what is left is due again later.

    Nothing if somebody else is at it, or it is finished. Raises infrastructure errors.
    """
    job = committed(lambda cursor: _claim(cursor, id_, clock.now()))
    if job is None:
        return
    begun = job if job.started_at else committed(partial(_forget, job=job, now=clock.now()))
    if begun is None or not _is_settled(begun):
        committed(lambda cursor: cursor.send(_COME_AGAIN, id=id_, at=clock.now() + SOON))
        return
    while _pass(begun):
        pass
    committed(lambda cursor: cursor.send(_FINISH, id=id_, at=clock.now()))


def committed(work: Callable[[Cursor], T]) -> T:
    """Return what `work` does in a transaction of its own; a lost race is run again."""
    for attempt in range(1, RACES):
        try:
            with ingest_transaction() as cursor:
                return work(cursor)
        except Exception as error:
            if classify(error) is not Fault.RACE:
                raise
            time.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311
    with ingest_transaction() as cursor:
        return work(cursor)


def lock_owner(cursor: Cursor, key: UUID) -> UUID | None:
    """Lock the person who has an identifier; None where nobody has. Raises `LostRace`."""
    owner = cursor.run(_OWNER, key=key)
    if not owner:
        return None
    lock_people(cursor, owner[0])
    if cursor.run(_OWNER, key=key) != owner:
        raise LostRace
    person: UUID = owner[0][0]
    return person


def _claim(cursor: Cursor, id_: UUID, now: datetime) -> _Job | None:
    claimed = cursor.run(_CLAIM, id=id_, now=now, until=now + LEASE)
    return _Job(*claimed[0]) if claimed else None


def _forget(cursor: Cursor, job: _Job, now: datetime) -> _Job | None:
    """Set the tombstones; None while a merge is under way."""
    person = lock_owner(cursor, job.key) or job.person
    if now < job.requested_at + PATIENCE and cursor.run(_IS_UNDER_WAY, person=person)[0][0]:
        return None
    counts = dict.fromkeys([*(place.name for place in PLACES), ADMIN_LOG], 0)
    said = msgspec.json.encode(counts).decode()
    cursor.send(_BEGIN, id=job.id, person=person, at=now, counts=said)
    begun = msgspec.structs.replace(job, person=person, started_at=now)
    profiles = [id_ for (id_,) in cursor.run(MINE["profiles"], person=person)]
    for place in PLACES:
        if place.at_once:
            _erase(cursor, begun, place, profiles, most=None)
    return begun


def _is_settled(job: _Job) -> bool:
    """Say whether everybody who may not have seen the tombstones has ended."""
    committed(lambda cursor: cursor.send(_SET_BARRIER, id=job.id))
    for _ in range(LOOKS):
        if select(_IS_PASSED, id=job.id)[0][0]:
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _mine(job: _Job) -> dict[str, list[UUID]]:
    """Return all keys and all profiles of the person, sorted."""
    asked = {by: select(sql, person=job.person) for by, sql in MINE.items()}
    return {by: sorted(id_ for (id_,) in rows) for by, rows in asked.items()}


def _pass(job: _Job) -> int:
    """Go through all places; return how many rows there were to erase."""
    mine = _mine(job)
    return sum(_erase_all(job, place, ids) for place in PLACES for ids in _chunks(mine[place.by]))


def _chunks(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (ids[start : start + SLICE] for start in range(0, len(ids), SLICE))


def _erase_all(job: _Job, place: Place, ids: Sequence[UUID]) -> int:
    """Erase slice after slice of what a place has of these; return how many rows."""

    def slice_(cursor: Cursor) -> int:
        if place.at_once:
            lock_people(cursor, [job.person])
        return _erase(cursor, job, place, ids, most=SLICE)

    erased = total = committed(slice_)
    while erased == SLICE:
        erased = committed(slice_)
        total += erased
    return total


def _erase(
    cursor: Cursor, job: _Job, place: Place, ids: Sequence[UUID], *, most: int | None
) -> int:
    """Erase at most so many rows and count them, in the caller's transaction."""
    rows = cursor.run(_STATEMENTS[place.name], ids=uuid_array(ids), at=job.started_at, most=most)
    names = {"app": place.model._meta.app_label, "model": place.model._meta.model_name}
    entries = cursor.run(_EMPTY_LOG, **names, ids=[id_ for (id_,) in rows]) if rows else []
    cursor.send(
        _COUNT,
        id=job.id,
        until=clock.now() + LEASE,
        place=place.name,
        rows=len(rows),
        log=ADMIN_LOG,
        entries=len(entries),
    )
    return len(rows)


def _statement(place: Place) -> str:
    """Write the statement that erases rows of a place and returns their ids."""
    columns = [field.column for field in place.model._meta.pk_fields]
    # All at once are locked in the order of their ids, as everybody does.
    order = "ORDER BY 1" if place.at_once else ""
    found = f"""(
        SELECT arm.* FROM unnest(%(ids)s::uuid[]) AS mine (id) CROSS JOIN LATERAL (
            SELECT {", ".join(f"it.{column}" for column in columns)}
            FROM {place.rows} AND {place.needed} LIMIT %(most)s::bigint
        ) AS arm {order} LIMIT %(most)s::bigint
    ) AS found"""  # noqa: S608 - constants
    same = " AND ".join(f"it.{column} = found.{column}" for column in columns)
    where = f"WHERE {same} RETURNING it.{columns[0]}::text"
    if place.emptied:
        return f'UPDATE "{place.table}" AS it SET {place.emptied} FROM {found} {where}'  # noqa: S608
    return f'DELETE FROM "{place.table}" AS it USING {found} {where}'  # noqa: S608


_STATEMENTS = {place.name: _statement(place) for place in PLACES}
