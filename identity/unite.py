"""Makes two profiles one after the fact: what a request left, what people decide.

It is the very collapse of the pipeline. What an event asked for is judged again by what is known
now; what people decide overrides limits and lifts what keeps the two apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString
from uuid import UUID

import msgspec

from identity import merge, policies, protect, refusals, seen
from identity.backlog import Impossible, TooMuch, Work
from identity.locks import lock_people
from identity.races import LostRace
from identity.resolve import LARGE
from identity.sighting import ANCHOR, SHADOW, Collapse, Person, Place, Sighting, Statement
from keystone.db import Cursor

#: Rules of people; all others are those of `identity.decide`, …
STAFF, SUGGESTION = "staff", "suggestion"
BY_HAND = frozenset({STAFF, SUGGESTION})
#: … of which this one makes two anchors one.
STATED = "stated"

# By the index identifier (profile_id, kind, linked_at). An id that was merged away is its root.
_SIDES: LiteralString = """
SELECT asked.id, root.id, root.kind, root.first_seen, root.last_seen,
       crm_ids, emails, phones,
       EXISTS (SELECT FROM identifier WHERE profile_id = root.id OFFSET %(large)s),
       ARRAY(SELECT right_id FROM cannot_link WHERE left_id = root.id
             UNION ALL SELECT left_id FROM cannot_link WHERE right_id = root.id),
       root.erased_at IS NOT NULL
FROM unnest(ARRAY[%(winner)s, %(loser)s]::uuid[]) AS asked (id)
JOIN profile ON profile.id = asked.id AND profile.org_id = %(organization)s
JOIN profile root ON root.id = COALESCE(profile.merged_into, profile.id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE identifier.kind = 'crm_id') AS crm_ids,
           count(*) FILTER (WHERE identifier.kind = 'email') AS emails,
           count(*) FILTER (WHERE identifier.kind = 'phone') AS phones
    FROM identifier
    WHERE profile_id = root.id AND identifier.kind IN ('crm_id', 'email', 'phone')
) AS explicit
"""
_LIFT: LiteralString = """
DELETE FROM cannot_link
WHERE (left_id = %(one)s AND right_id = %(other)s) OR (left_id = %(other)s AND right_id = %(one)s)
"""


class Sides(msgspec.Struct, frozen=True):
    """Whom two ids stand for by now: their roots."""

    winner: Person
    loser: Person


class United(msgspec.Struct, frozen=True, kw_only=True):
    """Who became part of whom; `postponed`: the attributes follow a moment later."""

    winner_id: UUID
    loser_id: UUID
    postponed: bool


def look(cursor: Cursor, organization_id: UUID, winner_id: UUID, loser_id: UUID) -> Sides:
    """Read both sides. Raises `Impossible`: not_found (also who was erased), same_person."""
    rows = cursor.run(
        _SIDES, winner=winner_id, loser=loser_id, organization=organization_id, large=LARGE
    )
    people = {asked: _person(*row) for asked, *row, is_erased in rows if not is_erased}
    winner, loser = people.get(winner_id), people.get(loser_id)
    if winner is None or loser is None:
        raise Impossible("not_found", "There is no such person.")
    if winner.id == loser.id:
        raise Impossible("same_person", "The two are one person already.")
    return Sides(winner, loser)


def unite(cursor: Cursor, work: Work, now: datetime, *, in_request: bool = False) -> United:
    """Carry out a merge, all of it in the caller's transaction.

    1. Lock whomever the two ids stand for by now; what was found before must still hold.
    2. An anchor never becomes part of a shadow: the sides are swapped.
    3. What events asked for is judged again; what people decide lifts a cannot-link.
    4. Collapse.

    `in_request`: raises `TooMuch` instead of doing what takes long, and anchor_into_shadow
    instead of swapping the sides. Raises `Impossible` and `LostRace`.
    """
    sides = _locked(cursor, work)
    if in_request and sides.winner.kind == SHADOW and sides.loser.kind == ANCHOR:
        raise Impossible("anchor_into_shadow", "Who has an identity never joins who has none.")
    winner, loser = _in_order(sides, work.rule)
    if work.rule in BY_HAND:
        cursor.send(_LIFT, one=winner.id, other=loser.id)
    else:
        _judge(cursor, work, winner, loser)
    if in_request and loser.is_large:
        raise TooMuch
    out_of, into = (_place(work, sides, person) for person in (loser, winner))
    postponed = _collapse(cursor, work, out_of, into, now)
    return United(winner_id=winner.id, loser_id=loser.id, postponed=postponed)


def _person(  # noqa: PLR0913 - the columns
    id_: UUID,
    kind: str,
    first_seen: datetime,
    last_seen: datetime,
    crm_ids: int,
    emails: int,
    phones: int,
    is_large: bool,
    barred: list[UUID],
) -> Person:
    return Person(
        id_,
        kind,
        (first_seen, last_seen),
        crm_ids=crm_ids,
        emails=emails,
        phones=phones,
        is_large=is_large,
        barred=frozenset(barred),
    )


def _locked(cursor: Cursor, work: Work) -> Sides:
    asked = work.org_id, work.profile_id, work.other_id or work.profile_id
    before = look(cursor, *asked)
    lock_people(cursor, (before.winner.id, before.loser.id))
    sides = look(cursor, *asked)
    if (sides.winner.id, sides.loser.id) != (before.winner.id, before.loser.id):
        raise LostRace
    return sides


def _in_order(sides: Sides, rule: str) -> tuple[Person, Person]:
    """Return who takes in whom: an anchor a shadow; of two that an event states, the older."""
    winner, loser = sides.winner, sides.loser
    is_wrong = winner.id > loser.id if rule == STATED else winner.kind == SHADOW
    if is_wrong and loser.kind == ANCHOR:
        return loser, winner
    return winner, loser


def _judge(cursor: Cursor, work: Work, winner: Person, loser: Person) -> None:
    """Ask what the pipeline asked, of what the two have become meanwhile; raises `Impossible`."""
    if protect.are_barred(winner, loser):
        raise Impossible(protect.CANNOT_LINK, "Somebody took the merge of these two back.")
    if loser.kind == SHADOW:
        return
    if work.rule != STATED:
        raise Impossible("anchors", "A device makes no two people one.")
    rules = policies.ask(cursor, [work.org_id])()
    said = Sighting(  # whatever it named; of what a page says, nothing like this is ever left
        organization_id=work.org_id,
        source_id=work.source_id or work.org_id,
        event_id=work.event_id or work.id,
        seen_at=work.seen_at,
        actor_key=work.profile_id,
        identifiers={},
        mentions={},
    )
    reason = protect.why_not_merge(winner, loser, said, rules.get(work.org_id, protect.Policy()))
    if reason:
        raise Impossible(reason, "One person would have too many identities.")


def _place(work: Work, sides: Sides, person: Person) -> Place:
    """Return which profile of a person is meant: whose identifier an event named, or the person."""
    named = work.profile_id if person is sides.winner else work.other_id
    return Place(person, person.id if work.rule in BY_HAND or named is None else named)


def _collapse(cursor: Cursor, work: Work, out_of: Place, into: Place, now: datetime) -> bool:
    loser, winner = out_of.person, into.person
    statement = Statement(
        organization_id=work.org_id,
        source_id=work.source_id,
        event_id=work.event_id,
        seen_at=work.seen_at,
    )
    collapse = Collapse(
        work.merge_id or work.id, loser, winner, statement, work.rule, out_of, into, work.by
    )
    winner.take_in(loser)
    postponed = merge.collapse(cursor, [collapse], (), now)
    refusals.accept(cursor, winner.id, work.by, now)
    assert loser.span is not None
    seen.touch(cursor, {}, {winner: loser.span}, {})
    return winner.id in postponed
