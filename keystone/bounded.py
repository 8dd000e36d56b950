"""Pure: where a page of a filtered list ends, when few of the rows looked at match.

An arm of a statement runs down one index, stops at `reach` rows or when the page is full, and
returns row number `reach` even if it does not match, to tell how far it came. A page may then be
short, or even empty, and still have a next one: that is how a list without an index for each filter
stays bounded and complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

#: Rows that a page with filters looks at, at most.
REACH = 10_000


class LookedAt(Protocol):
    """A row that an arm returned."""

    @property
    def depth(self) -> int:
        """Its number in its arm, from 1."""

    @property
    def matches(self) -> bool:
        """Whether it is one to show."""


R = TypeVar("R", bound=LookedAt)


def whole(rows: Sequence[R], limit: int, reach: int) -> tuple[list[R], R | None]:
    """Return the rows to show, and the last one looked at where there may be more.

    Rows below one at which an arm stopped are cut off: there the page would have gaps.
    """
    looked_at, more = rows[:limit], len(rows) > limit
    for index, row in enumerate(looked_at):
        if row.depth == reach:
            looked_at, more = rows[: index + 1], True
            break
    return [row for row in looked_at if row.matches], looked_at[-1] if more else None
