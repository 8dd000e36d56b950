"""Two people side by side, as staff compare them before they make them one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.utils.safestring import SafeString

from identity.identifiers import STRENGTH
from identity.models import Identifier, Profile
from keystone.staff.markup import pretty

#: Identifiers that a side shows, of so many looked at: their index has no order.
SHOWN, LOOKED_AT = 12, 200
#: What an attribute that says what to call somebody may be named.
_NAMES = ("name", "full_name", "display_name", "first_name")


class Side(NamedTuple):
    """One of the two."""

    profile: Profile
    called: str
    identifiers: Sequence[Identifier]
    more: bool
    attributes: SafeString
    stays: bool = False


def sides_of(organization_id: UUID, profile_ids: Sequence[UUID]) -> list[Side]:
    """Return people in the order asked for, each once, a merged one as who it is part of now.

    Who is not known in the organization is left out. Three statements at most.
    """
    mine = Profile.objects.filter(organization_id=organization_id)
    found = mine.in_bulk(profile_ids)
    roots = mine.in_bulk({p.merged_into for p in found.values() if p.merged_into})
    known = {id_: roots.get(p.merged_into, p) if p.merged_into else p for id_, p in found.items()}
    people = list({known[id_].pk: known[id_] for id_ in profile_ids if id_ in known}.values())
    theirs = _identifiers(people)
    return [_side(person, theirs[person.pk]) for person in people]


def staying_first(one: Side, other: Side) -> list[Side]:
    """Order two people: an anchor before a shadow, else the older before the younger (§5)."""
    first, second = sorted((one, other), key=_rank)
    return [first._replace(stays=True), second]


def strongest_first(identifiers: Sequence[Identifier]) -> list[Identifier]:
    """Sort a person's identifiers: the strongest kind, then the last seen."""
    return sorted(identifiers, key=lambda each: (STRENGTH[each.kind], each.last_seen), reverse=True)


def called(profile: Profile, identifiers: Sequence[Identifier]) -> str:
    """Return what to call somebody, given the identifiers by which they are known."""
    if profile.erased_at:
        return "Erased"
    names = [profile.attributes.get(key) for key in _NAMES]
    known = [name for name in names if isinstance(name, str) and name.strip()]
    return next(iter(known + [each.value for each in identifiers if each.value]), "Somebody")


def _rank(side: Side) -> tuple[bool, UUID]:
    return side.profile.kind != Profile.Kind.ANCHOR, side.profile.pk


def _identifiers(people: Sequence[Profile]) -> dict[UUID, list[Identifier]]:
    """Look at some identifiers of each: one arm of a statement for each."""
    theirs: dict[UUID, list[Identifier]] = {person.pk: [] for person in people}
    arms = [Identifier.objects.filter(profile_id=id_)[:LOOKED_AT] for id_ in theirs]
    if arms:
        for each in arms[0].union(*arms[1:], all=True):
            theirs[each.profile_id].append(each)
    return theirs


def _side(profile: Profile, identifiers: Sequence[Identifier]) -> Side:
    known = strongest_first(identifiers)
    return Side(
        profile=profile,
        called=called(profile, known),
        identifiers=known[:SHOWN],
        more=len(known) > SHOWN,
        attributes=pretty(profile.attributes),
    )
