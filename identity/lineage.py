"""Adds what events and merges say to people's attributes, and logs every leaf that changed.

A person's attributes are the fold of the operations of all of their identifiers
(`identity.attributes`). What comes in event-time order is added to what is there; for what comes
late, or together by a merge, the keys concerned are folded again from what is stored.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

import msgspec

from identity import drafts
from identity.attributes import Operation, apply, combine, sort_key
from identity.drafts import Cause, Draft
from identity.races import LostRace
from identity.values import Attributes, Json, changes
from keystone.db import Cursor, json_rows

_REMEMBER = """
INSERT INTO attribute_op (actor_key, event_id, org_id, occurred_at, client_ms, strength, patch)
SELECT actor_key, event_id, org_id, occurred_at, client_ms, strength, patch
FROM json_to_recordset(%(rows)s::json) AS new (
    actor_key uuid, event_id uuid, org_id uuid, occurred_at timestamptz, client_ms bigint,
    strength smallint, patch jsonb)
ON CONFLICT DO NOTHING
RETURNING replace(event_id::text, '-', '')
"""


class ProfileOperation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An operation, and the profile that its actor's identifier points at."""

    profile_id: UUID
    organization_id: UUID
    source_id: UUID
    op: Operation


class _OperationRow(msgspec.Struct, gc=False):
    """As `_REMEMBER` wants it."""

    actor_key: UUID
    event_id: UUID
    org_id: UUID
    occurred_at: datetime
    client_ms: int
    strength: int
    patch: Mapping[str, Json]


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """One collapse whose identifiers have been re-pointed. No winner is another's loser."""

    merge_id: UUID
    organization_id: UUID
    winner_id: UUID
    loser_id: UUID
    event_id: UUID | None
    source_id: UUID | None
    at: datetime  # event time

    @property
    def cause(self) -> Cause:
        """What the lineage of the winner gives as the reason."""
        return Cause(self.at, self.event_id, self.source_id, self.merge_id)


class AttributesBefore(TypedDict):
    """What both sides of a merge knew (where one winner has several losers: before the first)."""

    winner: Attributes
    loser: Attributes


def apply_operations(
    cursor: Cursor, operations: Sequence[ProfileOperation], now: datetime
) -> dict[UUID, int]:
    """Add operations to their profiles; one that is stored already has no second effect.

    Returns by event id how many leaves it changed, where it changed any. For a key that is folded
    again, the newest operation of the call that mentions it is named as the cause. Where that
    takes more than a request may read, the key keeps its value, and the profile is left to
    `collapse_profiles`.
    Statements: none for no operations, else 4, and one more when some come late, one for what is
    left.
    Raises `LostRace` when a profile was written or merged away meanwhile.
    """
    fresh = _remember(cursor, [each for each in operations if each.op.patch])
    if not fresh:
        return {}
    people = drafts.read(cursor, {id_: said[0].organization_id for id_, said in fresh.items()})
    _require_roots(people.values())
    for id_, said in fresh.items():
        _take_in(people[id_], said)
    drafts.refold(cursor, people.values())
    for draft in people.values():
        if draft.stale:
            draft.log_changes(draft.stale)
    drafts.write(cursor, people.values(), now)
    causes = [cause for draft in people.values() for cause, _ in draft.lineage]
    return Counter(cause.event_id for cause in causes if cause.event_id)


def merge_attributes(
    cursor: Cursor, merges: Sequence[Merged], now: datetime
) -> tuple[dict[UUID, AttributesBefore], set[UUID]]:
    """Make the losers' attributes the winners', once their identifiers point at the winners.

    A key of one side is taken as it is; one that both have becomes what both histories add up to,
    so that the latest event time wins. The winner's lineage, with the merge id: a row for each
    leaf that changed, and one for each value of the loser that lost: it is `old`, and what stands
    is `new`. A loser keeps its attributes, but its version moves on: whoever is still writing to
    it has lost the race. Returns by merge id what both sides knew before, and the winners whose
    clashing keys are left to `collapse_profiles`, because history is too long to be read here.

    Statements: none for no merges, else 3, one more when history decides a key, one for what is
    left.
    Raises `LostRace` as `apply_operations` does.
    """
    if not merges:
        return {}, set()
    winners = {each.winner_id for each in merges}
    ids = (
        (id_, each.organization_id) for each in merges for id_ in (each.winner_id, each.loser_id)
    )
    people = drafts.read(cursor, dict(ids))
    _require_roots(people[id_] for id_ in winners)
    for each in merges:
        _join(each, people[each.winner_id], people[each.loser_id])
    drafts.refold(cursor, people.values())
    for id_ in winners:
        people[id_].log_changes(people[id_].causes)
    for each in merges:
        _log_losing_values(each, people[each.winner_id], people[each.loser_id])
    drafts.write(cursor, people.values(), now)
    before = {each.merge_id: _before(people, each) for each in merges}
    return before, {id_ for id_ in winners if people[id_].postponed}


def _remember(
    cursor: Cursor, operations: Sequence[ProfileOperation]
) -> dict[UUID, list[ProfileOperation]]:
    """Store operations; returns those that are new, by profile, in event-time order."""
    if not operations:
        return {}
    said = {(each.op.actor_key.int, each.op.event_id.int): each for each in operations}
    rows = [_operation_row(said[key]) for key in sorted(said)]
    new = {event_hex for (event_hex,) in cursor.run(_REMEMBER, rows=json_rows(rows))}
    fresh: dict[UUID, list[ProfileOperation]] = defaultdict(list)
    for each in sorted(said.values(), key=lambda each: sort_key(each.op)):
        if each.op.event_id.hex in new:
            fresh[each.profile_id].append(each)
    return fresh


def _operation_row(operation: ProfileOperation) -> _OperationRow:
    op = operation.op
    return _OperationRow(
        op.actor_key,
        op.event_id,
        operation.organization_id,
        op.occurred_at,
        op.client_ms,
        op.strength,
        op.patch,
    )


def _require_roots(people: Iterable[Draft]) -> None:
    if not all(draft.is_root for draft in people):
        raise LostRace


def _take_in(draft: Draft, said: Sequence[ProfileOperation]) -> None:
    """Add a profile's new operations, given in event-time order."""
    for each in said:
        cause = Cause(each.op.occurred_at, each.op.event_id, each.source_id)
        before = draft.state.attributes
        draft.state, stale = apply(draft.state, each.op)
        draft.stale |= stale
        for key in draft.stale.intersection(each.op.patch):
            draft.causes[key] = cause
        found = changes(before, draft.state.attributes, each.op.patch)
        draft.lineage += [(cause, change) for change in found]
    if draft.stale:  # what newer operations did to such a key, they did to what does not hold
        draft.lineage = [row for row in draft.lineage if row[1].path[0] not in draft.stale]


def _join(merged: Merged, winner: Draft, loser: Draft) -> None:
    winner.state, stale = combine(winner.state, loser.state)
    winner.stale |= stale
    winner.causes.update(dict.fromkeys(loser.state.mentioned, merged.cause))


def _log_losing_values(merged: Merged, winner: Draft, loser: Draft) -> None:
    found = changes(loser.before, winner.state.attributes, loser.before)
    winner.lineage += [(merged.cause, change) for change in found if change.op != "add"]


def _before(people: Mapping[UUID, Draft], merged: Merged) -> AttributesBefore:
    return {"winner": people[merged.winner_id].before, "loser": people[merged.loser_id].before}
