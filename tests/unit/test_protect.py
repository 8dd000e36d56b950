"""What keeps people apart who are not one, without a database (DESIGN §5, Protection)."""

from __future__ import annotations

import pytest

from identity.identifiers import EMAIL, PHONE, Identifier
from identity.protect import Policy, Refused, suppressed, why_not_merge
from identity.sighting import ANCHOR, ERASED, QUARANTINED, SHADOW, Person
from keystone.ids import new_id
from tests.unit.sightings import (
    ADA,
    ADAS_ID,
    ADAS_PHONE,
    BOB,
    COOKIE,
    OTHER_COOKIE,
    VISIT,
    World,
    cookies,
    emails,
    key,
    owner,
    refused,
    saw,
)

BLOCKING = Policy(blocked=frozenset({"email:ada@example.com"}))


# Limits.


def test_a_sixth_e_mail_is_a_person_of_its_own() -> None:
    *known, sixth = emails(6)
    event = saw(known[0], sixth)
    world = World(ada=(ANCHOR, known))
    plan = world.take_in(event)
    assert owner(plan, sixth) is None
    assert plan.resolution(event).profile_id == world.id("ada")
    assert refused(plan) == [("limit", "email:5@example.com", "email:0@example.com")]


def test_an_actor_beyond_the_limit_is_a_person_of_its_own() -> None:
    phone, *known = (Identifier(PHONE, f"+491511234567{n}") for n in range(6))
    event = saw(Identifier(EMAIL, "new@example.com"), known[0])
    world = World(ada=(ANCHOR, [*emails(5), *known]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id != world.id("ada")
    assert plan.resolution(event).kind == ANCHOR
    assert [each.reason for each in plan.refusals] == ["limit"]
    assert owner(world.take_in(saw(known[0], phone)), phone) is None


def test_the_limit_is_the_organizations() -> None:
    world = World(ada=(ANCHOR, [ADA]))
    assert owner(world.take_in(saw(ADA, BOB), policy=Policy(emails=1)), BOB) is None
    assert owner(world.take_in(saw(ADA, BOB), policy=Policy(emails=2)), BOB) == world.id("ada")


def test_a_batch_counts_what_it_links_itself() -> None:
    first, second, third = emails(3)
    world = World(ada=(ANCHOR, [first]))
    plan = world.take_in(saw(first, second), saw(first, third), policy=Policy(emails=2))
    assert (owner(plan, second), owner(plan, third)) == (world.id("ada"), None)


def test_two_people_who_have_too_many_e_mails_together_stay_apart() -> None:
    some, others = emails(6)[:3], emails(6)[3:]
    world = World(ada=(ANCHOR, some), bob=(ANCHOR, others))
    plan = world.take_in(saw(some[0], others[0]))
    assert plan.collapses == []
    assert [each.reason for each in plan.refusals] == ["limit"]


def test_who_has_too_many_by_staffs_decision_may_take_in_who_has_none() -> None:
    large, other = Person(new_id(), ANCHOR, emails=9), Person(new_id(), ANCHOR, crm_ids=1)
    assert why_not_merge(large, other, saw(ADA), Policy()) is None


def test_a_device_is_never_too_many() -> None:
    world = World(ada=(ANCHOR, [ADA, *cookies(50)]))
    assert owner(world.take_in(saw(ADA, COOKIE)), COOKIE) == world.id("ada")


# Values that name nobody, by an organization's own list.


def test_a_blocked_actor_has_its_event_and_brings_nobody_along() -> None:
    event = saw(ADA, COOKIE)
    world = World(shadow=(SHADOW, [COOKIE]))
    plan = world.take_in(event, policy=BLOCKING)
    assert plan.resolution(event).profile_id == owner(plan, ADA) != world.id("shadow")
    assert owner(plan, COOKIE) == world.id("shadow")
    assert [link.status for link in plan.links] == [QUARANTINED]
    assert refused(plan) == [("blocked", "email:ada@example.com", "anonymous_id:c1")]


def test_a_blocked_actor_alone_is_nothing_to_tell() -> None:
    assert World().take_in(saw(ADA), policy=BLOCKING).refusals == []


def test_a_blocked_actor_that_has_a_person_keeps_it() -> None:
    event = saw(ADA, COOKIE)
    world = World(ada=(ANCHOR, [ADA]))
    plan = world.take_in(event, policy=BLOCKING)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert (owner(plan, COOKIE), plan.links) == (None, [])


def test_a_blocked_value_beside_the_actor_is_left_out() -> None:
    event = saw(ADAS_ID, ADA, COOKIE)
    world = World(ada=(ANCHOR, [ADA]), shadow=(SHADOW, [COOKIE]))
    plan = world.take_in(event, policy=BLOCKING)
    assert owner(plan, ADAS_ID) == owner(plan, COOKIE) != world.id("ada")
    assert refused(plan) == [("blocked", "email:ada@example.com", "crm_id:A-1")]


def test_a_blocked_address_among_attributes_is_left_out() -> None:
    plan = World().take_in(saw(COOKIE, mentions=(ADA,)), policy=BLOCKING)
    assert owner(plan, ADA) is None
    assert refused(plan) == [("blocked", "email:ada@example.com", "anonymous_id:c1")]


# Devices that met many people.


def test_a_quarantined_cookie_links_nobody_it_comes_with() -> None:
    event = saw(BOB, COOKIE)
    world = World(kiosk=(SHADOW, [COOKIE]))
    world.mark(COOKIE, QUARANTINED)
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == owner(plan, BOB) != world.id("kiosk")
    assert plan.collapses == []
    assert refused(plan) == [("quarantined", "anonymous_id:c1", "email:bob@example.com")]


def test_a_quarantined_cookie_keeps_its_own_events() -> None:
    event = saw(COOKIE, VISIT, mentions=(BOB,), says_attributes=True)
    world = World(ada=(ANCHOR, [ADA, COOKIE]))
    world.mark(COOKIE, QUARANTINED)
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert (owner(plan, BOB), plan.links) == (None, [])
    assert plan.touched == {world.id("ada")}


def test_a_quarantined_session_is_not_joined() -> None:
    world = World(kiosk=(SHADOW, [VISIT]))
    world.mark(VISIT, QUARANTINED)
    assert owner(world.take_in(saw(COOKIE, VISIT)), COOKIE) != world.id("kiosk")


# How much public keys may link.


def test_a_public_key_links_so_many_an_hour() -> None:
    world = World(ada=(ANCHOR, [ADA]), shadow=(SHADOW, [OTHER_COOKIE]))
    world.people["ada"].recent = 60
    plan = world.take_in(saw(ADA, COOKIE, trusted=False), saw(ADA, OTHER_COOKIE, trusted=False))
    assert (plan.links, plan.collapses) == ([], [])
    assert refused(plan) == [
        ("link_rate", "anonymous_id:c1", "email:ada@example.com"),
        ("link_rate", "anonymous_id:c2", "email:ada@example.com"),
    ]


def test_a_batch_counts_its_links_of_the_hour() -> None:
    many = cookies(61)
    world = World(ada=(ANCHOR, [ADA]))
    plan = world.take_in(*(saw(ADA, cookie, trusted=False) for cookie in many))
    assert [owner(plan, cookie) for cookie in many] == [world.id("ada")] * 60 + [None]


def test_a_secret_key_links_as_many_as_it_says() -> None:
    world = World(ada=(ANCHOR, [ADA]))
    world.people["ada"].recent = 10_000
    assert owner(world.take_in(saw(ADA, COOKIE)), COOKIE) == world.id("ada")


def test_a_cookie_that_may_not_be_linked_any_more_is_a_shadow() -> None:
    event = saw(COOKIE, VISIT, trusted=False)
    world = World(ada=(ANCHOR, [ADA, VISIT]))
    world.people["ada"].recent = 60
    assert world.take_in(event).resolution(event).kind == SHADOW


@pytest.mark.parametrize("trusted", [True, False])
def test_no_rate_is_so_low_that_nobody_can_be_made(trusted: bool) -> None:
    events = saw(ADA, trusted=trusted), saw(COOKIE, mentions=(BOB,), trusted=trusted)
    plan = World().take_in(*events, policy=Policy(public_links_per_hour=0))
    assert [plan.resolution(event).kind for event in events] == [ANCHOR, ANCHOR]
    assert (plan.refusals, len(plan.created)) == ([], 2)


# What people took back.


@pytest.mark.parametrize("turned", [True, False])
def test_what_somebody_took_back_is_not_merged_again(turned: bool) -> None:
    world = World(bob=(ANCHOR, [BOB]), ada=(ANCHOR, [ADA]))
    world.bar(*(("ada", "bob") if turned else ("bob", "ada")))
    plan = world.take_in(saw(ADA, BOB))
    assert plan.collapses == []
    assert refused(plan) == [("cannot_link", "email:bob@example.com", "email:ada@example.com")]


def test_what_was_taken_back_is_not_merged_by_way_of_a_third() -> None:
    world = World(bob=(ANCHOR, [BOB]), both=(ANCHOR, [ADAS_PHONE]), ada=(ANCHOR, [ADA]))
    world.bar("bob", "ada")
    plan = world.take_in(saw(BOB, ADAS_PHONE), saw(ADA, ADAS_PHONE))
    assert owner(plan, ADAS_PHONE) == world.id("bob")
    assert owner(plan, ADA) == world.id("ada")


def test_a_shadow_that_was_taken_back_does_not_collapse_again() -> None:
    event = saw(ADA, COOKIE)
    world = World(ada=(ANCHOR, [ADA]), shadow=(SHADOW, [COOKIE]))
    world.bar("ada", "shadow")
    plan = world.take_in(event)
    assert plan.resolution(event).merged == ()
    assert owner(plan, COOKIE) == world.id("shadow")


# What is left for a moment later.


def test_a_large_shadow_collapses_a_moment_later() -> None:
    event = saw(ADA, COOKIE)
    world = World(ada=(ANCHOR, [ADA]), shadow=(SHADOW, [COOKIE]))
    world.people["shadow"].is_large = True
    plan = world.take_in(event)
    assert plan.resolution(event).pending
    assert [(each.loser.id, each.rule) for each in plan.pending] == [
        (world.id("shadow"), "identified")
    ]
    assert (plan.collapses, owner(plan, COOKIE)) == ([], world.id("shadow"))


def test_a_large_anchor_that_takes_somebody_in_does_so_at_once() -> None:
    world = World(ada=(ANCHOR, [ADA]), shadow=(SHADOW, [COOKIE]))
    world.people["ada"].is_large = True
    assert len(world.take_in(saw(ADA, COOKIE)).collapses) == 1


def test_who_lost_too_many_races_merges_nothing_and_answers_the_same_person() -> None:
    events = saw(ADA, COOKIE), saw(ADA, BOB), saw(VISIT, trusted=False), saw(OTHER_COOKIE)
    world = World(ada=(ANCHOR, [ADA]), bob=(ANCHOR, [BOB]), shadow=(SHADOW, [COOKIE]))
    plan = world.take_in(*events, defer=True)
    assert plan.collapses == []
    assert [(each.loser.id, each.winner.id) for each in plan.pending] == [
        (world.id("shadow"), world.id("ada")),
        (world.id("bob"), world.id("ada")),
    ]
    people = [plan.resolution(event) for event in events]
    assert [each.pending for each in people] == [True, True, False, False]
    assert {each.profile_id for each in people[:2]} == {world.id("ada")}


# Who asked to be forgotten.


@pytest.mark.parametrize(
    ("erased", "event"),
    [
        (ADA, saw(ADA)),
        (COOKIE, saw(COOKIE)),
        (VISIT, saw(VISIT)),
        (ADA, saw(ADAS_ID, ADA)),
        (ADA, saw(COOKIE, mentions=(ADA,))),
    ],
)
def test_an_event_about_somebody_who_was_erased_is_dropped(
    erased: Identifier, event: object
) -> None:
    world = World(gone=(ANCHOR, [erased]))
    world.mark(erased, ERASED)
    assert suppressed([event], world.known) == {event.event_id}  # type: ignore[list-item, attr-defined]


def test_an_erased_device_beside_somebody_elses_identity_only_stays_out() -> None:
    event = saw(BOB, COOKIE)
    world = World(gone=(ANCHOR, [COOKIE]))
    world.mark(COOKIE, ERASED)
    assert suppressed([event], world.known) == set()
    plan = world.take_in(event)
    assert owner(plan, COOKIE) == world.id("gone")
    assert (plan.refusals, plan.collapses) == ([], [])  # of what was erased nothing is noted


# Refusals.


def test_a_refusal_is_the_same_for_the_same_reason_and_pair() -> None:
    events = saw(ADA, COOKIE), saw(ADA, COOKIE)
    one, same = (Refused("blocked", event, key(ADA), key(COOKIE)) for event in events)
    other = Refused("blocked", events[0], key(COOKIE), key(ADA))
    assert one.fingerprint == same.fingerprint != other.fingerprint
