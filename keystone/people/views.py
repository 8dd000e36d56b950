"""The read routes about people: who they are, what is known of them, why two are one."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from msgspec import UNSET
from rest_framework.request import Request

from identity.explain import ExplainAnswer
from identity.identifiers import KINDS
from keystone.openapi import PAGING, describe, path, query
from keystone.paging import limit_of, next_url, position_of
from keystone.people import attributes, explain, listing, profiles
from keystone.people.attributes import AttributesAnswer
from keystone.people.listing import ProfilePage, Wanted
from keystone.people.parameters import PROFILE_ID, identifier_of, kind_of
from keystone.people.profiles import ProfileAnswer
from keystone.reading import ReadView, found, path_uuid, query_moment, query_text
from keystone.source import Source


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
        return found(profiles.by_id(source, path_uuid(profile_id)))


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
        return found(profiles.by_identifier(source, kind, value))


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
        return found(attributes.attributes_at(source, path_uuid(profile_id), as_of))


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
