"""Pure: pages of a list that is newest first by a time of its rows, and among equals by id.

The ids of orders and products are digests, so a position is both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Protocol, TypeVar
from uuid import UUID

import msgspec


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    id: UUID


class Dated(Protocol):
    """A row that has a place in such a list."""

    @property
    def position(self) -> Position:
        """Return what it is sorted by."""


R = TypeVar("R", bound=Dated)

_BEYOND = UUID(int=(1 << 128) - 1)


def bound(after: Position | None) -> dict[str, object]:
    """Return the parameters `at` and `id` below which the page begins."""
    return {"at": after.at, "id": after.id} if after else {"at": "infinity", "id": _BEYOND}


def page_of(rows: Sequence[R], limit: int) -> tuple[Sequence[R], Position | None]:
    """Cut a page off rows of which one more than `limit` was asked for.

    Returns the position after which the next page begins; None where there is none.
    """
    shown = rows[:limit]
    return shown, shown[-1].position if len(rows) > limit else None
