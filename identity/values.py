"""Pure: JSON values, what makes two of them equal, and what differs between two objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
#: A value, or UNSET where the key is absent (which is not the same as null).
Slot: TypeAlias = "Json | UnsetType"
Attributes: TypeAlias = "dict[str, Json]"

#: From here on a double's digits in JSON and its binary value may be different integers.
_EXACT = 2**53


class Change(msgspec.Struct, frozen=True, gc=False):
    """One leaf that is not what it was; `old` is UNSET for an add, `new` for a remove."""

    path: tuple[str, ...]
    op: Literal["add", "change", "remove"]
    old: Slot
    new: Slot


def changes(
    before: Attributes, after: Attributes, keys: Iterable[str] | None = None
) -> list[Change]:
    """Return what differs, leaf by leaf; `keys` bounds the top-level keys looked at.

    A list is one leaf, and so is an empty object. An object that comes or goes is told leaf by
    leaf; one that gives way to a value of another kind is one change, with the whole of it.

    >>> changes({"address": {"city": "Chicago", "zip": 1}}, {"address": {"city": "Miami", "zip": 1}})
    [Change(path=('address', 'city'), op='change', old='Chicago', new='Miami')]
    >>> [(change.path, change.op) for change in changes({"a": 1}, {"b": {"c": 1, "d.e": [2]}})]
    [(('a',), 'remove'), (('b', 'c'), 'add'), (('b', 'd.e'), 'add')]
    >>> changes({"a": {"b": 1}}, {"a": None})
    [Change(path=('a',), op='change', old={'b': 1}, new=None)]
    """
    found: list[Change] = []
    for key in keys if keys is not None else {**before, **after}:
        old, new = before.get(key, UNSET), after.get(key, UNSET)
        if old is not new:
            _compare((key,), old, new, found)
    return found


def same(one: Slot, other: Slot) -> bool:
    """Say whether two values are equal as JSON: 1 and true are not, 1 and 1.0 are.

    >>> same(1, True), same([1, {"a": 0}], [1.0, {"a": False}]), same({"a": [1]}, {"a": [1.0]})
    (False, False, True)
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


#: Two canonical values are the same where their texts are: for looking many of them up.
text_of: Callable[[Json], bytes] = msgspec.json.Encoder(order="sorted").encode


def canonical(value: Json) -> Json:
    """Write every number in its one form: what JSON's digits call an integer is an integer.

    >>> canonical([1.0, -0.0, 0.5, {"a": 1e3}])
    [1, 0, 0.5, {'a': 1000}]
    """
    if isinstance(value, float) and value.is_integer():
        return int(value) if abs(value) < _EXACT else int(Decimal(repr(value)))
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    return value


def _compare(path: tuple[str, ...], old: Slot, new: Slot, found: list[Change]) -> None:
    if (old or new) and _branches(old) and _branches(new):
        before, after = _inside(old), _inside(new)
        for key in {**before, **after}:
            _compare((*path, key), before.get(key, UNSET), after.get(key, UNSET), found)
    elif old is UNSET:
        found.append(Change(path, "add", old, new))
    elif new is UNSET:
        found.append(Change(path, "remove", old, new))
    elif not same(old, new):
        found.append(Change(path, "change", old, new))


def _branches(value: Slot) -> bool:
    return value is UNSET or isinstance(value, dict)


def _inside(value: Slot) -> Attributes:
    return value if isinstance(value, dict) else {}
