"""A person's attributes are the fold of what their events said, in whatever order it came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import product
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from identity import attributes as module
from identity.attributes import (
    Operation,
    State,
    apply,
    combine,
    fold,
    fold_key,
    merge,
    replace,
    sort_key,
)
from identity.values import Change, Json, canonical, changes, same
from keystone.clock import EPOCH

ACTOR = UUID(int=7)
SCALARS = st.sampled_from([None, True, False, 0, 1, 1.0, 0.5, "", "1", "x"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pq"), inner, max_size=2)
    ),
    max_leaves=4,
)
PATCHES = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def operation(number: int, patch: dict[str, Json], seconds: int = 0, **place: int) -> Operation:
    return Operation(
        actor_key=ACTOR,
        event_id=UUID(int=number),
        occurred_at=EPOCH + timedelta(seconds=seconds),
        client_ms=place.get("client_ms", 0),
        strength=place.get("strength", 1),
        patch=patch,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    """Operations with distinct event ids, many of them at the same time."""
    small = st.integers(0, 2)
    said = draw(st.lists(st.tuples(PATCHES, small, small, small), max_size=7))
    return [
        operation(number, patch, seconds, client_ms=client_ms, strength=strength)
        for number, (patch, seconds, client_ms, strength) in enumerate(said)
    ]


def arrive(operations: Iterable[Operation]) -> State:
    """Apply operations one by one; fold again what history decides."""
    state, history = State(), []
    for each in operations:
        history.append(each)
        state, stale = apply(state, each)
        state = replace(state, {key: fold_key(history, key) for key in stale})
    return state


def assert_same(one: State, other: State) -> None:
    assert same(one.attributes, other.attributes), (one.attributes, other.attributes)
    assert one.mentioned == other.mentioned


@given(histories().flatmap(lambda said: st.tuples(st.just(said), st.permutations(said))))
def test_any_order_of_arrival_gives_the_fold_of_all(
    example: tuple[list[Operation], list[Operation]],
) -> None:
    said, arrived = example
    assert_same(arrive(arrived), fold(said))


@given(histories(), st.data())
def test_two_people_together_are_the_fold_of_all_they_said(
    said: list[Operation], data: st.DataObject
) -> None:
    ours = [each for each in said if data.draw(st.booleans())]
    theirs = [each for each in said if each not in ours]
    state, stale = combine(fold(ours), fold(theirs))
    assert_same(replace(state, {key: fold_key(said, key) for key in stale}), fold(said))


@given(histories())
def test_in_order_arrival_never_reads_history(said: list[Operation]) -> None:
    state = State()
    for each in sorted(said, key=sort_key):
        state, stale = apply(state, each)
        assert not stale


@given(histories())
def test_a_key_folds_to_what_the_whole_fold_says_of_it(said: list[Operation]) -> None:
    state = fold(said)
    for key in "abc":
        assert same(fold_key(said, key), state.attributes.get(key, UNSET))


EVERY_KIND: Sequence[Json] = [None, 1, 2, [], [1], {}, {"p": None}, {"p": 1}]


def test_what_is_not_folded_again_stands_in_every_short_history() -> None:
    for *before, late in product(EVERY_KIND, repeat=4):
        said = [operation(number, {"a": value}, number) for number, value in enumerate(before, 1)]
        for gap in range(len(said)):
            op = operation(99, {"a": late}, gap)
            state, stale = apply(fold(said), op)
            if not stale:
                assert_same(state, fold([*said, op]))


def test_two_histories_that_stand_give_their_fold_in_every_interleaving() -> None:
    for values in product(EVERY_KIND, repeat=4):
        said = [operation(number, {"a": value}, number) for number, value in enumerate(values)]
        for sides in product((False, True), repeat=4):
            ours = [each for each, is_ours in zip(said, sides, strict=True) if is_ours]
            theirs = [each for each, is_ours in zip(said, sides, strict=True) if not is_ours]
            state, stale = combine(fold(ours), fold(theirs))
            if not stale:
                assert_same(state, fold(said))


def test_an_older_scalar_under_a_scalar_needs_no_history() -> None:
    _, stale = apply(fold([operation(1, {"city": "Miami"}, 2)]), operation(2, {"city": "Rome"}, 1))
    assert not stale


def test_an_older_list_under_a_scalar_needs_history() -> None:
    _, stale = apply(fold([operation(1, {"city": "Miami"}, 2)]), operation(2, {"city": ["x"]}, 1))
    assert stale == {"city"}


def test_a_null_on_an_absent_key_is_remembered() -> None:
    state = fold([operation(1, {"a": None}, 2)])
    assert (state.attributes, list(state.mentioned)) == ({}, ["a"])
    late = operation(2, {"a": 1}, 1)
    _, stale = apply(state, late)
    assert stale == {"a"}


def test_ties_are_broken_by_client_time_then_strength_then_event_id() -> None:
    tied = [
        operation(1, {}, client_ms=2),
        operation(3, {}, client_ms=1, strength=2),
        operation(4, {}, client_ms=1),
        operation(2, {}, client_ms=1),
    ]
    assert [each.event_id.int for each in sorted(tied, key=sort_key)] == [2, 4, 3, 1]


def test_a_sort_key_is_the_same_after_a_trip_through_json() -> None:
    key = sort_key(operation(5, {}, 1, client_ms=2))
    assert msgspec.json.decode(msgspec.json.encode(key), type=type(key)) == key
    assert key == (1_000_000, 2, 1, f"{5:032x}")


@given(VALUES, SCALARS)
def test_a_scalar_that_comes_again_changes_nothing(existing: Json, incoming: Json) -> None:
    once = merge(canonical(existing), incoming)
    assert same(merge(once, incoming), once)


@given(VALUES, VALUES)
def test_a_merge_changes_neither_of_its_arguments(existing: Json, incoming: Json) -> None:
    existing = canonical(existing)
    copies = msgspec.json.encode([existing, incoming])
    merge(existing, incoming)
    assert msgspec.json.encode([existing, incoming]) == copies


def test_a_large_double_is_the_integer_that_its_json_digits_say() -> None:
    assert canonical(9.223372036854776e18) == 9_223_372_036_854_776_000
    assert canonical(1e300) == 10**300


@given(PATCHES, PATCHES)
def test_changes_are_none_only_between_equals(one: dict[str, Json], other: dict[str, Json]) -> None:
    assert (not changes(one, other)) == same(one, other)


def test_only_the_city_of_an_address_changes() -> None:
    before = fold([operation(1, {"address": {"city": "Chicago", "zip": "60601"}})])
    after, _ = apply(before, operation(2, {"address": {"city": "Miami"}}, 1))
    assert changes(before.attributes, after.attributes) == [
        Change(("address", "city"), "change", "Chicago", "Miami")
    ]


def test_a_list_is_one_leaf_and_a_dot_in_a_key_is_a_dot() -> None:
    found = changes({"a.b": [1, 2]}, {"a.b": [1, 2, 3], "c": {}})
    assert found == [
        Change(("a.b",), "change", [1, 2], [1, 2, 3]),
        Change(("c",), "add", UNSET, {}),
    ]


def test_one_becoming_true_is_a_change() -> None:
    assert [change.op for change in changes({"a": {"b": 1}}, {"a": {"b": True}})] == ["change"]


def test_a_full_profile_takes_no_new_keys_but_changes_those_it_has() -> None:
    full = State({"a": 1}, {"a": (0, 0, 0, "")}, full=True)
    state, _ = apply(full, operation(1, {"a": 2, "b": 3}, 1))
    assert state.attributes == {"a": 2}
    assert "b" not in state.mentioned


def test_a_profile_with_too_many_keys_is_full() -> None:
    keys = {str(number): 1 for number in range(module.KEYS_MAX)}
    state, _ = apply(fold([operation(1, keys)]), operation(2, {"one more": 1}, 1))
    assert len(state.attributes) == module.KEYS_MAX
