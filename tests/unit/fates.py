"""Generated worlds, batches and limits: as the first look has them, and as they truly are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from uuid import UUID

from hypothesis import strategies as st

from identity.decide import Plan
from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, EXPLICIT, PHONE, SESSION, Identifier
from identity.protect import Policy
from identity.sighting import ACTIVE, ANCHOR, QUARANTINED, SHADOW, Known, Person, Sighting
from keystone.ids import new_id
from tests.unit.sightings import NOW, ORGANIZATION, key, saw

PEOPLE_MAX, BATCH_MAX = 6, 6
POOL = [
    *(Identifier(CRM_ID, value) for value in "ABC"),
    *(Identifier(EMAIL, f"{name}@example.com") for name in "abcd"),
    *(Identifier(PHONE, number) for number in ("+4915112345678", "+4915112345679")),
    *(Identifier(ANONYMOUS_ID, f"c{number}") for number in range(4)),
    *(Identifier(SESSION, f"s{number}") for number in range(2)),
]
BY_KEY = {key(said): said for said in POOL}
ADDRESSES = [said for said in POOL if said.kind in (EMAIL, PHONE)]

_seldom = st.sampled_from([False, False, False, False, True])
_statuses = st.sampled_from([ACTIVE] * 9 + [QUARANTINED])
#: How many links it had in the last hour, whether it is large, how many e-mails more it has.
_limits = st.tuples(st.integers(0, 3), _seldom, st.integers(0, 2))
_policies = st.builds(
    Policy,
    crm_ids=st.integers(1, 2),
    emails=st.integers(1, 3),
    phones=st.integers(1, 2),
    public_links_per_hour=st.integers(0, 4),
    blocked=st.frozensets(st.sampled_from([f"{s.kind}:{s.value}" for s in POOL]), max_size=1),
)


@st.composite
def _sightings(draw: st.DrawFn) -> Sighting:
    said = draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=4, unique=True))
    others = [address for address in ADDRESSES if address not in said]
    return saw(
        *said,
        mentions=tuple(draw(st.lists(st.sampled_from(others), max_size=2, unique=True))),
        trusted=draw(st.booleans()),
        says_attributes=draw(st.booleans()),
    )


class Fate:
    """People, what limits each of them, an organization's policy and a batch."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.policy = draw(_policies)
        self.batch = draw(st.lists(_sightings(), min_size=1, max_size=BATCH_MAX))
        self.defer = draw(_seldom)
        owners = {said: draw(st.integers(-1, PEOPLE_MAX - 1)) for said in POOL}
        held = [[s for s, owner in owners.items() if owner == who] for who in range(PEOPLE_MAX)]
        self.people = {new_id(): identifiers for identifiers in held if identifiers}
        self.status = {said: draw(_statuses) for said in POOL}
        self.limits = {id_: draw(_limits) for id_ in self.people}
        pairs = combinations(self.people, 2)
        self.barred = {frozenset(pair) for pair in pairs if draw(_seldom)}

    def first(self) -> Plan:
        """Decide without knowing what limits anybody."""
        return self._plan({id_: self._unlimited(id_) for id_ in self.people})

    def second(self, first: Plan) -> Plan:
        """Decide as `identity.resolve` does under locks, knowing what limits the people locked."""
        locked = first.touched
        people = {id_: self._unlimited(id_) for id_ in self.people}
        return self._plan(people | {id_: self.true(id_, first) for id_ in locked})

    def true(self, id_: UUID, first: Plan) -> Person:
        person = self._unlimited(id_)
        recent, is_large, more = self.limits[id_]
        person.barred = frozenset[UUID]().union(*(p for p in self.barred if id_ in p)) - {id_}
        # Known only of those whom the first look would move; what is unknown is not moved at once.
        person.is_large = is_large or id_ not in {each.loser.id for each in first.collapses}
        if person.kind == ANCHOR:
            person.recent = recent
            person.gain(EMAIL, more)
            for said in self.people[id_]:
                person.gain(said.kind)
        return person

    def _unlimited(self, id_: UUID) -> Person:
        is_anchor = any(said.kind in EXPLICIT for said in self.people[id_])
        return Person(id_, ANCHOR if is_anchor else SHADOW, (NOW, NOW))

    def _plan(self, people: Mapping[UUID, Person]) -> Plan:
        known = {
            key(said): Known(people[id_], (NOW, NOW), id_, self.status[said])
            for id_, identifiers in self.people.items()
            for said in identifiers
        }
        plan = Plan(known, {ORGANIZATION: self.policy}, defer=self.defer)
        plan.take_in(self.batch)
        return plan

    def decided(self) -> Plan:
        return self.second(self.first())


@st.composite
def fates(draw: st.DrawFn) -> Fate:
    return Fate(draw)
