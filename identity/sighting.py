"""Pure: what one event says of who did it, and what resolution made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from identity.identifiers import CRM_ID, EMAIL, PHONE, Identifier

SHADOW, ANCHOR = "shadow", "anchor"
ACTIVE, QUARANTINED, ERASED = "active", "quarantined", "erased"


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
    #: Said by a secret key or a signed token; what a page says merges no anchors.
    trusted: bool = True

    def said(self, key: UUID) -> Identifier:
        """Return what it names by a key."""
        return self.identifiers.get(key) or self.mentions[key]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What people say of profiles; in place of a sighting where no event did."""

    organization_id: UUID
    source_id: UUID | None = None
    event_id: UUID | None = None
    seen_at: datetime


#: First and last seen.
Span = tuple[datetime, datetime]


class Person(msgspec.Struct, gc=False, eq=False):
    """A profile while sightings are being taken in; compared by identity."""

    id: UUID
    kind: str
    #: As the database has it; None for a new profile.
    span: Span | None = None
    #: How many identifiers of a kind it has, and how many came in the last hour. Known only of
    #: people who are locked: nothing is decided for good by those of others.
    crm_ids: int = 0
    emails: int = 0
    phones: int = 0
    recent: int = 0
    #: Has so many identifiers that moving them is not for a request.
    is_large: bool = False
    #: Profiles that it must not become one with.
    barred: frozenset[UUID] = frozenset()
    #: Profiles that became part of it meanwhile.
    absorbed: frozenset[UUID] = frozenset()
    #: Who this profile has become part of meanwhile.
    winner: Person | None = None

    @property
    def root(self) -> Person:
        """Whoever this profile is by now."""
        person = self
        while person.winner is not None:
            person = person.winner
        return person

    def count(self, kind: str) -> int:
        """Return how many identifiers of an explicit kind it has; 0 for other kinds."""
        name = _COUNTED.get(kind)
        return getattr(self, name) if name else 0

    def gain(self, kind: str, count: int = 1) -> None:
        """Count identifiers that it is given."""
        name = _COUNTED.get(kind)
        if name:
            setattr(self, name, getattr(self, name) + count)

    def take_in(self, loser: Person) -> None:
        """Make another person part of this one."""
        loser.winner = self
        self.absorbed |= loser.absorbed | {loser.id}
        self.barred |= loser.barred
        self.recent += 1
        for kind in _COUNTED:
            self.gain(kind, loser.count(kind))


_COUNTED = {CRM_ID: "crm_ids", EMAIL: "emails", PHONE: "phones"}


class Known(msgspec.Struct, frozen=True, gc=False):
    """An identifier as the database has it."""

    person: Person
    span: Span
    #: The profile it was first linked to; the person's own, or one that is part of it by now.
    home: UUID
    status: str = ACTIVE


class Link(msgspec.Struct, frozen=True, gc=False):
    """A new identifier of a person, and the sighting that brought it.

    `home`: that of the identifier which it was named with. Should the person turn out to be two,
    it goes where that one goes.
    """

    key: UUID
    identifier: Identifier
    person: Person
    home: UUID
    sighting: Sighting
    status: str = ACTIVE


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an identifier is: its home, and the person that this was part of before."""

    person: Person
    home: UUID


class Collapse(msgspec.Struct, frozen=True, gc=False):
    """A profile becomes part of a person: by which sighting and rule, or by whose decision.

    `out_of` and `into`: where the two identifiers are that were named together, the loser's and
    the winner's. Should either person turn out to be two, it is these that stay together.
    """

    merge_id: UUID
    loser: Person
    winner: Person
    sighting: Sighting | Statement
    rule: str
    out_of: Place
    into: Place
    by: str = ""


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """Who an event belongs to, and which profiles it made part of that person.

    `pending`: some will become part of it a moment later.
    """

    profile_id: UUID
    kind: str
    merged: tuple[UUID, ...] = ()
    pending: bool = False
