"""Attributes in PostgreSQL: folded once, in any order, with one lineage row for a changed leaf."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from identity import history
from identity.attributes import fold
from identity.lineage import apply_operations, merge_attributes
from identity.models import AttributeChange, AttributeOp, Identifier, Profile
from identity.values import Json
from tests.db.people import NOW, Person, arrive, counting

CHICAGO, MIAMI = {"address": {"city": "Chicago", "zip": 1}}, {"address": {"city": "Miami"}}


def test_chicago_to_miami_logs_exactly_one_row() -> None:
    person = Person()
    arrive(person.says(0, CHICAGO))
    moved = person.says(1, MIAMI)
    assert arrive(moved) == {moved.op.event_id: 1}
    row = AttributeChange.objects.get(profile_id=person.id, event_id=moved.op.event_id)
    assert (row.path, row.op, row.old, row.new) == (
        ["address", "city"],
        "change",
        "Chicago",
        "Miami",
    )
    assert (row.occurred_at, row.recorded_at) == (moved.op.occurred_at, NOW)
    assert (row.source_id, row.organization_id) == (moved.source_id, person.organization_id)
    assert row.merge_id is None


def test_an_operation_that_comes_twice_has_one_effect() -> None:
    person = Person()
    said = [person.says(0, {"a": [1]}), person.says(1, {"a": 2})]
    arrive(*said, *said)
    version = Profile.objects.get(id=person.id).version
    assert arrive(*said) == {}
    assert person.attributes() == {"a": [1, 2]}
    assert Profile.objects.get(id=person.id).version == version
    assert len(person.lineage()) == 2


def test_every_order_of_arrival_gives_the_same_person() -> None:
    patches: Sequence[dict[str, Json]] = [{"a": 1, "b": "x"}, {"a": [2.0]}, {"a": 3, "b": None}]
    for order in permutations(range(3)):
        person = Person()
        said = [person.says(second, patch) for second, patch in enumerate(patches)]
        for each in order:
            arrive(said[each])
        state = fold([each.op for each in said])
        assert person.attributes() == state.attributes == {"a": [1, 2, 3], "b": None}
        assert {key: tuple(at) for key, at in person.profile.mentioned.items()} == state.mentioned


def test_a_batch_gives_what_single_events_give() -> None:
    one, many = Person(), Person()
    patches: Sequence[dict[str, Json]] = [{"a": 1}, {"a": [2]}, {"a": 2, "b": {"c": 1}}]
    for second, patch in enumerate(patches):
        arrive(one.says(second, patch))
    arrive(*[many.says(second, patch) for second, patch in reversed([*enumerate(patches)])])
    assert one.attributes() == many.attributes()
    assert one.lineage() == many.lineage()


def test_statements_are_as_many_for_1_as_for_500_operations() -> None:
    counts = []
    for size in (1, 500):
        people = [Person() for _ in range(min(size, 50))]
        said = [people[each % len(people)].says(each, {"a": each}) for each in range(size)]
        with counting() as cursor:
            apply_operations(cursor, said, NOW)
        counts.append(cursor.statements)
    assert counts == [4, 4]


def test_late_operations_cost_one_statement_more_however_many() -> None:
    counts = []
    for size in (1, 50):
        people = [Person() for _ in range(size)]
        arrive(*[person.says(9, {"a": [9], "b": 9}) for person in people])
        with counting() as cursor:
            apply_operations(cursor, [person.says(1, {"a": 1}) for person in people], NOW)
        counts.append(cursor.statements)
    assert counts == [5, 5]


def test_nothing_said_runs_no_statement() -> None:
    with counting() as cursor:
        assert apply_operations(cursor, [], NOW) == {}
        assert apply_operations(cursor, [Person().says(0, {})], NOW) == {}
        assert merge_attributes(cursor, [], NOW) == ({}, set())
    assert cursor.statements == 0


def test_a_late_list_makes_only_its_own_key_be_folded_again() -> None:
    person = Person()
    arrive(person.says(10, {"a": "old", "b": 1}), person.says(20, {"a": "new"}))
    late = person.says(5, {"a": ["first"], "b": 0})
    assert arrive(late) == {late.op.event_id: 1}
    assert person.attributes() == {"a": ["first", "old", "new"], "b": 1}
    assert person.lineage()[-1] == ("a", "change", "new", ["first", "old", "new"])


def test_late_and_newer_operations_of_one_batch_log_the_key_once() -> None:
    person = Person()
    arrive(person.says(10, {"a": "x"}))
    late, newer = person.says(5, {"a": ["first"]}), person.says(20, {"a": "z"})
    assert arrive(newer, late) == {newer.op.event_id: 1}
    assert person.lineage()[-1] == ("a", "change", "x", ["first", "x", "z"])


def test_operations_of_all_identifiers_of_a_person_count() -> None:
    person = Person()
    other = Person(person.organization_id)
    Identifier.objects.filter(key=other.key).update(profile_id=person.id)
    other.profile = person.profile
    arrive(person.says(10, {"a": [1]}))
    arrive(other.says(20, {"a": 2}))
    arrive(person.says(15, {"a": [0]}))
    assert person.attributes() == {"a": [0, 2]}


def test_a_patch_is_stored_as_received() -> None:
    person = Person()
    arrive(person.says(0, {"a": None, "b": {"c": None, "d": 1e300}, "e": 9.223372036854776e18}))
    assert AttributeOp.objects.get(actor_key=person.key).patch["b"]["c"] is None
    assert person.attributes() == {"b": {"d": 10**300}, "e": 9_223_372_036_854_776_000}


def test_numbers_are_the_same_from_memory_and_from_history() -> None:
    person = Person()
    numbers: dict[str, Json] = {"a": [1e300, 0.1, 5e-324, 1.0, 9.223372036854776e18, 2**63]}
    arrive(person.says(10, numbers))
    before = person.attributes()
    assert arrive(person.says(5, {"a": [0]})) == {}
    assert person.attributes() == before


def test_an_operation_without_effect_moves_the_version_on() -> None:
    person = Person()
    arrive(person.says(10, {"a": 1}))
    arrive(person.says(5, {"a": 0}))
    person.profile.refresh_from_db()
    assert (person.profile.version, person.profile.attributes) == (2, {"a": 1})


def test_a_full_profile_takes_no_new_keys() -> None:
    person = Person()
    arrive(person.says(0, {"a": "x", "big": "x" * history.SIZE_MAX}))
    arrive(person.says(1, {"a": "y", "b": 1}))
    assert person.attributes().keys() == {"a", "big"}
    assert person.attributes()["a"] == "y"
