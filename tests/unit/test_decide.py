"""Who gets the event: keystone.md §5, row by row, without a database."""

from __future__ import annotations

from identity.sighting import ANCHOR, SHADOW
from tests.unit.sightings import (
    ADA,
    ADAS_ID,
    ADAS_PHONE,
    BOB,
    BOBS_ID,
    COOKIE,
    OTHER_COOKIE,
    OTHER_VISIT,
    VISIT,
    World,
    owner,
    refused,
    saw,
)


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
    assert plan.resolution(event).kind == ANCHOR
    assert owner(plan, COOKIE) == world.id("ada")
    assert plan.touched == set()  # nothing of hers changes: nothing to lock


def test_an_identity_of_another_is_that_persons_event_also_on_a_known_cookie() -> None:
    event = saw(BOB, COOKIE)
    world = World(ada=(ANCHOR, [ADA, COOKIE]), bob=(ANCHOR, [BOB]))
    assert world.take_in(event).resolution(event).profile_id == world.id("bob")


def test_a_known_identity_without_a_cookie_writes_nothing() -> None:
    event = saw(ADA)
    world = World(ada=(ANCHOR, [ADA]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert (plan.links, plan.created, plan.touched) == ([], [], set())


def test_a_person_whose_attributes_change_is_locked() -> None:
    world = World(shadow=(SHADOW, [COOKIE]))
    assert world.take_in(saw(COOKIE, says_attributes=True)).touched == {world.id("shadow")}


def test_an_unknown_identity_and_an_unknown_cookie_are_one_new_anchor() -> None:
    event = saw(ADA, COOKIE)
    plan = World().take_in(event)
    assert owner(plan, COOKIE) == owner(plan, ADA)
    assert (plan.resolution(event).kind, len(plan.created)) == (ANCHOR, 1)


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


def test_a_secret_statement_makes_the_younger_anchor_part_of_the_older() -> None:
    event = saw(ADA, BOB)
    world = World(bob=(ANCHOR, [BOB]), ada=(ANCHOR, [ADA]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("bob")
    assert plan.resolution(event).merged == (world.id("ada"),)
    assert [each.rule for each in plan.collapses] == ["stated"]


def test_a_public_statement_merges_no_anchors() -> None:
    event = saw(ADA, BOB, trusted=False)
    world = World(bob=(ANCHOR, [BOB]), ada=(ANCHOR, [ADA]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert plan.collapses == []
    assert refused(plan) == [("untrusted", "email:bob@example.com", "email:ada@example.com")]


def test_a_public_statement_brings_an_unknown_identity_to_its_person() -> None:
    world = World(ada=(ANCHOR, [ADA]))
    plan = world.take_in(saw(ADA, ADAS_PHONE, trusted=False))
    assert owner(plan, ADAS_PHONE) == world.id("ada")


def test_a_statement_brings_three_people_together() -> None:
    world = World(a=(ANCHOR, [ADAS_PHONE]), b=(ANCHOR, [BOB]), c=(ANCHOR, [ADA]))
    plan = world.take_in(saw(ADA, BOB, ADAS_PHONE))
    assert {owner(plan, said) for said in (ADA, BOB, ADAS_PHONE)} == {world.id("a")}


def test_two_people_with_crm_ids_stay_apart_and_the_strongest_has_the_event() -> None:
    event = saw(ADAS_ID, BOB)
    world = World(bob=(ANCHOR, [BOB, BOBS_ID]), ada=(ANCHOR, [ADA, ADAS_ID]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert plan.collapses == []
    assert refused(plan) == [("crm_conflict", "email:bob@example.com", "crm_id:A-1")]


def test_a_second_crm_id_is_a_person_of_its_own() -> None:
    event = saw(BOBS_ID, ADA)
    world = World(ada=(ANCHOR, [ADA, ADAS_ID]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == owner(plan, BOBS_ID) != world.id("ada")
    assert owner(plan, ADA) == world.id("ada")
    assert refused(plan) == [("crm_conflict", "crm_id:B-1", "email:ada@example.com")]


def test_of_two_unknown_crm_ids_in_one_statement_the_second_is_left_alone() -> None:
    event = saw(ADAS_ID, BOBS_ID)
    plan = World().take_in(event)
    assert plan.resolution(event).profile_id == owner(plan, ADAS_ID)
    assert owner(plan, BOBS_ID) is None
    assert refused(plan) == [("crm_conflict", "crm_id:B-1", "crm_id:A-1")]


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


def test_an_unknown_cookie_joins_the_person_of_its_session() -> None:
    world = World(visitor=(SHADOW, [VISIT]))
    assert owner(world.take_in(saw(COOKIE, VISIT)), COOKIE) == world.id("visitor")


def test_a_cookies_shadow_collapses_into_the_anchor_of_its_session() -> None:
    event = saw(COOKIE, VISIT)
    world = World(shadow=(SHADOW, [COOKIE]), ada=(ANCHOR, [ADA, VISIT]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert [each.rule for each in plan.collapses] == ["same_session"]


def test_a_session_never_merges_two_anchors() -> None:
    event = saw(COOKIE, VISIT)
    world = World(bob=(ANCHOR, [BOB, VISIT]), ada=(ANCHOR, [ADA, COOKIE]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("ada")
    assert refused(plan) == [("shared_device", "session:s1", "anonymous_id:c1")]


def test_a_message_with_two_sessions_alone_is_the_firsts() -> None:
    event = saw(VISIT, OTHER_VISIT)
    plan = World().take_in(event)
    assert plan.resolution(event).profile_id == owner(plan, VISIT)
    assert owner(plan, OTHER_VISIT) is None


def test_a_mentioned_address_of_an_anchor_is_one_more_of_its_identities() -> None:
    world = World(ada=(ANCHOR, [ADAS_ID]))
    assert owner(world.take_in(saw(ADAS_ID, mentions=(ADA,))), ADA) == world.id("ada")


def test_a_mentioned_address_and_an_unknown_cookie_are_an_anchor_that_nobody_joined() -> None:
    event = saw(COOKIE, mentions=(ADA,))
    plan = World().take_in(event)
    assert plan.resolution(event).kind == ANCHOR
    assert plan.resolution(event).merged == ()
    assert owner(plan, ADA) == owner(plan, COOKIE)


def test_a_mentioned_address_makes_a_shadow_an_anchor() -> None:
    event = saw(COOKIE, mentions=(ADA,))
    world = World(shadow=(SHADOW, [COOKIE]))
    plan = world.take_in(event)
    assert plan.resolution(event).kind == ANCHOR
    assert plan.resolution(event).merged == (world.id("shadow"),)
    assert owner(plan, ADA) == owner(plan, COOKIE)


def test_a_mentioned_address_that_another_has_is_left_alone() -> None:
    event = saw(COOKIE, mentions=(ADA,))
    world = World(shadow=(SHADOW, [COOKIE]), ada=(ANCHOR, [ADA]))
    plan = world.take_in(event)
    assert plan.resolution(event).profile_id == world.id("shadow")
    assert owner(plan, ADA) == world.id("ada")
    assert refused(plan) == [("address_taken", "email:ada@example.com", "anonymous_id:c1")]


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
