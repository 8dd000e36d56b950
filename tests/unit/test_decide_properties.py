"""Who gets the event, in any world and any batch: what holds whatever is decided."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from identity.identifiers import CRM_ID, EMAIL, EXPLICIT, PHONE
from identity.sighting import ANCHOR, SHADOW, Person
from tests.unit.fates import BY_KEY, Fate, fates
from tests.unit.sightings import key

some = settings(max_examples=60, deadline=None)


@given(fates())
@settings(max_examples=150, deadline=None)
def test_the_second_look_needs_no_more_locks_than_the_first(fate: Fate) -> None:
    """Else a batch would lose its race every time."""
    first = fate.first()
    assert fate.second(first).touched <= first.touched


@given(fates())
@some
def test_the_second_look_moves_only_those_whose_size_is_known(fate: Fate) -> None:
    first = fate.first()
    moved = {each.loser.id for each in fate.second(first).collapses if each.loser.span}
    assert moved <= {each.loser.id for each in first.collapses}


@given(fates())
@some
def test_every_actor_is_somebody(fate: Fate) -> None:
    plan = fate.decided()
    for sighting in fate.batch:
        person = plan.person(sighting.actor_key)
        assert person is not None
        assert person.winner is None
        assert plan.resolution(sighting).profile_id == person.id


@given(fates())
@some
def test_whoever_is_merged_is_merged_once_and_into_a_root(fate: Fate) -> None:
    plan = fate.decided()
    losers: list[Person] = []
    for collapse in plan.collapses:
        assert collapse.loser is not collapse.winner
        assert collapse.loser not in losers
        assert collapse.winner not in losers
        losers.append(collapse.loser)


@given(fates())
@some
def test_an_identifier_is_linked_once_and_never_to_a_loser(fate: Fate) -> None:
    plan = fate.decided()
    order = {sighting.event_id: place for place, sighting in enumerate(fate.batch)}
    moved_at = {each.loser: order[each.sighting.event_id] for each in plan.collapses}
    assert len({link.key for link in plan.links}) == len(plan.links)
    for link in plan.links:
        assert moved_at.get(link.person, len(order)) >= order[link.sighting.event_id]
        assert not any(BY_KEY[link.key] in held for held in fate.people.values())


@given(fates())
@some
def test_a_new_person_has_an_identifier_of_its_own(fate: Fate) -> None:
    plan = fate.decided()
    assert {person for person, _ in plan.created} <= {link.person for link in plan.links}


@given(fates())
@some
def test_an_anchor_is_whoever_has_an_explicit_identity(fate: Fate) -> None:
    plan = fate.decided()
    owned = [(said, person) for key, said in BY_KEY.items() if (person := plan.person(key))]
    anchors = {person for said, person in owned if said.kind in EXPLICIT}
    for _, person in owned:
        assert person.kind == (ANCHOR if person in anchors else SHADOW)


@given(fates())
@some
def test_anchors_merge_only_by_a_secret_statement_younger_into_older(fate: Fate) -> None:
    for each in fate.decided().collapses:
        if each.loser.kind == ANCHOR:
            assert each.rule == "stated"
            assert each.sighting.trusted  # type: ignore[union-attr]
            assert each.winner.id < each.loser.id


@given(fates())
@some
def test_what_was_taken_back_is_not_brought_together(fate: Fate) -> None:
    plan = fate.decided()
    for pair in fate.barred:
        one, other = (plan.person(key(fate.people[id_][0])) for id_ in pair)
        assert one is not other


@given(fates(), st.sampled_from([CRM_ID, EMAIL, PHONE]))
@some
def test_nobody_is_given_more_of_a_kind_than_the_limit(fate: Fate, kind: str) -> None:
    first = fate.first()
    plan = fate.second(first)
    had = {id_: fate.true(id_, first).count(kind) for id_ in first.touched}
    limit = fate.policy.limit(kind)
    assert limit is not None
    for id_ in first.touched:
        root = plan.person(key(fate.people[id_][0]))
        assert root is not None
        largest = max(had.get(each, 0) for each in {id_, root.id, *root.absorbed})
        assert root.count(kind) <= max(limit, largest)


@given(fates())
@some
def test_a_refusal_names_two_identifiers_of_its_event(fate: Fate) -> None:
    for refused in fate.decided().refusals:
        said = {*refused.sighting.identifiers, *refused.sighting.mentions}
        assert refused.subject != refused.other
        assert {refused.subject, refused.other} <= said
