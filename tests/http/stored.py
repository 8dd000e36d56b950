"""Rows as the pipeline leaves them, for routes that read, and a caller who reads them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.test import Client

from identity.identifiers import ANONYMOUS_ID, Identifier
from identity.models import Identifier as IdentifierRow
from identity.models import Merge, Profile
from ingest.event_id import uuid7_shaped
from ingest.models import Event, Tally
from keystone.clock import to_ms
from keystone.models import Organization

MORNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
COOKIE = Identifier(ANONYMOUS_ID, "cookie-1")


def after(minutes: float) -> datetime:
    """Return a time so many minutes after MORNING."""
    return MORNING + timedelta(minutes=minutes)


def store_profile(
    organization: Organization, *names: Identifier, kind: str = "shadow", **fields: Any
) -> Profile:
    """Store a person with identifiers that point at them."""
    seen = {"first_seen": MORNING, "last_seen": MORNING}
    profile = Profile.objects.create(
        organization_id=organization.id, kind=kind, **{**seen, **fields}
    )
    for name in names:
        store_identifier(organization, profile, name)
    return profile


def store_identifier(
    organization: Organization, profile: Profile, name: Identifier, **fields: Any
) -> IdentifierRow:
    """Store an identifier of a person."""
    seen = {"first_seen": MORNING, "last_seen": MORNING}
    return IdentifierRow.objects.create(
        key=name.key(bytes(organization.secret)),
        organization_id=organization.id,
        kind=name.kind,
        value=name.value,
        profile=profile,
        home_id=profile.id,
        linked_at=MORNING,
        source_id=uuid4(),
        **{**seen, **fields},
    )


def store_merge(winner: Profile, loser: Profile, *moved: UUID, **fields: Any) -> Merge:
    """Store that a profile became part of another, and the keys that moved."""
    said = {"event_id": UUID(int=7), "source_id": UUID(int=8), "rule": "identified", "at": MORNING}
    return Merge.objects.create(
        organization_id=winner.organization_id,
        winner_id=winner.id,
        loser_id=loser.id,
        identifiers=list(moved),
        attributes_before={"winner": {}, "loser": {}},
        **{**said, **fields},
    )


def store_events(
    organization: Organization, *times: datetime, who: Identifier = COOKIE, **fields: Any
) -> list[UUID]:
    """Store events of one identifier at these times; return their ids."""
    events = [_event(organization, who, at, fields) for at in times]
    return [event.id for event in Event.objects.bulk_create(events)]


def store_tally(
    organization: Organization, hour: datetime, outcome: str, count: int, **fields: Any
) -> None:
    """Store one flush's count."""
    said = {"source_id": UUID(int=1), "door": "ingest", **fields}
    Tally.objects.create(
        organization_id=organization.id, hour=hour, outcome=outcome, count=count, **said
    )


def get(key: str, path: str, /, **params: str | int) -> Any:
    """GET a path with a key in X-API-Key."""
    return Client().get(path, params, headers={"X-API-Key": key})


def pages(key: str, path: str, /, **params: str | int) -> list[list[dict[str, Any]]]:
    """Follow `next` to the end; return the results of each page."""
    answer = get(key, path, **params).json()
    found = [answer["results"]]
    while answer["next"]:
        assert len(found) < 100, "the pages do not end"
        answer = get(key, answer["next"]).json()
        found.append(answer["results"])
    return found


def _event(
    organization: Organization, who: Identifier, at: datetime, fields: dict[str, Any]
) -> Event:
    said = {
        "id": uuid7_shaped(to_ms(at), secrets.token_bytes(10)),
        "actor_key": who.key(bytes(organization.secret)),
        "dialect": "cdp",
        "source_id": UUID(int=1),
        "kind": "track",
        "type": "track",
        "name": "Tested",
        "url": "",
        "occurred_at": at,
        "received_at": at,
        "context": {},
        "payload": {},
    }
    return Event(organization_id=organization.id, **{**said, **fields})
