"""Pure: which person each sighting belongs to, and what must be written for it (keystone.md §5).

Reads no database: it is given what is known, works through the sightings in order, and leaves a
plan of new identifiers, new profiles, collapses and refusals. The actor of an event, its strongest
identifier, decides whose event it is: facts point at identifiers, so nothing else can. An actor
that must not be linked to anybody is therefore a person of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from identity import protect
from identity.identifiers import EXPLICIT, SESSION, Identifier
from identity.protect import Policy, Refused
from identity.sighting import (
    ACTIVE,
    ANCHOR,
    QUARANTINED,
    SHADOW,
    Collapse,
    Known,
    Link,
    Person,
    Place,
    Resolution,
    Sighting,
)
from keystone.ids import new_id

Said = Mapping[UUID, Identifier]


class Plan:
    """What is known, what sightings add to it, and therefore what must be written.

    `policies`: by organization, where they are not the defaults. `defer`: merge nothing now.
    """

    def __init__(
        self,
        known: Mapping[UUID, Known],
        policies: Mapping[UUID, Policy] | None = None,
        *,
        defer: bool = False,
    ) -> None:
        self._people = {key: identifier.person for key, identifier in known.items()}
        self._known, self._homes = known, dict[UUID, UUID]()  # homes of new ones
        self._status = {k: each.status for k, each in known.items() if each.status != ACTIVE}
        self._policies, self._default, self._defer = policies or {}, Policy(), defer
        self._merged_by: dict[UUID, tuple[UUID, ...]] = {}  # event id → losers
        #: Ids of events whose merge is finished a moment later.
        self.postponed: set[UUID | None] = set()
        self.links: list[Link] = []
        self.created: list[tuple[Person, Sighting]] = []
        self.collapses: list[Collapse] = []
        #: Collapses that are to be carried out a moment later.
        self.pending: list[Collapse] = []
        self.refusals: list[Refused] = []
        #: Existing profiles that gain or lose something, and those that they are named with:
        #: locked before anything is written, whatever the second look decides.
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
        return Resolution(person.id, person.kind, merged, sighting.event_id in self.postponed)

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
        keys = (*sighting.identifiers, *sighting.mentions)
        named = {person for key in keys if (person := self.person(key))}
        said = self._usable(sighting, sighting.identifiers)
        if sighting.actor_key not in said:
            self._join_nobody(sighting)
        else:
            self._identify(sighting, {k: i for k, i in said.items() if i.kind in EXPLICIT})
            self._join_devices(sighting, {k: i for k, i in said.items() if i.kind not in EXPLICIT})
            self._mention(sighting)
        if any(person.span is None or person.id in self.touched for person in named):
            # Once limits are known, what made one of them new or another may be refused; then
            # this sighting may be about any of them.
            self.touched.update(person.id for person in named if person.span is not None)
        return self._people[sighting.actor_key].root

    def _usable(self, sighting: Sighting, said: Said) -> Said:
        """Leave out what brings nobody together, whoever it comes with."""
        policy = self._policy(sighting)
        if not self._status and not policy.blocked:
            return said
        usable = {}
        for key, identifier in said.items():
            status = self._status.get(key)
            reason = protect.why_out(identifier, status, policy)
            if reason and len(sighting.identifiers) + len(sighting.mentions) > 1:
                self._refuse(sighting, reason, key)
            if not reason and status is None:
                usable[key] = identifier
        return usable

    def _join_nobody(self, sighting: Sighting) -> None:
        """Give an actor that must not be linked its event all the same."""
        actor = sighting.actor_key
        if self.person(actor) is None:
            is_explicit = sighting.said(actor).kind in EXPLICIT
            person = self._create(sighting, ANCHOR if is_explicit else SHADOW)
            self._link(sighting, actor, person, status=QUARANTINED)

    def _identify(self, sighting: Sighting, said: Said) -> None:
        """Bring the explicit identities of one statement together."""
        if not said:
            return
        actor = sighting.actor_key
        stated = next((key for key in said if self.person(key)), None)
        target = self.person(stated) if stated else None
        if target and stated != actor:
            reason = protect.why_not_link(said[actor], target, sighting, self._policy(sighting))
            if reason:
                self._refuse(sighting, reason, actor, stated)
                target = None
        is_apart = stated is not None and target is None
        via = stated if stated and target else self._create_anchor(sighting, actor)
        for key in said:
            owner = self.person(key)
            if owner is None:
                self._link_if_allowed(sighting, key, via)
            elif owner is not self.person(via) and not is_apart:
                self._unite(sighting, key, via)

    def _unite(self, sighting: Sighting, key: UUID, via: UUID) -> None:
        """Make two anchors of one statement one, the younger part of the older, if allowed."""
        target, other = self._people[via].root, self._people[key].root
        reason = protect.why_not_merge(target, other, sighting, self._policy(sighting))
        if reason:
            self._refuse(sighting, reason, key)
        else:
            older, younger = (via, key) if target.id < other.id else (key, via)
            self._collapse(sighting, key, younger, older, "stated")

    def _join_devices(self, sighting: Sighting, said: Said) -> None:
        """An unknown cookie joins, a shadow's collapses, an anchor's stays with its anchor."""
        via = self._whose_devices(sighting, said)
        target = self._people[via].root
        for key, identifier in said.items():
            person = self.person(key)
            if person is None:
                # A session becomes an identifier only where nothing else names the person.
                if identifier.kind != SESSION or key == sighting.actor_key:
                    self._link_if_allowed(sighting, key, via)
            elif person is target:
                continue
            elif person.kind == SHADOW:
                rule = "identified" if sighting.actor_key not in said else "same_session"
                self._collapse(sighting, key, key, via, rule)
            else:
                self._refuse(sighting, protect.SHARED_DEVICE, key)

    def _whose_devices(self, sighting: Sighting, said: Said) -> UUID:
        """Return by which key: of the actor and devices the first anchor's, else the first."""
        actor = sighting.actor_key
        keys = [key for key in (actor, *said) if self.person(key)]
        if not keys:
            self._link(sighting, actor, self._create(sighting, SHADOW))
            return actor
        return next((key for key in keys if self._people[key].root.kind == ANCHOR), keys[0])

    def _mention(self, sighting: Sighting) -> None:
        """Link addresses among attributes, unless another person has them."""
        via = sighting.actor_key
        for key in self._usable(sighting, sighting.mentions):
            owner = self.person(key)
            if owner is None:
                via = self._anchor(sighting, key, via)
            elif owner is not self.person(via):
                self._refuse(sighting, protect.ADDRESS_TAKEN, key)

    def _anchor(self, sighting: Sighting, key: UUID, via: UUID) -> UUID:
        """Link an address; a shadow collapses into the anchor that it makes, found by its key."""
        target = self._people[via].root
        if target.kind == ANCHOR:
            self._link_if_allowed(sighting, key, via)
            return via
        if (target, sighting) in self.created[-1:]:  # nobody has met it as a shadow
            target.kind = ANCHOR
            self._link(sighting, key, target)
            return via
        self._create_anchor(sighting, key)
        self._collapse(sighting, via, via, key, "mentioned")
        return key

    def _create_anchor(self, sighting: Sighting, key: UUID) -> UUID:
        """Make a person of an identity; no limit is so low that it keeps out the first one."""
        self._link(sighting, key, self._create(sighting, ANCHOR))
        return key

    def _create(self, sighting: Sighting, kind: str) -> Person:
        person = Person(new_id(), kind)
        self.created.append((person, sighting))
        return person

    def _link_if_allowed(self, sighting: Sighting, key: UUID, via: UUID) -> None:
        """Link an identifier to the person of another, in the same home."""
        said, target = sighting.said(key), self._people[via].root
        reason = protect.why_not_link(said, target, sighting, self._policy(sighting))
        if reason is None:
            self._link(sighting, key, target, via)
            return
        self._refuse(sighting, reason, key)
        if key == sighting.actor_key:
            self._link(sighting, key, self._create(sighting, SHADOW))

    def _link(
        self,
        sighting: Sighting,
        key: UUID,
        target: Person,
        via: UUID | None = None,
        status: str = ACTIVE,
    ) -> None:
        said = sighting.said(key)
        place = self._place(via) if via else Place(target, target.id)
        self.links.append(Link(key, said, target, place.home, sighting, status))
        self._people[key], self._homes[key] = place.person, place.home
        target.gain(said.kind)
        target.recent += 1
        self._touch(target)

    def _place(self, key: UUID) -> Place:
        known = self._known.get(key)
        return Place(self._people[key], known.home if known else self._homes[key])

    def _collapse(self, sighting: Sighting, key: UUID, of: UUID, via: UUID, rule: str) -> None:
        """Make the person of `of` part of that of `via`: now, a moment later or not at all.

        `key`: of the two the one that is kept out, if it is.
        """
        loser, winner = self._people[of].root, self._people[via].root
        reason = protect.CANNOT_LINK if protect.are_barred(loser, winner) else None
        if winner.span is not None:  # what is new has no links yet
            reason = reason or protect.why_too_fast(winner, sighting, self._policy(sighting))
        if reason:
            self._refuse(sighting, reason, key)
            return
        places = self._place(of), self._place(via)
        collapse = Collapse(new_id(), loser, winner, sighting, rule, *places)
        if self._defer or loser.is_large:
            self.pending.append(collapse)
            self.postponed.add(sighting.event_id)
            return
        self._touch(loser)
        self._touch(winner)
        self.collapses.append(collapse)
        winner.take_in(loser)
        before = self._merged_by.get(sighting.event_id, ())
        self._merged_by[sighting.event_id] = (*before, loser.id)

    def _refuse(
        self, sighting: Sighting, reason: str, subject: UUID, other: UUID | None = None
    ) -> None:
        """Note what was kept apart from the actor, or, for the actor itself, from the next."""
        if other is None:
            said = (*sighting.identifiers, *sighting.mentions)
            other = next(key for key in (sighting.actor_key, *said) if key != subject)
        self.refusals.append(Refused(reason, sighting, subject, other))

    def _policy(self, sighting: Sighting) -> Policy:
        return self._policies.get(sighting.organization_id, self._default)

    def _touch(self, person: Person) -> None:
        if person.span is not None:  # a new one is nobody else's business yet
            self.touched.add(person.id)
