"""Pure: what one event says of who did it, and what resolution made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from identity.identifiers import Identifier

SHADOW, ANCHOR = "shadow", "anchor"


class Sighting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event's statement that these identifiers are one person, seen at that time."""

    organization_id: UUID
    source_id: UUID
    event_id: UUID
    seen_at: datetime
    #: The actor key is the key of the strongest identifier: whose event it is.
    actor_key: UUID
    #: By key, strongest first: the identities, then the cookie, then the session.
    identifiers: Mapping[UUID, Identifier]
    #: By key, addresses among an identify's attributes: linked unless another person has them.
    mentions: Mapping[UUID, Identifier]
    #: Whether the event changes attributes: its person is then locked.
    says_attributes: bool = False


#: First and last seen.
Span = tuple[datetime, datetime]


class Person(msgspec.Struct, gc=False, eq=False):
    """A profile while sightings are being taken in; compared by identity."""

    id: UUID
    kind: str
    #: As the database has it; None for a new profile.
    span: Span | None = None
    has_crm_id: bool = False
    #: Who this profile has become part of meanwhile.
    winner: Person | None = None

    @property
    def root(self) -> Person:
        """Whoever this profile is by now."""
        person = self
        while person.winner is not None:
            person = person.winner
        return person


class Known(msgspec.Struct, frozen=True, gc=False):
    """An identifier as the database has it."""

    person: Person
    span: Span


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """Who an event belongs to, and which profiles it made part of that person."""

    profile_id: UUID
    kind: str
    merged: tuple[UUID, ...] = ()
