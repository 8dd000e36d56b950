"""Sightings, and the people whom the database would know, without one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from identity.decide import Plan
from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, KINDS, PHONE, SESSION, Identifier
from identity.protect import Policy
from identity.sighting import Known, Person, Sighting
from keystone.ids import new_id

SECRET = b"s" * 32
ORGANIZATION = UUID(int=1)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
COOKIE, OTHER_COOKIE = Identifier(ANONYMOUS_ID, "c1"), Identifier(ANONYMOUS_ID, "c2")
ADA, BOB = Identifier(EMAIL, "ada@example.com"), Identifier(EMAIL, "bob@example.com")
ADAS_PHONE = Identifier(PHONE, "+4915112345678")
ADAS_ID, BOBS_ID = Identifier(CRM_ID, "A-1"), Identifier(CRM_ID, "B-1")
VISIT, OTHER_VISIT = Identifier(SESSION, "s1"), Identifier(SESSION, "s2")


def saw(
    *identifiers: Identifier,
    mentions: tuple[Identifier, ...] = (),
    trusted: bool = True,
    says_attributes: bool = False,
) -> Sighting:
    strongest_first = sorted(identifiers, key=lambda said: KINDS.index(said.kind))
    keyed = {key(said): said for said in strongest_first}
    return Sighting(
        organization_id=ORGANIZATION,
        source_id=UUID(int=2),
        event_id=new_id(),
        seen_at=NOW,
        actor_key=next(iter(keyed)),
        identifiers=keyed,
        mentions={key(said): said for said in mentions},
        trusted=trusted,
        says_attributes=says_attributes,
    )


def key(identifier: Identifier) -> UUID:
    return identifier.key(SECRET)


def emails(count: int) -> list[Identifier]:
    return [Identifier(EMAIL, f"{number}@example.com") for number in range(count)]


def cookies(count: int) -> list[Identifier]:
    return [Identifier(ANONYMOUS_ID, f"cookie-{number}") for number in range(count)]


class World:
    """People by name, the elder first, and the identifiers they already have."""

    def __init__(self, **people: tuple[str, list[Identifier]]) -> None:
        self.people: dict[str, Person] = {}
        self.known: dict[UUID, Known] = {}
        for name, (kind, identifiers) in people.items():
            person = self.people[name] = Person(new_id(), kind, (NOW, NOW))
            for said in identifiers:
                person.gain(said.kind)
            self.known |= {key(said): Known(person, (NOW, NOW), person.id) for said in identifiers}

    def take_in(
        self, *sightings: Sighting, policy: Policy | None = None, defer: bool = False
    ) -> Plan:
        plan = Plan(self.known, {ORGANIZATION: policy} if policy else None, defer=defer)
        plan.take_in(sightings)
        return plan

    def mark(self, identifier: Identifier, status: str) -> None:
        known = self.known[key(identifier)]
        self.known[key(identifier)] = msgspec.structs.replace(known, status=status)

    def bar(self, one: str, other: str) -> None:
        """Somebody took the merge of these two back."""
        self.people[one].barred |= {self.id(other)}
        self.people[other].barred |= {self.id(one)}

    def id(self, name: str) -> UUID:
        return self.people[name].id


def owner(plan: Plan, identifier: Identifier) -> UUID | None:
    person = plan.person(key(identifier))
    return person and person.id


def refused(plan: Plan) -> list[tuple[str, str, str]]:
    """Reason, what was kept out, and what it would have come to."""
    return [
        (each.reason, each.named(each.subject), each.named(each.other)) for each in plan.refusals
    ]
