"""What is still to be done to profiles: rows that `collapse_profiles` works through.

The rows are the truth; a task only says that there may be some. A row is claimed in a transaction
of its own, which counts the attempt before it is made, and closed in the transaction that has its
effect, under the locks of the people concerned. So what kills its worker is seen, it comes again,
and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import msgspec

from identity.sighting import Collapse
from keystone.db import Cursor, ingest_transaction, json_rows
from keystone.ids import new_id

MERGE, UNDO, REFOLD = "merge", "undo", "refold"

_COLUMNS: LiteralString = """
id, org_id, kind, profile_id, other_id, merge_id, event_id, source_id, rule, by, seen_at, attempts
"""
_ENQUEUE: LiteralString = f"""
INSERT INTO profile_work ({_COLUMNS}, created_at, next_attempt_at, error)
SELECT {_COLUMNS}, %(now)s, %(now)s, ''
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, kind text, profile_id uuid, other_id uuid, merge_id uuid,
    event_id uuid, source_id uuid, rule text, by text, seen_at timestamptz, attempts int)
"""  # noqa: S608 - constants
# One row for each profile: its id is the profile's. Whoever asks holds the profile's lock, and so
# does whoever closes the row: it is open again, or what it is about has not been read yet.
_REFOLD: LiteralString = """
INSERT INTO profile_work (id, org_id, kind, profile_id, merge_id, event_id, source_id,
                          rule, by, seen_at, created_at, attempts, next_attempt_at, error)
SELECT profile_id, organization_id, 'refold', profile_id, merge_id, event_id, source_id,
       '', '', seen_at, %(now)s, 0, %(now)s, ''
FROM json_to_recordset(%(rows)s::json) AS new (
    organization_id uuid, profile_id uuid, merge_id uuid, event_id uuid, source_id uuid,
    seen_at timestamptz)
ON CONFLICT (id) DO UPDATE
SET merge_id = EXCLUDED.merge_id, event_id = EXCLUDED.event_id, source_id = EXCLUDED.source_id,
    seen_at = EXCLUDED.seen_at, created_at = EXCLUDED.created_at, attempts = 0,
    next_attempt_at = EXCLUDED.next_attempt_at, done_at = NULL, error = ''
WHERE profile_work.done_at IS NOT NULL
"""
# By the index profile_work_open. Until `next_attempt_at` it is whose who claimed it.
_CLAIM: LiteralString = f"""
UPDATE profile_work
SET attempts = attempts + 1,
    next_attempt_at = %(now)s + make_interval(secs => LEAST(%(lease)s * 2 ^ LEAST(attempts, 20),
                                                            %(longest)s))
WHERE id = (SELECT id FROM profile_work WHERE done_at IS NULL AND next_attempt_at <= %(now)s
            ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants
_CLOSE: LiteralString = """
UPDATE profile_work SET done_at = %(now)s, error = %(error)s
WHERE id = %(id)s AND done_at IS NULL RETURNING 1
"""
_POSTPONE: LiteralString = """
UPDATE profile_work
SET next_attempt_at = %(now)s + make_interval(secs => LEAST(2 ^ LEAST(attempts, 20), %(longest)s)),
    error = %(error)s
WHERE id = %(id)s AND done_at IS NULL
"""

#: Seconds after which a row whose worker was killed comes again; doubled each time, up to an hour.
LEASE, LONGEST = 60, 3_600


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One row, as whoever attempts it knows it."""

    id: UUID
    org_id: UUID
    kind: str
    profile_id: UUID
    other_id: UUID | None = None
    merge_id: UUID | None = None
    event_id: UUID | None = None
    source_id: UUID | None = None
    rule: str = ""
    by: str = ""
    seen_at: datetime
    attempts: int = 0


_FIELDS = Work.__struct_fields__


class Refold(msgspec.Struct, frozen=True, kw_only=True):
    """A profile whose attributes are to be folded again, and because of what."""

    profile_id: UUID
    organization_id: UUID
    seen_at: datetime
    event_id: UUID | None
    source_id: UUID | None
    merge_id: UUID | None


class Impossible(Exception):
    """It cannot be done, whoever asks and however often.

    `code`: not_found (nothing there, another organization's, erased), same_person,
    anchor_into_shadow, erased, done (by somebody else); and for what events asked for: anchors (a
    cookie merges no two of them) or a reason of `identity.protect`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class TooMuch(Exception):
    """It takes longer than a request may; the row is left to `collapse_profiles`."""


def enqueue(cursor: Cursor, works: Sequence[Work], now: datetime) -> None:
    """Leave rows to `collapse_profiles`; no statement for none."""
    if works:
        cursor.send(_ENQUEUE, rows=json_rows(works), now=now)


def enqueue_merges(cursor: Cursor, pending: Sequence[Collapse], now: datetime) -> None:
    """Leave collapses to `collapse_profiles`; no statement for none."""
    distinct = {(each.loser.id, each.winner.id): each for each in pending}
    enqueue(cursor, [_merge(each) for each in distinct.values()], now)


def enqueue_refolds(cursor: Cursor, refolds: Sequence[Refold], now: datetime) -> None:
    """Leave locked profiles to be folded again; no statement for none."""
    if refolds:
        rows = sorted(refolds, key=lambda each: each.profile_id)
        cursor.send(_REFOLD, rows=json_rows(rows), now=now)


def claim(now: datetime) -> Work | None:
    """Count an attempt at the row that has been due longest and return it; None when none is."""
    with ingest_transaction() as cursor:
        rows = cursor.run(_CLAIM, now=now, lease=LEASE, longest=LONGEST)
    return next((Work(**dict(zip(_FIELDS, row, strict=True))) for row in rows), None)


def close(cursor: Cursor, work: Work, now: datetime, error: str = "") -> bool:
    """Mark a row done, with why it came to nothing; say whether it still was to be done.

    Where it has an effect, in that transaction, and under the locks of the people concerned.
    """
    return bool(cursor.run(_CLOSE, id=work.id, now=now, error=error))


def postpone(work: Work, now: datetime, error: str) -> None:
    """Have a row come again: after a second or two, doubled each time, up to an hour."""
    with ingest_transaction() as cursor:
        cursor.send(_POSTPONE, id=work.id, now=now, error=error[:200], longest=LONGEST)


def _merge(collapse: Collapse) -> Work:
    return Work(
        id=new_id(),
        org_id=collapse.sighting.organization_id,
        kind=MERGE,
        profile_id=collapse.into.home,
        other_id=collapse.out_of.home,
        merge_id=collapse.merge_id,
        event_id=collapse.sighting.event_id,
        source_id=collapse.sighting.source_id,
        rule=collapse.rule,
        by=collapse.by,
        seen_at=collapse.sighting.seen_at,
    )
