"""The demo organization: what a newcomer can send events to a minute after the first start."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth import get_user_model

from keystone.keys.create import create_key
from keystone.keys.format import digest
from keystone.models import ApiKey, Application, Organization

_NAME, _SHOP, _ADMIN = "Demo", "Demo shop", "admin"


class _Key(NamedTuple):
    variable: str
    name: str
    kind: ApiKey.Kind
    scopes: tuple[str, ...]


_KEYS = (
    _Key("KEYSTONE_TRACKER_KEY", "Demo tracker", ApiKey.Kind.TRACKER, ("ingest",)),
    _Key(
        "KEYSTONE_INTEGRATION_KEY",
        "Demo integration",
        ApiKey.Kind.INTEGRATION,
        ("ingest", "viewer"),
    ),
    _Key(
        "KEYSTONE_ADMIN_API_KEY",
        "Demo admin API",
        ApiKey.Kind.INTEGRATION,
        ("ingest", "viewer", "editor", "admin"),
    ),
    _Key("KEYSTONE_CROW_KEY", "Demo CROW SDK", ApiKey.Kind.CROW, ("ingest", "viewer")),
    _Key("KEYSTONE_SEGMENT_WRITE_KEY", "Demo Segment SDK", ApiKey.Kind.TRACKER, ("ingest",)),
)


def make(known: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Make what is missing of the demo and return the variables of `var/dev.env`.

    Raw keys and the password are known only when they are made: `known`, the variables of the
    last start, are kept as long as the database agrees; a key that nobody knows any more is
    revoked and replaced. A password that staff have changed stays theirs (its variable is "").
    """
    organization = Organization.objects.filter(name=_NAME).order_by("id").first()
    organization = organization or Organization.objects.create(name=_NAME)
    shop, _ = Application.objects.get_or_create(
        organization=organization,
        name=_SHOP,
        defaults={"trusted_origins": ["http://localhost:*"]},
    )
    return {
        "KEYSTONE_ORG_ID": str(organization.id),
        **{key.variable: _raw(key, organization, known, now) for key in _KEYS},
        "KEYSTONE_CROCT_APP_ID": str(shop.id),
        "KEYSTONE_ADMIN_USER": _ADMIN,
        "KEYSTONE_ADMIN_PASSWORD": _password(known.get("KEYSTONE_ADMIN_PASSWORD")),
    }


def _raw(key: _Key, organization: Organization, known: Mapping[str, str], now: datetime) -> str:
    ours = ApiKey.objects.filter(organization=organization, name=key.name, revoked_at=None)
    raw = known.get(key.variable, "")
    if raw and ours.filter(digest=digest(raw)).exists():
        return raw
    ours.update(revoked_at=now)
    _, raw = create_key(organization=organization, name=key.name, kind=key.kind, scopes=key.scopes)
    return raw


def _password(known: str | None) -> str:
    """Return the admin's password where we know it. Only an admin without a known one gets it."""
    users = get_user_model().objects
    user = users.filter(username=_ADMIN).first()
    if user and known is not None:
        return known if known and user.check_password(known) else ""
    password = secrets.token_urlsafe(12)
    if user:
        user.set_password(password)
        user.save(update_fields=["password"])
    else:
        users.create_superuser(_ADMIN, password=password)
    return password


def read_variables(path: Path) -> dict[str, str]:
    """Read a file of NAME=value lines ({} where there is none)."""
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line)
