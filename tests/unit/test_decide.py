"""Who gets the event: keystone.md §5, row by row, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from identity.decide import Plan
from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, KINDS, PHONE, SESSION, Identifier
from identity.sighting import ANCHOR, SHADOW, Known, Person, Sighting
from keystone.ids import new_id

SECRET = b"s" * 32
NOW = datetime(2026, 11, 1, tzinfo=UTC)
COOKIE, OTHER_COOKIE = Identifier(ANONYMOUS_ID, "c1"), Identifier(ANONYMOUS_ID, "c2")
ADA, BOB = Identifier(EMAIL, "ada@example.com"), Identifier(EMAIL, "bob@example.com")
ADAS_PHONE = Identifier(PHONE, "+4915112345678")
ADAS_ID, BOBS_ID = Identifier(CRM_ID, "A-1"), Identifier(CRM_ID, "B-1")
VISIT = Identifier(SESSION, "s1")


def saw(*identifiers: Identifier, mentions: tuple[Identifier, ...] = ()) -> Sighting:
    strongest_first = sorted(identifiers, key=lambda said: KINDS.index(said.kind))
    keyed = {said.key(SECRET): said for said in strongest_first}
    return Sighting(
        organization_id=UUID(int=1),
        source_id=UUID(int=2),
        event_id=new_id(),
        seen_at=NOW,
        actor_key=next(iter(keyed)),
        identifiers=keyed,
        mentions={said.key(SECRET): said for said in mentions},
    )


class World:
    """People by name and the identifiers they already have."""

    def __init__(self, **people: tuple[str, list[Identifier]]) -> None:
        self.people: dict[str, Person] = {}
        self.known: dict[UUID, Known] = {}
        for name, (kind, identifiers) in people.items():
            person = self.people[name] = Person(new_id(), kind, (NOW, NOW))
            for said in identifiers:
                person.gain(said.kind)
            self.known |= {said.key(SECRET): Known(person, (NOW, NOW)) for said in identifiers}

    def take_in(self, *sightings: Sighting) -> Plan:
        plan = Plan(self.known)
        plan.take_in(sightings)
        return plan

    def id(self, name: str) -> UUID:
        return self.people[name].id


def owner(plan: Plan, identifier: Identifier) -> UUID | None:
    person = plan.person(identifier.key(SECRET))
    return person and person.id


def test_an_unknown_identity_creates_an_anchor() -> None:
    event = saw(ADA)
    plan = World().take_in(event)
    assert plan.resolution(event).kind == ANCHOR


def test_an_unknown_cookie_creates_a_shadow() -> None:
    event = saw(COOKIE)
    plan = World().take_in(event)
    assert plan.resolution(event).kind == SHADOW


def test_a_known_cookie_alone_writes_nothing() -> None:
    event = saw(COOKIE)
    world = World(shadow=(SHADOW, [COOKIE]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("shadow")
    assert (plan.links, plan.created, plan.collapses, plan.touched) == ([], [], [], set())


def test_an_anchors_cookie_alone_is_the_anchors_event() -> None:
    event = saw(COOKIE)
    world = World(ada=(ANCHOR, [ADA, COOKIE]))
    assert world.take_in(event).resolution(event).profile_id == world.id("ada")


def test_an_unknown_cookie_joins_a_known_identity() -> None:
    world = World(ada=(ANCHOR, [ADA]))
    plan = world.take_in(saw(ADA, COOKIE))
    assert owner(plan, COOKIE) == world.id("ada")
    assert plan.touched == {world.id("ada")}


def test_a_shadow_collapses_into_a_new_anchor() -> None:
    event = saw(ADA, COOKIE)
    world = World(shadow=(SHADOW, [COOKIE]))
    plan = world.take_in(event)
    resolution = plan.resolution(event)
    assert resolution.kind == ANCHOR
    assert resolution.merged == (world.id("shadow"),)
    assert owner(plan, COOKIE) == resolution.profile_id


def test_a_shadow_collapses_into_a_known_anchor() -> None:
    event = saw(ADA, COOKIE)
    world = World(shadow=(SHADOW, [COOKIE]), ada=(ANCHOR, [ADA]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert plan.touched == {world.id("shadow"), world.id("ada")}


def test_an_anchors_own_cookie_has_nothing_to_merge() -> None:
    world = World(ada=(ANCHOR, [ADA, COOKIE]))
    assert world.take_in(saw(ADA, COOKIE)).collapses == []


def test_an_unknown_identity_on_an_anchors_cookie_is_another_person() -> None:
    event = saw(BOB, COOKIE)
    world = World(ada=(ANCHOR, [ADA, COOKIE]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id != world.id("ada")
    assert owner(plan, COOKIE) == world.id("ada")


def test_an_unknown_identity_named_with_one_of_the_anchors_joins_it() -> None:
    world = World(ada=(ANCHOR, [ADA, COOKIE]))
    plan = world.take_in(saw(ADA, ADAS_PHONE, COOKIE))
    assert owner(plan, ADAS_PHONE) == world.id("ada")


def test_a_cookie_never_merges_two_anchors() -> None:
    event = saw(BOB, COOKIE)
    world = World(ada=(ANCHOR, [ADA, COOKIE]), bob=(ANCHOR, [BOB]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("bob")
    assert plan.collapses == []
    assert owner(plan, COOKIE) == world.id("ada")


def test_a_second_crm_id_is_a_person_of_its_own() -> None:
    event = saw(BOBS_ID, ADA)
    world = World(ada=(ANCHOR, [ADA, ADAS_ID]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id != world.id("ada")
    assert owner(plan, ADA) == world.id("ada")


def test_a_first_crm_id_joins_the_address_it_comes_with() -> None:
    world = World(ada=(ANCHOR, [ADA]))
    assert owner(world.take_in(saw(ADAS_ID, ADA)), ADAS_ID) == world.id("ada")


def test_a_session_alone_is_a_shadow() -> None:
    event = saw(VISIT)
    assert World().take_in(event).resolution(event).kind == SHADOW


def test_a_session_is_no_identifier_where_a_cookie_is_given() -> None:
    assert owner(World().take_in(saw(COOKIE, VISIT)), VISIT) is None


def test_a_known_session_joins_the_person_like_a_cookie() -> None:
    world = World(visitor=(SHADOW, [VISIT]), ada=(ANCHOR, [ADA]))
    assert owner(world.take_in(saw(ADA, VISIT)), VISIT) == world.id("ada")


def test_a_known_sessions_shadow_collapses_into_the_cookies_shadow() -> None:
    world = World(visit=(SHADOW, [VISIT]), cookie=(SHADOW, [COOKIE]))
    assert owner(world.take_in(saw(COOKIE, VISIT)), VISIT) == world.id("cookie")


def test_a_mentioned_address_makes_a_shadow_an_anchor() -> None:
    event = saw(COOKIE, mentions=(ADA,))
    world = World(shadow=(SHADOW, [COOKIE]))
    plan = world.take_in(event)
    assert plan.resolution(event).kind == ANCHOR
    assert owner(plan, ADA) == owner(plan, COOKIE)


def test_a_mentioned_address_that_another_has_is_left_alone() -> None:
    event = saw(COOKIE, mentions=(ADA,))
    world = World(shadow=(SHADOW, [COOKIE]), ada=(ANCHOR, [ADA]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("shadow")
    assert owner(plan, ADA) == world.id("ada")


def test_a_batch_decides_as_its_events_would_one_by_one() -> None:
    browsing, login, later = saw(COOKIE), saw(ADA, COOKIE), saw(OTHER_COOKIE, ADA)
    plan = World().take_in(browsing, login, later)
    people = {plan.resolution(event).profile_id for event in (browsing, login, later)}
    assert len(people) == 1
    assert plan.resolution(login).merged == (plan.collapses[0].loser.id,)
    assert plan.touched == set()  # everyone is new: nothing to lock


def test_a_chain_of_collapses_ends_at_one_root() -> None:
    world = World(visit=(SHADOW, [VISIT]), cookie=(SHADOW, [COOKIE]), ada=(ANCHOR, [ADA]))
    plan = world.take_in(saw(COOKIE, VISIT), saw(ADA, COOKIE))
    assert {owner(plan, said) for said in (VISIT, COOKIE, ADA)} == {world.id("ada")}
