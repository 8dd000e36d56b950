"""Pure: where identifiers were first linked, and by which merges two of them became one person.

Merges in force make a forest: each leads from a loser to the profile that it joined, and the last
of them is the person (`identity.models.Merge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from identity.identifiers import Identifier
from identity.sighting import ERASED


class Edge(msgspec.Struct, frozen=True, gc=False):
    """A merge in force."""

    id: UUID
    winner: UUID
    loser: UUID
    event_id: UUID | None
    source: UUID | None
    rule: str
    by: str
    at: datetime


class Way(msgspec.Struct, frozen=True):
    """From the profile where an identifier was first linked, up to the person it is now."""

    home: UUID
    edges: Sequence[Edge]

    @property
    def profiles(self) -> list[UUID]:
        """All profiles on it, the home first."""
        return [self.home, *(edge.winner for edge in self.edges)]

    def until(self, profile: UUID) -> Sequence[Edge]:
        """Return the merges that lead to a profile on it."""
        return self.edges[: self.profiles.index(profile)]


class Stored(msgspec.Struct, frozen=True):
    """What is known of an identifier: what brought it to its home, and where it is now."""

    status: str
    profile_id: UUID
    event_id: UUID | None
    source: UUID
    linked_at: datetime
    way: Way

    @property
    def is_erased(self) -> bool:
        """Whether the person it was asked to be forgotten."""
        return self.status == ERASED


class Side(msgspec.Struct, frozen=True):
    """One of two identifiers in question, and what is known of it."""

    said: Identifier
    key: UUID
    stored: Stored | None

    @property
    def text(self) -> str:
        """As people write it."""
        return f"{self.said.kind}:{self.said.value}"


def between(one: Way, other: Way) -> list[Edge] | None:
    """Return the merges that lead from both homes to where they meet; None if they never do.

    >>> a, b, c, d = (UUID(int=number) for number in range(4))
    >>> edge = lambda low, high: Edge(UUID(int=9), high, low, None, None, "", "", datetime.min)
    >>> one, other = Way(a, [edge(a, c), edge(c, d)]), Way(b, [edge(b, c), edge(c, d)])
    >>> [(each.loser.int, each.winner.int) for each in between(one, other)]
    [(0, 2), (1, 2)]
    >>> between(one, Way(b, [])), between(one, one)
    (None, [])
    """
    theirs = set(other.profiles)
    meeting = next((profile for profile in one.profiles if profile in theirs), None)
    return None if meeting is None else [*one.until(meeting), *other.until(meeting)]
