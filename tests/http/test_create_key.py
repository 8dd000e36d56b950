"""Making keys: by function and by command, and which must not be made."""

from __future__ import annotations

import io
import json
from datetime import datetime

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from keystone.keys.create import KeyRefused, create_key
from keystone.models import ApiKey, Organization
from tests.http.echo import knock

pytestmark = pytest.mark.urls("tests.http.echo")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"kind": "master"}, "kind"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["ingest", "root"]}, "scopes"),
        ({"scopes": ["viewer"]}, "scopes"),
        ({"kind": "crow", "scopes": ["editor"]}, "scopes"),
        ({"allowed_domains": ["https://shop.example/cart"]}, "allowed_domains"),
        ({"expires_at": datetime(2030, 1, 1)}, "expires_at"),  # noqa: DTZ001 - that is the fault
    ],
)
def test_a_key_that_must_not_be_made_says_which_field_is_wrong(
    organization: Organization, wrong: dict[str, object], field: str
) -> None:
    wanted = {"name": "k", "kind": "tracker", "scopes": ["ingest"], **wrong}
    with pytest.raises(KeyRefused) as refused:
        create_key(organization=organization, **wanted)
    assert refused.value.field == field


def test_the_raw_key_is_stored_nowhere(organization: Organization) -> None:
    key, raw = create_key(organization=organization, name="k", kind="crow", scopes=["viewer"])
    stored = json.dumps(ApiKey.objects.filter(id=key.id).values().get(), default=repr)
    assert raw not in stored
    assert key.display == f"{raw[:8]}…{raw[-4:]}"


def test_domains_are_stored_as_browsers_write_them(organization: Organization) -> None:
    domains = ["HTTPS://Shop.Example:443", "https://shop.example", "http://localhost:*"]
    key, _ = create_key(
        organization=organization,
        name="k",
        kind="tracker",
        scopes=["ingest"],
        allowed_domains=domains,
    )
    assert key.allowed_domains == ["https://shop.example", "http://localhost:*"]


def test_the_command_prints_the_key_and_nothing_else(
    caller: Client, organization: Organization
) -> None:
    out, err = io.StringIO(), io.StringIO()
    options = ["--org", str(organization.id), "--kind", "tracker", "--name", "shop"]
    call_command("create_key", *options, "--scope", "ingest", stdout=out, stderr=err)
    assert knock(caller, out.getvalue().strip()).status_code == 200
    assert organization.name in err.getvalue()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--org", "nobody's", "--scope", "ingest"], "No organization"),
        (["--scope", "ingest", "--domain", "shop.example"], "no origin"),
        (["--scope", "ingest", "--expires", "2001-01-01T00:00Z"], "over already"),
        (["--scope", "ingest", "--expires", "tomorrow"], "no time"),
        (["--scope", "root"], "invalid choice"),
    ],
)
def test_the_command_says_what_is_wrong(
    organization: Organization, options: list[str], said: str
) -> None:
    given = ["--kind", "tracker", "--name", "k", "--org", str(organization.id), *options]
    with pytest.raises(CommandError, match=said):
        call_command("create_key", *given)
