"""One person as we know them: the profile, its identifiers, and how much there is of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from identity.identifiers import Unusable, identifier
from identity.models import Identifier, Profile
from keystone.clock import iso
from keystone.db import Row
from keystone.reading import JsonObject, Moment, select
from keystone.source import Source

#: Beyond these an answer says `capped`.
EVENTS_MAX, IDENTIFIERS_MAX, MERGED_MAX = 100_000, 1_000, 1_000
#: Profiles whose merges and lineage are looked at: the person's own, and those that joined it last.
PARTS_MAX = 10_000


class IdentifierAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One of the names of a person or their devices."""

    kind: str
    value: str
    first_seen: Moment
    last_seen: Moment  # to the minute
    status: str


class ProfileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One person. `requested_id` is there when the profile asked for has become part of this one."""

    id: UUID
    kind: str
    attributes: JsonObject
    identifiers: list[IdentifierAnswer]
    first_seen: Moment
    last_seen: Moment
    event_count: int
    session_count: int
    order_count: int
    merged_from: list[UUID]
    #: Some of it is only counted or listed up to a bound.
    capped: bool | msgspec.UnsetType = msgspec.UNSET
    requested_id: UUID | msgspec.UnsetType = msgspec.UNSET


# The survivor of a merged-away profile; `merged_into` is always the root.
_SURVIVING = """
FROM profile AS asked
JOIN profile ON profile.id = COALESCE(asked.merged_into, asked.id)
WHERE asked.id = %(id)s AND asked.org_id = %(organization)s
  AND profile.org_id = %(organization)s AND profile.erased_at IS NULL
"""
_PROFILE = f"""
SELECT profile.id, profile.kind, profile.attributes::text, profile.first_seen, profile.last_seen
{_SURVIVING}
"""
_SURVIVOR = f"SELECT profile.id {_SURVIVING}"
_ATTRIBUTES = f"SELECT profile.id, profile.attributes::text {_SURVIVING}"
# event_by_actor and order_by_actor alone answer this, so the organization is not asked for: an
# actor key digests the organization's secret, and no other's event can have one of these.
_COUNT = """
SELECT count(*) FROM (
    SELECT FROM unnest(%(actors)s::uuid[]) AS actor (key) CROSS JOIN LATERAL (
        SELECT FROM {table} WHERE actor_key = actor.key LIMIT %(most)s
    ) AS arm LIMIT %(most)s
) AS counted
"""
_COUNTS = "SELECT ({events}), ({orders})".format(
    events=_COUNT.format(table="event"), orders=_COUNT.format(table='"order"')
)


def by_id(source: Source, id_: UUID) -> ProfileAnswer | None:
    """Return the person a profile is, or has become part of."""
    for row in select(_PROFILE, id=id_, organization=source.organization_id):
        return _answer(source, row, requested=id_)
    return None


def by_identifier(source: Source, kind: str, value: str) -> ProfileAnswer | None:
    """Return the person whom an identifier names; its value is normalized first."""
    profile_id = _named(source, kind, value)
    return None if profile_id is None else by_id(source, profile_id)


def survivor(source: Source, id_: UUID) -> UUID | None:
    """Return the id of the person a profile is, or has become part of."""
    rows = select(_SURVIVOR, id=id_, organization=source.organization_id)
    return rows[0][0] if rows else None


def attributes_of(source: Source, id_: UUID) -> tuple[UUID, str] | None:
    """Return the id of the person a profile is, or has become part of, and what is known of it."""
    rows = select(_ATTRIBUTES, id=id_, organization=source.organization_id)
    return (rows[0][0], rows[0][1]) if rows else None


def identifiers_of(source: Source, profile_id: UUID) -> list[Identifier]:
    """Return the identifiers of a person, last seen first, and one more than we read at most."""
    found = Identifier.objects.filter(
        profile_id=profile_id, organization_id=source.organization_id
    ).exclude(status=Identifier.Status.ERASED)
    return list(found.order_by("-last_seen", "key")[: IDENTIFIERS_MAX + 1])


def parts_of(source: Source, person: UUID) -> list[UUID]:
    """Return the profiles that make up a person: its own, and those that became part of it.

    At most `PARTS_MAX`, the newest of those that did.
    """
    return [person, *_merged_from(source, person, PARTS_MAX - 1)]


def _named(source: Source, kind: str, value: str) -> UUID | None:
    try:
        said = identifier(kind, value)
    except Unusable:
        return None
    if said is None:
        return None
    key = said.key(source.organization_secret)
    named = Identifier.objects.filter(key=key, organization_id=source.organization_id).exclude(
        status=Identifier.Status.ERASED
    )
    return next(iter(named.values_list("profile_id", flat=True)), None)


def _answer(source: Source, row: Row, requested: UUID) -> ProfileAnswer:
    id_, kind, attributes, first_seen, last_seen = row
    identifiers = identifiers_of(source, id_)
    known = identifiers[:IDENTIFIERS_MAX]
    merged = _merged_from(source, id_, MERGED_MAX + 1)
    events, orders = _counts([each.key for each in known])
    capped = (
        max(events, orders) > EVENTS_MAX
        or len(identifiers) > len(known)
        or len(merged) > MERGED_MAX
    )
    return ProfileAnswer(
        id=id_,
        kind=kind,
        attributes=msgspec.Raw(attributes),
        identifiers=list(_shown(known)),
        first_seen=iso(first_seen),
        last_seen=iso(last_seen),
        event_count=min(events, EVENTS_MAX),
        session_count=0,
        order_count=min(orders, EVENTS_MAX),
        merged_from=merged[:MERGED_MAX],
        capped=capped or msgspec.UNSET,
        requested_id=msgspec.UNSET if requested == id_ else requested,
    )


def _merged_from(source: Source, id_: UUID, most: int) -> list[UUID]:
    merged = Profile.objects.filter(merged_into=id_, organization_id=source.organization_id)
    return list(merged.order_by("-id").values_list("id", flat=True)[:most])


def _counts(actors: Sequence[UUID]) -> tuple[int, int]:
    """Return how many events and orders these identifiers have, each up to one beyond the bound."""
    ((events, orders),) = select(_COUNTS, actors=list(actors), most=EVENTS_MAX + 1)
    return events, orders


def _shown(identifiers: Iterable[Identifier]) -> Iterable[IdentifierAnswer]:
    for each in identifiers:
        yield IdentifierAnswer(
            kind=each.kind,
            value=each.value,
            first_seen=iso(each.first_seen),
            last_seen=iso(each.last_seen),
            status=each.status,
        )
