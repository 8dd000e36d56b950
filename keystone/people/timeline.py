"""What a person did: the events of all of their identifiers, as one list."""

from __future__ import annotations

from uuid import UUID

from ingest import read_events
from ingest.read_events import Asked, Found
from keystone.people import profiles
from keystone.source import Source


def events_of(source: Source, profile_id: UUID, asked: Asked) -> Found | None:
    """Return a page of the events of a person, None where there is no such person.

    The id of a merged-away profile stands for the survivor. The identifiers are those that
    `GET /v1/profiles/{id}` lists.
    """
    person = profiles.survivor(source, profile_id)
    if person is None:
        return None
    known = profiles.identifiers_of(source, person)[: profiles.IDENTIFIERS_MAX]
    return read_events.of_actors(
        source, {each.key: (each.kind, each.value) for each in known}, asked
    )
