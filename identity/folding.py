"""Pure: adds operations up one after the other, in place, however many there are.

`identity.attributes.merge` returns a new value each time; a list that is appended to ten thousand
times would be copied and searched ten thousand times.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import UNSET

from identity.attributes import Operation, merge
from identity.values import Attributes, Json, Slot, canonical, text_of

_Path: TypeAlias = "tuple[str, ...]"


class Folding:
    """Attributes that operations are being added to, in event-time order."""

    def __init__(self) -> None:
        self.attributes: Attributes = {}
        #: By path a list that was appended to, and what is in it.
        self._members: dict[_Path, tuple[list[Json], set[bytes]]] = {}

    def take(self, operation: Operation) -> None:
        """Add the next operation."""
        for key, incoming in operation.patch.items():
            self.add(key, incoming)

    def add(self, key: str, incoming: Json) -> None:
        """Let the next operation say something of a top-level key.

        >>> folding = Folding()
        >>> for said in (1, [2], 1.0, True, {"a": 1, "b": 2}, {"b": 2.0, "a": 1}):
        ...     folding.add("key", said)
        >>> folding.attributes
        {'key': [1, 2, True, {'a': 1, 'b': 2}]}
        """
        self._put(self.attributes, key, incoming, (key,))

    def _put(self, values: Attributes, key: str, incoming: Json, path: _Path) -> None:
        existing = values.get(key, UNSET)
        if isinstance(existing, dict) and isinstance(incoming, dict):
            for name, value in incoming.items():
                self._put(existing, name, value, (*path, name))
        elif isinstance(existing, list) and not isinstance(incoming, list | None):
            self._append(existing, canonical(incoming), path)
        else:
            _set(values, key, merge(existing, incoming))

    def _append(self, items: list[Json], item: Json, path: _Path) -> None:
        known = self._members.get(path)
        if known is None or known[0] is not items:  # that list gave way to another
            known = self._members[path] = items, {text_of(each) for each in items}
        text = text_of(item)
        if text not in known[1]:
            known[1].add(text)
            items.append(item)


def _set(values: Attributes, key: str, value: Slot) -> None:
    if value is not UNSET:  # a null on an absent key
        values[key] = value
