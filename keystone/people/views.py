"""The read routes about people."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from msgspec import UNSET
from rest_framework.request import Request

from identity.explain import ExplainAnswer
from identity.identifiers import KINDS
from identity.read_merges import MergePage, merges_of
from ingest.read_events import EventPage
from ingest.read_views import NAME, TYPE, asked_of
from keystone.openapi import FROM, PAGING, TO, describe, path, query
from keystone.paging import limit_of, next_url, position_of
from keystone.people import attributes, explain, lineage, listing, profiles, timeline
from keystone.people.attributes import AttributesAnswer
from keystone.people.lineage import LineagePage
from keystone.people.listing import ProfilePage, Wanted
from keystone.people.parameters import identifier_of, kind_of, path_of
from keystone.people.profiles import ProfileAnswer
from keystone.reading import ReadView, not_found, path_uuid, query_moment, query_text
from keystone.source import Source
from orders.newest import Position
from orders.read_orders import OrderPage, of_actors

T = TypeVar("T")

PROFILE_ID = path("profile_id", "A profile, merged away or not.", OpenApiTypes.UUID)


@describe(
    "listProfiles",
    ProfilePage,
    query("kind", "shadow or anchor."),
    query("q", "How the value of one of their identifiers begins."),
    query("seen_after", "Last seen after this time (event time).", OpenApiTypes.DATETIME),
    *PAGING,
    errors="400 422",
)
class ProfileListView(ReadView):
    """The organization's people, newest first.

    Merged-away profiles are not listed. A page without `q` looks at 10,000 profiles at most: it
    may be short, or empty, and still have a `next`. `q` is compared as it stands, in lower case,
    and as a phone number; where more than 10,000 identifiers begin like it, `capped` is true.
    """

    tag = "people"

    def read(self, request: Request, source: Source) -> ProfilePage:
        """One page."""
        wanted = Wanted(
            limit=limit_of(request),
            kind=kind_of(request),
            text=(query_text(request.query_params, "q") or "").strip() or None,
            seen_after=query_moment(request.query_params, "seen_after"),
            after=position_of(request, UUID),
        )
        page, position, capped = listing.people(source, wanted)
        return ProfilePage(page, next_url(request, position), capped or UNSET)


@describe("getProfile", ProfileAnswer, PROFILE_ID, errors="404")
class ProfileView(ReadView):
    """One person.

    The id of a profile that became part of another answers the survivor, with `requested_id`.
    Events and orders are counted up to 100,000; of identifiers the 1,000 last seen are listed, of
    merged profiles the 1,000 newest: beyond these `capped` is true.
    """

    tag = "people"

    def read(self, request: Request, source: Source, profile_id: str) -> ProfileAnswer:
        """The person."""
        return _found(profiles.by_id(source, path_uuid(profile_id)))


@describe(
    "getProfileByIdentifier",
    ProfileAnswer,
    path("kind", f"One of {', '.join(KINDS)}."),
    path("value", "Any value, percent-encoded; it is normalized first."),
    errors="404",
)
class ProfileByIdentifierView(ReadView):
    """One person, by one of their identifiers.

    `+44 20 7946 0958` finds who gave `+442079460958`.
    """

    tag = "people"

    def read(self, request: Request, source: Source, kind: str, value: str) -> ProfileAnswer:
        """The person."""
        return _found(profiles.by_identifier(source, kind, value))


@describe(
    "listEventsOfProfile",
    EventPage,
    *(PROFILE_ID, FROM, TO, TYPE, NAME),
    *PAGING,
    errors="400 404 422",
)
class ProfileEventsView(ReadView):
    """What a person did, newest first: the events of all of their identifiers.

    A page with filters looks at a bounded number of events: it may be short, or empty, and still
    have a `next` to follow.
    """

    tag = "people"

    def read(self, request: Request, source: Source, profile_id: str) -> EventPage:
        """One page."""
        asked = asked_of(request)
        events, position = _found(timeline.events_of(source, path_uuid(profile_id), asked))
        return EventPage(events, next_url(request, position))


@describe(
    "listLineageOfProfile",
    LineagePage,
    PROFILE_ID,
    query("path", 'At or below this attribute: address.city, or ["a.b","c"] for keys with dots.'),
    *PAGING,
    errors="400 404 422",
)
class ProfileLineageView(ReadView):
    """How a person's attributes changed, leaf by leaf, last recorded first.

    With what was logged on profiles that became part of the person. A page with `path` looks at a
    bounded number of changes: it may be short, or empty, and still have a `next`.
    """

    tag = "people"

    def read(self, request: Request, source: Source, profile_id: str) -> LineagePage:
        """One page."""
        found = lineage.lineage_of(
            source,
            path_uuid(profile_id),
            path=path_of(request),
            limit=limit_of(request),
            after=position_of(request, UUID),
        )
        changes, position = _found(found)
        return LineagePage(changes, next_url(request, position))


@describe("listMergesOfProfile", MergePage, PROFILE_ID, *PAGING, errors="400 404 422")
class ProfileMergesView(ReadView):
    """The merges of a person, newest first, those that were taken back too.

    All in which one of the profiles that the person consists of was a side. Of the identifiers
    that moved 20 are listed; `GET /v1/merges/{merge_id}` has more.
    """

    tag = "merges"

    def read(self, request: Request, source: Source, profile_id: str) -> MergePage:
        """One page."""
        person = _found(profiles.survivor(source, path_uuid(profile_id)))
        merges, position = merges_of(
            source,
            profiles.parts_of(source, person),
            limit=limit_of(request),
            after=position_of(request, UUID),
        )
        return MergePage(merges, next_url(request, position))


@describe("listOrdersOfProfile", OrderPage, PROFILE_ID, *PAGING, errors="400 404 422")
class ProfileOrdersView(ReadView):
    """What a person bought or is about to, newest first: the orders of all of their identifiers.

    An order belongs to the identifier that made it, and to whom that belongs.
    """

    tag = "people"

    def read(self, request: Request, source: Source, profile_id: str) -> OrderPage:
        """One page."""
        person = _found(profiles.survivor(source, path_uuid(profile_id)))
        known = profiles.identifiers_of(source, person)[: profiles.IDENTIFIERS_MAX]
        orders, position = of_actors(
            source,
            [each.key for each in known],
            limit=limit_of(request),
            after=position_of(request, Position),
        )
        return OrderPage(orders, next_url(request, position))


@describe(
    "getAttributesOfProfile",
    AttributesAnswer,
    PROFILE_ID,
    query("as_of", "By what happened up to this time (event time).", OpenApiTypes.DATETIME),
    errors="404 422",
)
class ProfileAttributesView(ReadView):
    """What is known of a person, now or at an event time.

    At a time: what all that the person's identifiers said up to then adds up to, whenever it came
    in and whoever they were then. Up to 20,000 operations are added up, else 422.
    """

    tag = "people"

    def read(self, request: Request, source: Source, profile_id: str) -> AttributesAnswer:
        """The attributes."""
        as_of = query_moment(request.query_params, "as_of")
        return _found(attributes.attributes_at(source, path_uuid(profile_id), as_of))


@describe(
    "explain",
    ExplainAnswer,
    *(
        OpenApiParameter(
            name,
            str,
            OpenApiParameter.QUERY,
            required=True,
            description=f"An identifier as kind:value, {example}; it is normalized first.",
        )
        for name, example in (("a", "email:ana@example.com"), ("b", "anonymous_id:cookie-1"))
    ),
    errors="422",
)
class ExplainView(ReadView):
    """Whether two identifiers are one person: since when and by what; or why not.

    `because` tells which event brought each of them to the profile where it was first linked, and
    which merges in force lead from there to where the two meet.
    """

    tag = "people"

    def read(self, request: Request, source: Source) -> ExplainAnswer:
        """The explanation."""
        a, b = identifier_of(request, "a"), identifier_of(request, "b")
        return explain.explain(source, a, b)


def _found(answer: T | None) -> T:
    if answer is None:
        raise not_found()
    return answer
