"""Whatever happens, one thing after another: PostgreSQL holds what a small model says.

The model is the merge protocol told in another way: homes that identifiers have, and merges in
force as ties between homes, without a direction. People are what hangs together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, EXPLICIT
from identity.identifiers import Identifier as Name
from identity.models import Identifier, IdentityPolicy, Merge, Refusal
from identity.work import merge_by_hand, undo_by_hand
from ingest.isolation import process_isolated
from keystone import clock
from tests.db.people import people_of
from tests.db.worlds import Said, Tenant, patches

CRM_IDS = [Name(CRM_ID, value) for value in "AB"]
EMAILS = [Name(EMAIL, f"{name}@example.com") for name in "abc"]
COOKIES = [Name(ANONYMOUS_ID, value) for value in "xyz"]

IDENTITIES = [*CRM_IDS, *EMAILS]
identities, cookies = st.sampled_from(IDENTITIES), st.sampled_from(COOKIES)

KNOWN = 8

Patch = dict[str, object] | None
Home = int
Person = frozenset[Home]


class Model:
    """Who is who: keystone.md §5 without sessions, and with one limit: a single crm_id."""

    def __init__(self) -> None:
        self.home: dict[Name, Home] = {}
        self.ties: set[frozenset[Home]] = set()
        self.root: dict[Home, Home] = {}  # of the person that a home is part of
        self.barred: set[frozenset[Home]] = set()
        self.quarantined: set[Name] = set()
        self._homes: Iterator[Home] = count()

    def person(self, home: Home) -> Person:
        found: Person = frozenset({home})
        while more := frozenset().union(*(tie for tie in self.ties if tie & found)) - found:
            found |= more
        return found

    def names(self, person: Person) -> set[Name]:
        return {name for name, home in self.home.items() if home in person}

    def is_anchor(self, person: Person) -> bool:
        return any(name.kind in EXPLICIT for name in self.names(person))

    def event(self, said: list[Name], mention: Name | None, *, trusted: bool) -> None:
        """`said`: the strongest first, which is the actor."""
        actor = said[0]
        if actor in self.quarantined:
            return
        explicit = [name for name in said if name.kind in EXPLICIT]
        self._state(explicit, trusted=trusted)
        is_new = actor not in self.home
        if is_new:
            self._make(actor)
        for cookie in said:
            if cookie.kind == ANONYMOUS_ID and cookie not in self.quarantined:
                self._join(cookie, actor)
        if mention and mention not in self.home:
            if is_new or self.is_anchor(self.person(self.home[actor])):
                self.home[mention] = self.home[actor]
            else:
                self._make(mention)
                self._tie(self.home[actor], self.home[mention])

    def _state(self, explicit: list[Name], *, trusted: bool) -> None:
        stated = next((name for name in explicit if name in self.home), None)
        if stated is None and explicit:
            stated = explicit[0]
            self._make(stated)
        for name in explicit:
            assert stated is not None
            mine = self.person(self.home[stated])
            if name not in self.home:
                if name.kind == CRM_ID and self._crm_ids(mine):
                    if name is explicit[0]:
                        self._make(name)
                        return self._leave_apart(explicit, name)
                else:
                    self.home[name] = self.home[stated]
            elif self.home[name] not in mine and trusted:
                other = self.person(self.home[name])
                if not (self._crm_ids(mine) and self._crm_ids(other)):
                    self._tie(self.home[name], self.home[stated])
        return None

    def _leave_apart(self, explicit: list[Name], actor: Name) -> None:
        """A second crm_id is somebody else, who takes along what nobody has."""
        for name in explicit:
            if name not in self.home and name.kind != CRM_ID:
                self.home[name] = self.home[actor]

    def _crm_ids(self, person: Person) -> int:
        return sum(name.kind == CRM_ID for name in self.names(person))

    def _join(self, cookie: Name, actor: Name) -> None:
        if cookie not in self.home:
            self.home[cookie] = self.home[actor]
        elif not self.is_anchor(self.person(self.home[cookie])):
            self._tie(self.home[cookie], self.home[actor])

    def _make(self, name: Name) -> None:
        home = self.home[name] = next(self._homes)
        self.root[home] = home

    def _tie(self, one: Home, other: Home) -> None:
        """Two become one, unless that was taken back: a shadow an anchor, else the older."""
        people = self.person(one), self.person(other)
        if people[0] == people[1] or self.are_barred(*people):
            return
        ranked = sorted(people, key=lambda p: (not self.is_anchor(p), self.root[min(p)]))
        self.unite(frozenset({one, other}), self.root[min(ranked[0])])

    def are_barred(self, one: Person, other: Person) -> bool:
        return any(bar & one and bar & other for bar in self.barred)

    def unite(self, tie: frozenset[Home], root: Home) -> None:
        self.ties.add(tie)
        for home in self.person(root):
            self.root[home] = root

    def part(self, tie: frozenset[Home]) -> None:
        """The end that is not with the root is a root again."""
        self.ties.remove(tie)
        self.barred.add(tie)
        for end in tie:
            person = self.person(end)
            if self.root[end] not in person:
                for home in person:
                    self.root[home] = end

    def lift(self, one: Person, other: Person) -> None:
        self.barred = {bar for bar in self.barred if not (bar & one and bar & other)}


class People(RuleBasedStateMachine):
    """Events, what staff decide, and after each step a look at everybody."""

    tenant: Tenant

    def __init__(self) -> None:
        super().__init__()
        self.tenant.forget()
        self.model = Model()
        self.clock = count()

    @initialize(known=st.permutations([*IDENTITIES, *COOKIES]))
    def begin(self, known: list[Name]) -> None:
        """Most of them are somebody by themselves, older or younger."""
        for name in known[:KNOWN]:
            self._tell([name], None, trusted=True)

    @rule(cookie=cookies, patch=patches)
    def browse(self, cookie: Name, patch: Patch) -> None:
        self._tell([cookie], patch, trusted=False)

    @rule(name=identities, cookie=cookies, patch=patches, trusted=st.booleans())
    def log_in(self, name: Name, cookie: Name, patch: Patch, trusted: bool) -> None:
        self._tell([name, cookie], patch, trusted=trusted)

    @rule(names=st.permutations(IDENTITIES), patch=patches, trusted=st.booleans())
    def state(self, names: list[Name], patch: Patch, trusted: bool) -> None:
        self._tell(names[:2], patch, trusted=trusted)

    @rule(actor=identities | cookies, email=st.sampled_from(EMAILS))
    def mention(self, actor: Name, email: Name) -> None:
        if actor != email:
            self._tell([actor], {"email": email.value}, email, trusted=True)

    def _tell(
        self, names: list[Name], patch: Patch, mention: Name | None = None, *, trusted: bool
    ) -> None:
        mentions = (mention,) if mention else ()
        said = Said(frozenset(names), mentions, patch, next(self.clock) % 9, 0, not trusted)
        record = self.tenant.record(said, next(self.clock))
        (result,) = process_isolated([record], clock.now())
        assert not isinstance(result, Exception)
        self.model.event([*record.identifiers], mention, trusted=trusted)

    @precondition(lambda self: len(set(self.model.root.values())) > 1)
    @rule(data=st.data())
    def staff_merge(self, data: st.DataObject) -> None:
        roots = sorted(set(self.model.root.values()))
        winner, loser = data.draw(st.permutations(roots))[:2]
        people = self.model.person(winner), self.model.person(loser)
        if self.model.is_anchor(people[1]) and not self.model.is_anchor(people[0]):
            winner, loser = loser, winner
        ids = {home: id_ for id_, home in self._homes().items()}
        merge_by_hand(
            organization_id=self.tenant.id, winner_id=ids[winner], loser_id=ids[loser], by="staff"
        )
        self.model.lift(*people)
        self.model.unite(frozenset({winner, loser}), winner)

    @precondition(lambda self: len(self.model.ties) > 1)  # else trees would never grow
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        merges, homes = self._in_force(), self._homes()
        tie = data.draw(st.sampled_from(sorted(self.model.ties, key=sorted)))
        (merge,) = [m for m in merges if {homes[m.winner_id], homes[m.loser_id]} == tie]
        undo_by_hand(organization_id=self.tenant.id, merge_id=merge.id, by="staff")
        self.model.part(tie)

    @rule(cookie=cookies)
    def quarantine_or_release(self, cookie: Name) -> None:
        if cookie in self.model.home:
            self.model.quarantined ^= {cookie}
            status = "quarantined" if cookie in self.model.quarantined else "active"
            Identifier.objects.filter(key=self.tenant.key(cookie)).update(status=status)

    @rule()
    def dismiss(self) -> None:
        suggested = Refusal.objects.filter(organization_id=self.tenant.id, suggestion="open")
        suggested.update(suggestion="dismissed")

    @invariant()
    def people_are_as_the_model_says(self) -> None:
        model = self.model
        who = {
            self._keys(model.names(model.person(root))): "anchor"
            if model.is_anchor(model.person(root))
            else "shadow"
            for root in model.root.values()
        }
        stored = people_of(self.tenant.id)  # looks at attributes and roots by itself
        assert {keys: kind for keys, (kind, _, _) in stored.items()} == who

    @invariant()
    def merges_are_as_the_model_says(self) -> None:
        homes = self._homes()
        ties = [frozenset({homes[m.winner_id], homes[m.loser_id]}) for m in self._in_force()]
        assert len(ties) == len(self.model.ties)
        assert set(ties) == self.model.ties
        for id_, root in Identifier.objects.filter(organization_id=self.tenant.id).values_list(
            "home_id", "profile_id"
        ):
            assert homes[root] == self.model.root[homes[id_]]

    def _homes(self) -> dict[UUID, Home]:
        """By profile the model's home; each has identifiers of its own."""
        names = {self.tenant.key(name): home for name, home in self.model.home.items()}
        stored = Identifier.objects.filter(organization_id=self.tenant.id)
        homes = {name.home_id: names[name.key] for name in stored}
        assert len(set(homes.values())) == len(homes)
        return homes

    def _in_force(self) -> list[Merge]:
        return list(Merge.objects.filter(organization_id=self.tenant.id, undone_at=None))

    def _keys(self, names: Iterable[Name]) -> frozenset[UUID]:
        return frozenset(map(self.tenant.key, names))


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    tenant = Tenant()
    IdentityPolicy.objects.create(
        organization_id=tenant.id, emails=99, quarantine_after=999, public_links_per_hour=999
    )
    return tenant


def test_whatever_happens_people_are_as_the_model_says(tenant: Tenant) -> None:
    People.tenant = tenant
    case = People.TestCase()
    case.settings = settings(max_examples=14, stateful_step_count=30, deadline=None)
    case.runTest()
