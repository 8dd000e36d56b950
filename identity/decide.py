"""Pure: which person each sighting belongs to, and what must be written for it (keystone.md §5).

Reads no database: it is given what is known, works through the sightings in order, and leaves a
plan of new identifiers, new profiles and collapses. The actor of an event, its strongest
identifier, decides whose event it is: facts point at identifiers, so nothing else can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from identity.identifiers import CRM_ID, EXPLICIT, SESSION, Identifier
from identity.sighting import ANCHOR, SHADOW, Known, Person, Resolution, Sighting
from keystone.ids import new_id


class Link(msgspec.Struct, frozen=True, gc=False):
    """A new identifier of a person, and the sighting that brought it."""

    key: UUID
    identifier: Identifier
    person: Person
    sighting: Sighting


class Collapse(msgspec.Struct, frozen=True, gc=False):
    """A shadow becomes part of a person, by which sighting and rule."""

    merge_id: UUID
    loser: Person
    winner: Person
    sighting: Sighting
    rule: str


class Plan:
    """What is known, what sightings add to it, and therefore what must be written."""

    def __init__(self, known: Mapping[UUID, Known]) -> None:
        self._people = {key: identifier.person for key, identifier in known.items()}
        self._merged_by: dict[UUID, tuple[UUID, ...]] = {}  # event id → losers
        self.links: list[Link] = []
        self.created: list[tuple[Person, Sighting]] = []
        self.collapses: list[Collapse] = []
        #: Existing profiles that gain or lose something: locked before anything is written.
        self.touched: set[UUID] = set()

    def take_in(self, sightings: Iterable[Sighting]) -> None:
        """Decide on sightings in their order."""
        for sighting in sightings:
            self._take_in(sighting)

    def person(self, key: UUID) -> Person | None:
        """Return who stands behind an identifier by now; None for an unknown one."""
        person = self._people.get(key)
        return person and person.root

    def resolution(self, sighting: Sighting) -> Resolution:
        """Say whose event it is, once every sighting has been taken in."""
        person = self._people[sighting.actor_key].root
        merged = self._merged_by.get(sighting.event_id, ()) if self._merged_by else ()
        return Resolution(person.id, person.kind, merged)

    def _take_in(self, sighting: Sighting) -> None:
        target = self._same_person(sighting)
        if target is None or sighting.mentions:
            target = self._decide(sighting)
        if sighting.says_attributes:
            self._touch(target)

    def _same_person(self, sighting: Sighting) -> Person | None:
        """Return the one person that all identifiers have already: most events, in no time."""
        people = [self.person(key) for key in sighting.identifiers]
        return people[0] if all(person is people[0] for person in people) else None

    def _decide(self, sighting: Sighting) -> Person:
        target = self._identified(sighting) or self._device_owner(sighting)
        for key, said in sighting.identifiers.items():
            if said.kind not in EXPLICIT:
                self._join_device(sighting, key, said, target)
        for key, mention in sighting.mentions.items():
            if self.person(key) is None:
                target = self._anchored(sighting, target)
                self._link(sighting, key, mention, target)
        return target

    def _identified(self, sighting: Sighting) -> Person | None:
        """Return the person of the explicit identities; the unknown ones of them join."""
        said = {k: i for k, i in sighting.identifiers.items() if i.kind in EXPLICIT}
        if not said:
            return None
        known = (person for key in said if (person := self.person(key)))
        target = next(known, None) or self._create(sighting, ANCHOR)
        actor = sighting.actor_key
        if self.person(actor) is None and not _may_join(said[actor], target):
            target = self._create(sighting, ANCHOR)  # a second crm_id is a person of its own
        for key, identifier in said.items():
            if self.person(key) is None and _may_join(identifier, target):
                self._link(sighting, key, identifier, target)
        return target

    def _device_owner(self, sighting: Sighting) -> Person:
        """Return the person of the cookie, else of the session, else a new shadow."""
        known = (person for key in sighting.identifiers if (person := self.person(key)))
        return next(known, None) or self._create(sighting, SHADOW)

    def _join_device(self, sighting: Sighting, key: UUID, said: Identifier, target: Person) -> None:
        """An unknown cookie joins, a shadow's collapses, an anchor's stays with its anchor."""
        person = self.person(key)
        if person is target:
            return
        if person is None:
            # A session becomes an identifier only where nothing else names the person.
            if said.kind != SESSION or len(sighting.identifiers) == 1:
                self._link(sighting, key, said, target)
        elif person.kind == SHADOW:
            rule = "identified" if target.kind == ANCHOR else "same_session"
            self._collapse(sighting, person, target, rule)

    def _anchored(self, sighting: Sighting, target: Person) -> Person:
        """Return an anchor for an address: a shadow collapses into a new one."""
        if target.kind == ANCHOR:
            return target
        anchor = self._create(sighting, ANCHOR)
        self._collapse(sighting, target, anchor, "mentioned")
        return anchor

    def _create(self, sighting: Sighting, kind: str) -> Person:
        person = Person(new_id(), kind)
        self.created.append((person, sighting))
        return person

    def _link(self, sighting: Sighting, key: UUID, said: Identifier, target: Person) -> None:
        self.links.append(Link(key, said, target, sighting))
        self._people[key] = target
        target.has_crm_id = target.has_crm_id or said.kind == CRM_ID
        self._touch(target)

    def _collapse(self, sighting: Sighting, loser: Person, winner: Person, rule: str) -> None:
        self.collapses.append(Collapse(new_id(), loser, winner, sighting, rule))
        loser.winner = winner
        before = self._merged_by.get(sighting.event_id, ())
        self._merged_by[sighting.event_id] = (*before, loser.id)
        self._touch(loser)
        self._touch(winner)

    def _touch(self, person: Person) -> None:
        if person.span is not None:  # a new one is nobody else's business yet
            self.touched.add(person.id)


def _may_join(said: Identifier, target: Person) -> bool:
    """A person has one crm_id; a second one is left alone."""
    return said.kind != CRM_ID or not target.has_crm_id
