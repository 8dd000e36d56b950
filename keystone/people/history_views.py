"""The read routes about what there is of one person, in pages: events, changes, merges, orders."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request

from identity.read_merges import MergePage, merges_of
from ingest.read_events import EventPage
from ingest.read_views import NAME, TYPE, asked_of
from keystone.openapi import FROM, PAGING, TO, describe, query
from keystone.paging import limit_of, next_url, position_of
from keystone.people import lineage, profiles, timeline
from keystone.people.lineage import LineagePage
from keystone.people.parameters import PROFILE_ID, path_of
from keystone.reading import ReadView, found, path_uuid
from keystone.source import Source
from orders.newest import Position
from orders.read_orders import OrderPage, of_actors


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
        events, position = found(timeline.events_of(source, path_uuid(profile_id), asked))
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
        page = lineage.lineage_of(
            source,
            path_uuid(profile_id),
            path=path_of(request),
            limit=limit_of(request),
            after=position_of(request, UUID),
        )
        changes, position = found(page)
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
        person = found(profiles.survivor(source, path_uuid(profile_id)))
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
        person = found(profiles.survivor(source, path_uuid(profile_id)))
        known = profiles.identifiers_of(source, person)[: profiles.IDENTIFIERS_MAX]
        orders, position = of_actors(
            source,
            [each.key for each in known],
            limit=limit_of(request),
            after=position_of(request, Position),
        )
        return OrderPage(orders, next_url(request, position))
