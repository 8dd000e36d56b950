"""Pure: what keeps apart who is not one person (DESIGN §5, Protection; keystone.md §5).

Each rule is asked in one place by `identity.decide` and answers None, or the reason of a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from uuid import UUID

import msgspec

from identity.identifiers import CRM_ID, EMAIL, EXPLICIT, PHONE, Identifier
from identity.sighting import ANCHOR, ERASED, QUARANTINED, Known, Person, Sighting

#: Why two identifiers were kept apart. Closed.
SHARED_DEVICE = "shared_device"  # a cookie of one anchor came with the identity of another
CRM_CONFLICT = "crm_conflict"  # one person would have too many crm_ids
LIMIT = "limit"  # … too many addresses of a kind
BLOCKED = "blocked"  # the organization says that this value names nobody
# and `sighting.QUARANTINED`: a device that meets many people
UNTRUSTED = "untrusted"  # a public key or an unsigned token would merge two anchors
LINK_RATE = "link_rate"  # … links too many identifiers to one person in an hour
CANNOT_LINK = "cannot_link"  # somebody took this merge back
ADDRESS_TAKEN = "address_taken"  # an address among attributes belongs to another person
REASONS = (
    *(SHARED_DEVICE, CRM_CONFLICT, LIMIT, BLOCKED, QUARANTINED),
    *(UNTRUSTED, LINK_RATE, CANNOT_LINK, ADDRESS_TAKEN),
)
#: Where staff may know better: a refusal with one of these is a suggestion to merge.
SUGGESTED = frozenset({CRM_CONFLICT, LIMIT, UNTRUSTED, ADDRESS_TAKEN})


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One organization's rules of linking."""

    crm_ids: int = 1
    emails: int = 5
    phones: int = 5
    quarantine_after: int = 10  # other people that a device met
    public_links_per_hour: int = 60
    blocked: frozenset[str] = frozenset()  # kind:value in normal form

    def limit(self, kind: str) -> int | None:
        """Return how many identifiers of a kind a person may have; None: as many as come."""
        limits = {CRM_ID: self.crm_ids, EMAIL: self.emails, PHONE: self.phones}
        return limits.get(kind)


class Refused(msgspec.Struct, frozen=True):
    """Two identifiers of one sighting that were kept apart, and why."""

    reason: str
    sighting: Sighting
    subject: UUID  # the key that was kept out
    other: UUID  # the key of what it would have come to

    @property
    def fingerprint(self) -> UUID:
        """Digest reason and pair: the same refusal again is the same row."""
        parts = self.reason.encode(), self.subject.bytes, self.other.bytes
        return UUID(bytes=blake2b(b"\0".join(parts), digest_size=16).digest())

    def named(self, key: UUID) -> str:
        """Write one of the two as staff read it."""
        said = self.sighting.said(key)
        return f"{said.kind}:{said.value}"


def suppressed(sightings: Iterable[Sighting], known: Mapping[UUID, Known]) -> set[UUID]:
    """Return the ids of events about somebody who was erased; they must leave no trace.

    An erased cookie or session beside the identity of somebody else does not count.
    """
    erased = {key for key, each in known.items() if each.status == ERASED}
    if not erased:
        return set()
    return {said.event_id for said in sightings if not erased.isdisjoint(_names(said))}


def _names(sighting: Sighting) -> Iterator[UUID]:
    yield sighting.actor_key
    for key, said in (*sighting.identifiers.items(), *sighting.mentions.items()):
        if said.kind in EXPLICIT:
            yield key


def why_out(said: Identifier, status: str | None, policy: Policy) -> str | None:
    """Say why an identifier brings nobody together, whoever it comes with.

    An erased one does not either; of it nothing may be written down, so it has no reason here.
    """
    if status == QUARANTINED:
        return QUARANTINED
    if policy.blocked and f"{said.kind}:{said.value}" in policy.blocked:
        return BLOCKED
    return None


def why_not_link(
    said: Identifier, target: Person, sighting: Sighting, policy: Policy
) -> str | None:
    """Say why an identifier that nobody has must not become a person's."""
    limit = policy.limit(said.kind)
    if limit is not None and target.count(said.kind) >= limit:
        return CRM_CONFLICT if said.kind == CRM_ID else LIMIT
    return why_too_fast(target, sighting, policy)


def why_too_fast(target: Person, sighting: Sighting, policy: Policy) -> str | None:
    """Say whether a public key has linked enough to an anchor for this hour."""
    if sighting.trusted or target.kind != ANCHOR or target.recent < policy.public_links_per_hour:
        return None
    return LINK_RATE


def why_not_merge(one: Person, other: Person, sighting: Sighting, policy: Policy) -> str | None:
    """Say why an event that names two anchors must not make them one."""
    for kind, reason in ((CRM_ID, CRM_CONFLICT), (EMAIL, LIMIT), (PHONE, LIMIT)):
        limit = policy.limit(kind)
        both = one.count(kind) + other.count(kind)
        # Who came to have more than the limit by staff's decision may still take in who has none.
        if limit is not None and both > limit and one.count(kind) and other.count(kind):
            return reason
    return None if sighting.trusted else UNTRUSTED


def are_barred(one: Person, other: Person) -> bool:
    """Say whether somebody took the merge of these two back."""
    if not one.barred and not other.barred:
        return False
    return not (
        one.barred.isdisjoint({other.id, *other.absorbed})
        and other.barred.isdisjoint({one.id, *one.absorbed})
    )
