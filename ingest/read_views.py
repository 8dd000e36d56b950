"""The read routes about what came in: events and the tally."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from ingest import read_events, read_tally
from ingest.read_events import Asked, EventAnswer, EventPage
from ingest.read_tally import TallyPage
from keystone.openapi import FROM, PAGING, TO, describe, path, query
from keystone.paging import limit_of, next_url, position_of
from keystone.reading import (
    ReadView,
    found,
    path_uuid,
    query_moment,
    query_text,
    query_uuid,
)
from keystone.source import Source

TYPE = query("type", "As the client called it: track, pageOpened, click …")
NAME = query("name", "The event's name, exactly: Order Completed")


def asked_of(request: Request, source: UUID | None = None) -> Asked:
    """Read the parameters that lists of events share; raises `Refusal` 400, 422."""
    params = request.query_params
    return Asked(
        limit=limit_of(request),
        since=query_moment(params, "from"),
        before=query_moment(params, "to"),
        after=position_of(request, UUID),
        type=query_text(params, "type"),
        name=query_text(params, "name"),
        source=source,
    )


@describe(
    "listEvents",
    EventPage,
    *(FROM, TO, TYPE, NAME),
    query("source", "Id of the key that brought it.", OpenApiTypes.UUID),
    *PAGING,
    errors="400 422",
)
class EventListView(ReadView):
    """The organization's events, newest first.

    A page with filters looks at 10,000 events at most: it may be short, or empty, and still have
    a `next` to follow.
    """

    tag = "events"

    def read(self, request: Request, source: Source) -> EventPage:
        """One page."""
        asked = asked_of(request, query_uuid(request.query_params, "source"))
        events, position = read_events.of_organization(source, asked)
        return EventPage(events, next_url(request, position))


@describe("getEvent", EventAnswer, path("event_id", "An event.", OpenApiTypes.UUID), errors="404")
class EventView(ReadView):
    """One event.

    `type` is the client's own word, `kind` and `name` are the same in every protocol; `payload`
    is as it was stored.
    """

    tag = "events"

    def read(self, request: Request, source: Source, event_id: str) -> EventAnswer:
        """The event."""
        return found(read_events.one(source, path_uuid(event_id)))


@describe(
    "listTally",
    TallyPage,
    query("from", "From the hour of this time on (our clock).", OpenApiTypes.DATETIME),
    query("to", "Hours that begin before this time.", OpenApiTypes.DATETIME),
    query("key", "Id of a key.", OpenApiTypes.UUID),
    *PAGING,
    errors="400 422",
)
class TallyView(ReadView):
    """What became of everything that came in, per hour, key and door.

    `received` is always the sum of `stored`, `duplicate`, `failed` and what was `dropped`, by
    reason. What was refused with a 4xx was not received.
    """

    tag = "tally"

    def read(self, request: Request, source: Source) -> TallyPage:
        """One page."""
        hours, position = read_tally.page(
            source,
            limit=limit_of(request),
            since=query_moment(request.query_params, "from"),
            before=query_moment(request.query_params, "to"),
            key=query_uuid(request.query_params, "key"),
            after=position_of(request, read_tally.Position),
        )
        return TallyPage(hours, next_url(request, position))
