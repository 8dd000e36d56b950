"""Takes a merge back: both people are again who they would be if it had never been made.

A profile that was merged away, with all that had become part of it, is a subtree of the merges in
force. Taking a merge back cuts it off: every identifier is again where its home leads, also one
that came after the merge; and the attributes of both are the fold of their own operations, also of
those that came after. So it does not matter in which order merges are taken back, or whether others
were made on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

import msgspec

from identity import drafts, history
from identity.backlog import Impossible, TooMuch
from identity.drafts import Cause, Draft
from identity.identifiers import STRENGTH
from identity.locks import lock_people
from identity.races import LostRace
from identity.resolve import LARGE
from keystone.db import Cursor
from keystone.ids import new_id

#: Identifiers that an undo names.
NAMED_MAX = 1_000

_FIND: LiteralString = """
SELECT winner_id, loser_id, root.id, undone_at,
       winner.erased_at IS NOT NULL OR loser.erased_at IS NOT NULL OR root.erased_at IS NOT NULL,
       cardinality(identifiers) > %(large)s
FROM merge
JOIN profile winner ON winner.id = winner_id
JOIN profile loser ON loser.id = loser_id
JOIN profile root ON root.id = COALESCE(winner.merged_into, winner.id)
WHERE merge.id = %(merge)s AND merge.org_id = %(organization)s
"""
_MARK: LiteralString = """
UPDATE merge SET undone_at = %(now)s, undone_by = %(by)s WHERE id = %(merge)s
"""
# By the index merge_by_winner. The loser is a root again, and the root of all that joined it.
_CUT: LiteralString = """
WITH RECURSIVE part (id) AS (
    SELECT %(loser)s::uuid
    UNION
    SELECT merge.loser_id FROM part JOIN merge ON merge.winner_id = part.id AND undone_at IS NULL
)
UPDATE profile SET merged_into = NULLIF(%(loser)s, profile.id) FROM part WHERE profile.id = part.id
"""
_MOVE: LiteralString = """
UPDATE identifier SET profile_id = %(loser)s, linked_at = %(now)s
FROM profile home
WHERE identifier.profile_id = %(root)s AND home.id = identifier.home_id
  AND COALESCE(home.merged_into, home.id) = %(loser)s
RETURNING identifier.kind, value
"""
_BAR_LEFT: LiteralString = """
UPDATE cannot_link SET left_id = COALESCE(home.merged_into, home.id)
FROM profile home WHERE left_id = %(root)s AND home.id = left_home_id
"""
_BAR_RIGHT: LiteralString = """
UPDATE cannot_link SET right_id = COALESCE(home.merged_into, home.id)
FROM profile home WHERE right_id = %(root)s AND home.id = right_home_id
"""
_BAR: LiteralString = """
INSERT INTO cannot_link (id, org_id, left_home_id, right_home_id, left_id, right_id,
                         merge_id, at, by)
VALUES (%(id)s, %(organization)s, %(winner)s, %(loser)s, %(root)s, %(loser)s,
        %(merge)s, %(now)s, %(by)s)
"""
_SEEN: LiteralString = """
UPDATE profile
SET first_seen = seen.first, last_seen = seen.last,
    kind = CASE WHEN has_identity THEN 'anchor' ELSE profile.kind END
FROM (SELECT profile_id, min(first_seen) AS first, max(last_seen) AS last,
             bool_or(kind IN ('crm_id', 'email', 'phone')) AS has_identity
      FROM identifier
      WHERE profile_id IN (%(root)s, %(loser)s) GROUP BY profile_id) AS seen
WHERE profile.id = seen.profile_id
"""


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What an undo moved, or would move (`dry_run`).

    While it is pending nothing has moved yet, and what will is not known.
    """

    merge_id: UUID
    status: Literal["done", "pending", "already_undone"]
    dry_run: bool = False
    winner_id: UUID  # the profile that the loser leaves: whoever the merge's winner is by now
    loser_id: UUID
    #: (kind, value), at most `NAMED_MAX` of them.
    identifiers: Sequence[tuple[str, str]] = ()
    identifier_count: int | None = None
    #: Leaves of attributes that change; None where they are folded a moment later.
    winner_changes: int | None = None
    loser_changes: int | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which merge is to be taken back, and who says so."""

    organization_id: UUID
    merge_id: UUID
    by: str


class Found(msgspec.Struct, frozen=True):
    """A merge, and whoever its winner is by now (`root_id`)."""

    winner_id: UUID
    loser_id: UUID
    root_id: UUID
    undone_at: datetime | None
    is_erased: bool
    is_large: bool


def take_back(cursor: Cursor, asked: Asked, now: datetime, *, in_request: bool = False) -> Undone:
    """Take a merge back, all of it in the caller's transaction.

    1. Lock both people; what was found before must still hold.
    2. Cut the loser's subtree off; identifiers and cannot-links follow their homes. Note that no
       event is to bring the two together again.
    3. Fold the attributes of both again: for the loser all, for the winner those keys that the
       loser's operations mention. Histories too long to be folded under a lock are left to
       `collapse_profiles`, the winner's and the loser's each by itself.

    `in_request`: raises `TooMuch` instead of doing what takes long. Raises `Impossible`
    (not_found, erased) and `LostRace`.
    """
    found = find(cursor, asked)
    lock_people(cursor, (found.root_id, found.loser_id))
    if find(cursor, asked) != found:
        raise LostRace
    if found.undone_at:
        return already_undone(asked.merge_id, found.root_id, found.loser_id)
    if found.is_erased:
        raise Impossible("erased", "One of the two has been erased.")
    is_long = history.is_long(cursor, [found.root_id])
    if in_request and (is_long or found.is_large):
        raise TooMuch
    moved = _cut(cursor, asked, found, now)
    winner, loser = _drafts(cursor, asked, found)
    _fold(cursor, winner, loser, Cause(now, None, None, asked.merge_id), is_long=is_long)
    drafts.write(cursor, (winner, loser), now)
    cursor.send(_SEEN, root=found.root_id, loser=found.loser_id)
    return Undone(
        merge_id=asked.merge_id,
        status="done",
        winner_id=found.root_id,
        loser_id=found.loser_id,
        identifiers=moved[:NAMED_MAX],
        identifier_count=len(moved),
        winner_changes=None if is_long else len(winner.lineage),
        loser_changes=None if is_long else len(loser.lineage),
    )


def already_undone(merge_id: UUID, winner_id: UUID, loser_id: UUID) -> Undone:
    """Say that there is nothing to take back any more."""
    return Undone(
        merge_id=merge_id,
        status="already_undone",
        winner_id=winner_id,
        loser_id=loser_id,
        identifier_count=0,
        winner_changes=0,
        loser_changes=0,
    )


def find(cursor: Cursor, asked: Asked) -> Found:
    """Read a merge; raises `Impossible` not_found."""
    rows = cursor.run(_FIND, merge=asked.merge_id, organization=asked.organization_id, large=LARGE)
    if not rows:
        raise Impossible("not_found", "There is no such merge.")
    return Found(*rows[0])


def _cut(cursor: Cursor, asked: Asked, found: Found, now: datetime) -> Sequence[tuple[str, str]]:
    """Make the loser a root again; returns the identifiers that are its own, strongest first."""
    merge, root, loser = asked.merge_id, found.root_id, found.loser_id
    cursor.send(_MARK, merge=merge, now=now, by=asked.by)
    cursor.send(_CUT, loser=loser)
    moved = cursor.ask(_MOVE, root=root, loser=loser, now=now)
    cursor.send(_BAR_LEFT, root=root)
    cursor.send(_BAR_RIGHT, root=root)
    cursor.send(
        _BAR,
        id=new_id(),
        organization=asked.organization_id,
        winner=found.winner_id,
        loser=loser,
        root=root,
        merge=merge,
        now=now,
        by=asked.by,
    )
    names: list[tuple[str, str]] = moved()
    return sorted(names, key=lambda name: (-STRENGTH[name[0]], name[1]))


def _drafts(cursor: Cursor, asked: Asked, found: Found) -> tuple[Draft, Draft]:
    ids = (found.root_id, found.loser_id)
    people = drafts.read(cursor, dict.fromkeys(ids, asked.organization_id))
    return people[found.root_id], people[found.loser_id]


def _fold(cursor: Cursor, winner: Draft, loser: Draft, cause: Cause, *, is_long: bool) -> None:
    if is_long:
        winner.postponed = loser.postponed = cause
        return
    parted = history.fold(cursor, loser.id, loser.only_keys)
    mentioned = winner.state.mentioned.keys()
    # One that takes no new keys may not say all that its operations mention.
    is_partial = parted.full or loser.only_keys is not None
    keys = mentioned if is_partial else mentioned & parted.mentioned.keys()
    loser.settle(parted, cause)
    if keys:
        winner.settle(history.fold(cursor, winner.id, keys), cause, keys)
