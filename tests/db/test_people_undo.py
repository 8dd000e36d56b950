"""Merges of people that are taken back, in any order: the world that never merged.

Staff take people for one who are not, while events go on. Excluded, because rules decide it
otherwise or because nothing is kept of it:

- limits: who are two people have twice as many identities as one may have;
- a pair that was taken apart is not merged again, not even by way of a third: no event brings
  together again what was taken apart, and so would not bring the third together with either;
- two parts of one person are not both taken for the same other: that the two are one is no news
  to the events that say it meanwhile, and what is no news leaves no trace;
- "a cookie never merges two anchors" (keystone.md §5), and what is kept apart stays so: so a device
  that is still to log in is not taken for somebody who has an identity, or will have, and of the
  devices of who never logs in only one is taken for somebody else.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.models import Identifier, IdentityPolicy, Profile
from identity.work import merge_by_hand, undo_by_hand
from tests.db.test_people_permutations import (
    assert_as_expected,
    assert_seen_when_they_acted,
    outlook,
    tell,
)
from tests.db.worlds import Log, Tenant, expected, kind_of, logs, tellings


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    tenant = Tenant()
    IdentityPolicy.objects.create(
        organization_id=tenant.id, crm_ids=99, emails=99, phones=99, public_links_per_hour=999
    )
    return tenant


class Root(NamedTuple):
    """Whoever is somebody: which true person its own identifiers are, and what it is by now."""

    id: UUID
    person: int
    is_anchor: bool
    #: A shadow that is still to log in: then its devices are that identity's.
    is_waiting: bool


class Staff:
    """Takes people for one, and takes that back. Knows whom they may confuse."""

    def __init__(self, tenant: Tenant, log: Log) -> None:
        self.tenant = tenant
        people = expected(log.all)
        self.person = {tenant.key(n): number for number, each in enumerate(people) for n in each}
        self.identified = {n for n, each in enumerate(people) if kind_of(each) == "anchor"}
        self.in_force: dict[UUID, frozenset[int]] = {}  # by merge
        self.taken_back: set[frozenset[int]] = set()

    def merge(self, data: st.DataObject) -> None:
        """Merge two roots, if any two may be confused."""
        roots = self._roots()
        pairs = [(one, other) for one in roots for other in roots if self._may_merge(one, other)]
        if pairs:
            winner, loser = data.draw(st.sampled_from(pairs))
            done = merge_by_hand(
                organization_id=self.tenant.id, winner_id=winner.id, loser_id=loser.id, by="staff"
            )
            self.in_force[done.merge_id] = frozenset({winner.person, loser.person})

    def undo(self, data: st.DataObject) -> None:
        """Take one of the merges back, if there is any."""
        if self.in_force:
            merge_id = data.draw(st.sampled_from(list(self.in_force)))
            undone = undo_by_hand(organization_id=self.tenant.id, merge_id=merge_id, by="staff")
            assert undone.status == "done"
            self.taken_back.add(self.in_force.pop(merge_id))

    def _roots(self) -> list[Root]:
        names = Identifier.objects.filter(organization_id=self.tenant.id).order_by("key")
        own = {name.home_id: name.key for name in names}
        identified = {n.profile_id for n in names if self.person[n.key] in self.identified}
        roots = Profile.objects.filter(organization_id=self.tenant.id, merged_into=None)
        found = [
            Root(
                root.id,
                self.person[own[root.id]],
                is_anchor,
                not is_anchor and root.id in identified,
            )
            for root in roots
            for is_anchor in [root.kind == "anchor"]
        ]
        return sorted(found, key=lambda root: own[root.id])

    def _may_merge(self, winner: Root, loser: Root) -> bool:
        if winner.is_waiting and (loser.is_waiting or loser.is_anchor):
            return False
        if loser.is_anchor > winner.is_anchor or (loser.is_waiting and winner.is_anchor):
            return False
        busy = frozenset[int]().union(*self.in_force.values()) - self.identified
        if busy & {winner.person, loser.person}:
            return False
        ones, others = self._confused_with(winner.person), self._confused_with(loser.person)
        apart = any(frozenset({a, b}) in self.taken_back for a in ones for b in others)
        return ones != others and not apart

    def _confused_with(self, person: int) -> set[int]:
        found = {person}
        for _ in self.in_force:
            found = found.union(*(pair for pair in self.in_force.values() if pair & found))
        return found


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_merges_taken_back_in_any_order_were_never_made(
    tenant: Tenant, data: st.DataObject
) -> None:
    log = data.draw(logs())
    records = tenant.records(log.all)
    staff = Staff(tenant, log)
    tenant.forget()
    for batch in data.draw(tellings(log)):
        for decide in data.draw(st.lists(st.sampled_from([staff.merge, staff.undo]), max_size=2)):
            decide(data)
        tell([[records[place] for place in batch]])
    while staff.in_force:
        staff.undo(data)
    assert_as_expected(log, tenant, outlook(tenant))
    assert_seen_when_they_acted(tenant)
