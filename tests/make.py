"""What tests need, made with defaults: plain functions that really store."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import uuid4

from identity.identifiers import ANONYMOUS_ID, Identifier
from ingest.record import Record
from keystone import clock
from keystone.keys.create import create_key
from keystone.models import ApiKey, Organization
from keystone.source import Source

COOKIE = Identifier(ANONYMOUS_ID, "cookie-1")
_SCOPES = {"tracker": ("ingest",), "integration": ("ingest", "viewer"), "crow": ("ingest",)}


class Keys(NamedTuple):
    """Raw keys of one organization."""

    tracker: str
    integration: str
    admin: str
    crow: str


def make_organization(name: str = "Test") -> Organization:
    """Make a tenant. Its random secret keeps its identifiers apart from every other test's."""
    return Organization.objects.create(name=name)


def make_key(
    organization: Organization, kind: str = "integration", **fields: Any
) -> tuple[ApiKey, str]:
    """Make a key with the usual scopes of its kind; return it and its raw form."""
    given = {"name": f"Test {kind}", "scopes": _SCOPES[kind], **fields}
    return create_key(organization=organization, kind=kind, **given)


def make_keys(organization: Organization) -> Keys:
    """Make one key of each sort that callers hold; `admin` has every scope."""
    every = ("ingest", "viewer", "editor", "admin")
    return Keys(
        tracker=make_key(organization, "tracker")[1],
        integration=make_key(organization)[1],
        admin=make_key(organization, scopes=every)[1],
        crow=make_key(organization, "crow")[1],
    )


def make_source(
    organization: Organization | None = None, kind: str = "integration", **fields: Any
) -> Source:
    """Make a key and return what the door knows of its caller."""
    organization = organization or make_organization()
    key, _ = make_key(organization, kind, **fields)
    return Source(
        key_id=key.id,
        organization_id=organization.id,
        organization_secret=bytes(organization.secret),
        scopes=frozenset(key.scopes),
        public=kind != "integration",
        allowed_domains=frozenset(key.allowed_domains),
    )


def make_record(source: Source, **fields: Any) -> Record:
    """Make a record of one visitor, now, with a message id of its own.

    The client's clock says `occurred_at` unless `client_ms` is given (None: it had none).
    """
    now = clock.now()
    defaults: dict[str, Any] = {
        "door": "ingest",
        "dialect": "cdp",
        "kind": "track",
        "type": "track",
        "name": "Tested",
        "identifiers": (COOKIE,),
        "message_id": str(uuid4()),
        "occurred_at": now,
        "received_at": now,
        "client_ms": clock.to_ms(fields.get("occurred_at", now)),
    }
    return Record(source=source, **{**defaults, **fields})
