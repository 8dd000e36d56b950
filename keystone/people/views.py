"""The read routes about people."""

from __future__ import annotations

from typing import TypeVar

from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from identity.identifiers import KINDS
from ingest.read_events import EventPage
from ingest.read_views import NAME, TYPE, asked_of
from keystone.openapi import FROM, PAGING, TO, describe, path
from keystone.paging import next_url
from keystone.people import profiles, timeline
from keystone.people.profiles import ProfileAnswer
from keystone.reading import ReadView, not_found, path_uuid
from keystone.source import Source

T = TypeVar("T")

PROFILE_ID = path("profile_id", "A profile, merged away or not.", OpenApiTypes.UUID)


@describe("getProfile", ProfileAnswer, PROFILE_ID, errors="404")
class ProfileView(ReadView):
    """One person.

    The id of a profile that became part of another answers the survivor, with `requested_id`.
    Events are counted up to 100,000; of identifiers the 1,000 last seen are listed, of merged
    profiles the 1,000 newest: beyond these `capped` is true.
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


def _found(answer: T | None) -> T:
    if answer is None:
        raise not_found()
    return answer
