"""An organization with a row of everything that the admin shows, and people who look at it."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from django.contrib.admin import site
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import (
    AttributeChange,
    Erasure,
    IdentityPolicy,
    Merge,
    Profile,
    ProfileWork,
    Refusal,
)
from identity.models import Identifier as IdentifierRow
from ingest import failures
from ingest.models import Event, FailedEvent, Tally
from ingest.pipeline import process
from keystone import clock
from keystone.db import ingest_transaction
from keystone.models import ApiKey, Application, Membership, Organization
from keystone.source import Source
from keystone.staff.admin import StaffAdmin
from orders.models import Order, OrderPolicy, Product
from tests.http.bought import buy
from tests.make import make_key, make_organization, make_record

PAGES = [model for model, page in site._registry.items() if isinstance(page, StaffAdmin)]
BIG = [
    *(Profile, IdentifierRow, AttributeChange, Merge, Refusal, Erasure, ProfileWork),
    *(Event, FailedEvent, Tally, Order),
]


class House(NamedTuple):
    """`mark` is part of every name, value and attribute of this organization and no other."""

    organization: Organization
    mark: str
    raw: str  # its API key
    source: Source
    rows: dict[type[Model], Model]


def make_house() -> House:
    """Make an organization of which there is one row (or a few) on every page."""
    mark = secrets.token_hex(8)
    organization = make_organization(f"House {mark}")
    key, raw = make_key(organization, name=f"Key {mark}")
    source = Source(
        key_id=key.id,
        organization_id=organization.id,
        organization_secret=bytes(organization.secret),
        scopes=frozenset(key.scopes),
        public=False,
    )
    application = Application.objects.create(organization=organization, name=f"App {mark}")
    membership = Membership.objects.create(
        organization=organization, user=make_user(f"owner-{mark}"), role=Membership.Role.ADMIN
    )
    visit(source, mark)
    policy = IdentityPolicy.objects.create(
        organization=organization, blocked_values=[f"crm_id:{mark}"]
    )
    own = {"organization_id": organization.id}
    rows: dict[type[Model], Model] = {
        model: model._default_manager.filter(**own).order_by("-pk")[0] for model in BIG
    }
    rows |= {Organization: organization, ApiKey: key, Application: application}
    rows |= {IdentityPolicy: policy, Product: Product.objects.get(**own)}
    rows |= {OrderPolicy: OrderPolicy.objects.create(organization=organization)}
    rows |= {Membership: membership, IdentifierRow: IdentifierRow.objects.get(kind=EMAIL, **own)}
    rows |= {Profile: Profile.objects.get(merged_into=None, **own)}
    return House(organization, mark, raw, source, rows)


def visit(source: Source, mark: str) -> None:
    """Let a visitor look at a page and then say who they are; and let one record fail."""
    cookie, email = Identifier(ANONYMOUS_ID, f"c-{mark}"), Identifier(EMAIL, f"{mark}@example.com")
    now = clock.now()
    shared = {"url": f"https://{mark}.example/", "payload": f'{{"said": "{mark}"}}'.encode()}
    page = make_record(source, kind="page", identifiers=(cookie,), occurred_at=now, **shared)
    identify = make_record(
        source,
        kind="identify",
        name=f"Identify {mark}",
        identifiers=(email, cookie),
        attributes={"name": f"Ana {mark}", "city": "Rome"},
        occurred_at=now + timedelta(seconds=1),
        **shared,
    )
    failed = make_record(source, identifiers=(cookie,), raw=f'"{mark}"'.encode())
    with ingest_transaction() as cursor:
        process(cursor, [page, identify], now)
        failures.keep(cursor, failed, ValueError(mark), now)
    line = {"product_id": mark, "name": f"Shoe {mark}"}
    shop = Organization.objects.get(pk=source.organization_id)
    buy(shop, f"{mark}-{secrets.token_hex(4)}", who=cookie, products=[line])
    _decide(source, mark)


def _decide(source: Source, mark: str) -> None:
    """Leave something to decide, something to do and somebody who was erased."""
    own, now = {"organization_id": source.organization_id}, clock.now()
    (email,) = IdentifierRow.objects.filter(kind=EMAIL, value=f"{mark}@example.com", **own)
    refuse(email, other_key=uuid4(), other=f"phone:+{mark}")
    # Far away, so that no worker of another test does it.
    later = now + timedelta(days=365)
    ProfileWork.objects.create(
        kind="refold",
        profile_id=email.profile_id,
        by=f"staff {mark}",
        seen_at=now,
        created_at=now,
        next_attempt_at=later,
        **own,
    )
    Erasure.objects.create(
        identifier_key=uuid4(),
        profile_id=uuid4(),
        status="completed",
        requested_by=f"staff {mark}",
        requested_at=now,
        finished_at=now,
        next_attempt_at=now,
        counts={"event": 3},
        **own,
    )


def refuse(subject: IdentifierRow, **fields: Any) -> Refusal:
    """Suggest that an identifier and another one are of one person."""
    said = {
        "organization_id": subject.organization_id,
        "fingerprint": uuid4(),
        "reason": "limit",
        "suggestion": "open",
        "event_id": subject.event_id or uuid4(),
        "source_id": subject.source_id,
        "subject_key": subject.key,
        "subject": str(subject),
        "at": clock.now(),
    }
    return Refusal.objects.create(**{**said, **fields})


def make_user(name: str | None = None, **fields: Any) -> User:
    """Make a user who may log in to the admin."""
    name = name or f"user-{secrets.token_hex(8)}"
    return User.objects.create_user(name, password="right", **{"is_staff": True, **fields})


def make_client(user: User | None = None, **roles: Any) -> Client:
    """Log somebody in; `**{role: house}` makes them a member first."""
    user = user or make_user()
    for role, house in roles.items():
        Membership.objects.create(user=user, organization=house.organization, role=role)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def url(model: type[Model], view: str = "changelist", *args: object) -> str:
    """Return the address of a page."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def text(response: Any) -> str:
    """Return a page that must have been shown."""
    assert response.status_code == 200, response
    return str(response.content.decode())
