"""Pure: how what events say of a person adds up to the person's attributes (keystone.md §6).

A person's attributes are the fold of operations in event-time order. Numbers are kept in one
form (1.0 is 1), so that equality is JSON's wherever they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET

from identity.values import Attributes, Json, Slot, canonical, same, text_of
from keystone.clock import EPOCH

#: (occurred_at in µs, client_ms, strength, event id in hex): a total order, and plain JSON.
SortKey: TypeAlias = "tuple[int, int, int, str]"

#: A profile that mentions so many keys takes no new ones (keystone.md §6; a soft limit).
KEYS_MAX = 5_000
#: Up to so many items are looked up one by one.
_FEW = 16
_MICROSECOND = timedelta(microseconds=1)


class Operation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one event said of its actor: a patch, and its place in the order of the fold."""

    actor_key: UUID
    event_id: UUID
    occurred_at: datetime  # corrected, aware
    client_ms: int  # the client's own clock, epoch ms
    strength: int  # `identity.identifiers.STRENGTH` of the actor's kind
    patch: Mapping[str, Json]


class State(msgspec.Struct, frozen=True, gc=False):
    """A person's attributes, and per key the last operation that mentioned it.

    `full`: takes no new keys.
    """

    attributes: Attributes = {}
    mentioned: dict[str, SortKey] = {}
    full: bool = False


def sort_key(operation: Operation) -> SortKey:
    """Return the operation's place in the fold: event time, then what breaks a tie."""
    return (
        (operation.occurred_at - EPOCH) // _MICROSECOND,
        operation.client_ms,
        operation.strength,
        operation.event_id.hex,
    )


def merge(existing: Slot, incoming: Json) -> Slot:
    """Return what `existing` becomes when an event says `incoming` (the table of §6).

    `existing` is a result of this function or UNSET. Neither argument is changed.

    Nothing there yet, or null: what comes is added or set, without the nulls of an object.

    >>> merge(UNSET, 1), merge(UNSET, [1, 1]), merge(UNSET, {"a": 1, "b": None})
    (1, [1, 1], {'a': 1})
    >>> merge(UNSET, None), merge(None, None)
    (UNSET, None)
    >>> merge(None, "x"), merge(None, []), merge(None, {"a": {"b": None}})
    ('x', [], {'a': {}})

    A scalar is replaced; a list takes it in.

    >>> merge("Chicago", "Miami"), merge(1, 1.0), merge(1, True), merge("x", None)
    ('Miami', 1, True, None)
    >>> merge(1, [2, "1", 1.0, 2]), merge(1, []), merge(1, {"a": 2})
    ([1, 2, '1'], [1], {'a': 2})

    A list is appended to, or replaced by another list. Its items are kept as they come.

    >>> merge([1], 2), merge([1], 1.0), merge([1], True), merge([1], "1")
    ([1, 2], [1], [1, True], [1, '1'])
    >>> merge([1], []), merge([1], [2, 2]), merge([1], None)
    ([], [2, 2], None)
    >>> merge([{"a": 1}], {"a": 1.0}), merge([1], {"a": None})
    ([{'a': 1}], [1, {'a': None}])

    An object is replaced, or gone into key by key. Key names are literal.

    >>> merge({"a": 1}, 2), merge({"a": 1}, [2]), merge({"a": 1}, None)
    (2, [2], None)
    >>> merge({"a": 1, "b": [1]}, {"a": None, "b": 2, "c": None, "d.e": 3})
    {'a': None, 'b': [1, 2], 'd.e': 3}
    """
    if incoming is None:
        return UNSET if existing is UNSET else None
    if isinstance(incoming, list):
        return _list_over(existing, incoming)
    if isinstance(existing, list):
        return _union(existing, [incoming])
    if isinstance(incoming, dict):
        return _object_over(existing if isinstance(existing, dict) else {}, incoming)
    return canonical(incoming)


def fold(operations: Iterable[Operation]) -> State:
    """Return the state that the operations add up to, whatever order they come in."""
    attributes: Attributes = {}
    mentioned: dict[str, SortKey] = {}
    for operation in sorted(operations, key=sort_key):
        for key, incoming in operation.patch.items():
            _put(attributes, key, merge(attributes.get(key, UNSET), incoming))
            mentioned[key] = sort_key(operation)
    return State(attributes, mentioned)


def fold_key(operations: Iterable[Operation], key: str) -> Slot:
    """Return what one key adds up to; operations that do not mention it do not count."""
    value: Slot = UNSET
    for operation in sorted((each for each in operations if key in each.patch), key=sort_key):
        value = merge(value, operation.patch[key])
    return value


def apply(state: State, operation: Operation) -> tuple[State, frozenset[str]]:
    """Add an operation that is new to `state`.

    Returns the new state and the keys that history decides: fold each of these again from all
    operations of the person (`fold_key`). In event-time order there are none.
    """
    at = sort_key(operation)
    attributes, mentioned = dict(state.attributes), dict(state.mentioned)
    stale = []
    full = state.full or len(mentioned) >= KEYS_MAX
    for key, incoming in operation.patch.items():
        last = mentioned.get(key)
        if last is None and full:
            continue
        present = attributes.get(key, UNSET)
        if last is None or last < at:
            mentioned[key] = at
            _put(attributes, key, merge(present, incoming))
        elif not _stands(present, merge(UNSET, incoming)):
            stale.append(key)
    return State(attributes, mentioned, state.full), frozenset(stale)


def combine(winner: State, loser: State) -> tuple[State, frozenset[str]]:
    """Make one person's state of two, whose operations are theirs alone.

    Keys of one side are taken as they are. Returns the state and, as `apply` does, the keys
    that only a fold over the operations of both can tell.
    """
    attributes, mentioned = dict(winner.attributes), dict(winner.mentioned)
    stale = []
    full = winner.full or len(mentioned) >= KEYS_MAX
    for key, theirs in loser.mentioned.items():
        ours = mentioned.get(key)
        if ours is None and full:
            continue
        newer, older = attributes.get(key, UNSET), loser.attributes.get(key, UNSET)
        if ours is None or ours < theirs:
            newer, older = older, newer
            mentioned[key] = theirs
        if ours is None or _stands(newer, older):
            _put(attributes, key, newer)
        else:
            stale.append(key)
    return State(attributes, mentioned, winner.full), frozenset(stale)


def replace(state: State, values: Mapping[str, Slot]) -> State:
    """Return the state with keys that were folded again in place."""
    attributes = dict(state.attributes)
    for key, value in values.items():
        _put(attributes, key, value)
    return State(attributes, state.mentioned, state.full)


def _stands(newer: Slot, older: Slot) -> bool:
    """Say whether `newer` is what the fold of two histories gives, however they interleave.

    `newer` is what the history with the last operation adds up to. A null that stands is last.
    A scalar that stands means that no list came since the last null, and other than a list
    nothing can change what becomes of a scalar. An absent key has seen nothing but nulls.
    """
    if isinstance(newer, list | dict):
        return False
    return not isinstance(older, list) if newer is not UNSET else older is UNSET


def _list_over(existing: Slot, incoming: list[Json]) -> Json:
    if existing is UNSET or existing is None or isinstance(existing, list | dict):
        return canonical(incoming)
    return _union([existing], incoming)


def _union(items: list[Json], more: Sequence[Json]) -> list[Json]:
    if len(more) > _FEW:
        return _union_of_many(items, more)
    result = list(items)
    for item in map(canonical, more):
        # Python's equality is the wider one and much faster: `same` is asked only on a hit.
        if item not in result or not any(same(item, present) for present in result):
            result.append(item)
    return result


def _union_of_many(items: list[Json], more: Sequence[Json]) -> list[Json]:
    """Do the same in a time that does not grow with the product of the two."""
    members = set(map(text_of, items))
    added: dict[bytes, Json] = {}
    for item in map(canonical, more):
        text = text_of(item)
        if text not in members:
            added.setdefault(text, item)
    return [*items, *added.values()]


def _object_over(existing: Attributes, incoming: Attributes) -> Attributes:
    result = dict(existing)
    for key, value in incoming.items():
        _put(result, key, merge(result.get(key, UNSET), value))
    return result


def _put(values: Attributes, key: str, value: Slot) -> None:
    if value is UNSET:
        values.pop(key, None)
    else:
        values[key] = value
