"""Who may come in at a door and at a read route, and from which pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from keystone import clock
from keystone.keys.create import create_key
from keystone.keys.format import new_key
from keystone.keys.ring import ring
from keystone.models import ApiKey, Organization
from tests.http.echo import NewKey, code_of, knock, read

pytestmark = pytest.mark.urls("tests.http.echo")


def test_the_organization_is_the_keys_own(
    caller: Client, new: NewKey, organization: Organization
) -> None:
    response = knock(caller, new())
    assert response.json() == {"organization": str(organization.id), "size": 2}


def test_a_key_that_does_not_count_gets_one_and_the_same_answer(
    caller: Client, new: NewKey, organization: Organization
) -> None:
    key, revoked = create_key(
        organization=organization, name="old", kind="tracker", scopes=["ingest"]
    )
    ApiKey.objects.filter(id=key.id).update(revoked_at=clock.now())
    expired = new(expires_at=clock.now() - timedelta(seconds=1))
    tried = [None, "", "nonsense", new_key("tracker"), revoked, expired, new()[:-1] + "\xe9"]
    answers = {knock(caller, raw).content for raw in tried}
    assert len(answers) == 1
    assert code_of(knock(caller, None)) == (401, "unauthorized")


def test_a_401_names_the_scheme(caller: Client) -> None:
    assert knock(caller)["WWW-Authenticate"] == 'Bearer realm="keystone"'


def test_a_revoked_key_stops_working(caller: Client, organization: Organization) -> None:
    key, raw = create_key(organization=organization, name="k", kind="tracker", scopes=["ingest"])
    assert knock(caller, raw).status_code == 200
    ApiKey.objects.filter(id=key.id).update(revoked_at=clock.now())
    ring.forget()  # as 5 s of waiting would do
    assert knock(caller, raw).status_code == 401


def test_a_public_key_may_stand_in_the_url_of_a_door(caller: Client, new: NewKey) -> None:
    assert knock(caller, url=f"/ingest?k={new()}").status_code == 200


def test_a_secret_key_in_a_url_is_refused(caller: Client, new: NewKey) -> None:
    secret = new("integration")
    assert code_of(knock(caller, url=f"/ingest?k={secret}")) == (401, "unauthorized")
    assert knock(caller, secret).status_code == 200


def test_no_key_stands_in_the_url_of_a_read_route(caller: Client, new: NewKey) -> None:
    assert caller.get(f"/v1/x?k={new('crow', 'viewer')}").status_code == 401


def test_a_bearer_key_opens_read_routes_only(caller: Client, new: NewKey) -> None:
    bearer = {"Authorization": f"Bearer {new('integration', 'viewer', 'ingest')}"}
    assert caller.get("/v1/x", headers=bearer).status_code == 200
    assert knock(caller, **bearer).status_code == 401


def test_a_key_without_the_scope_is_forbidden(caller: Client, new: NewKey) -> None:
    assert code_of(knock(caller, new("integration", "viewer"))) == (403, "forbidden")
    assert code_of(read(caller, new())) == (403, "forbidden")


def test_an_admins_key_reads_but_takes_nothing_in(caller: Client, new: NewKey) -> None:
    raw = new("integration", "admin")
    assert (read(caller, raw).status_code, knock(caller, raw).status_code) == (200, 403)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("https://shop.example", 200),
        ("https://shop.example:443", 200),
        ("http://localhost:5173", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_key_works_on_the_pages_it_is_for(
    caller: Client, new: NewKey, origin: str | None, status: int
) -> None:
    raw = new(allowed_domains=["https://shop.example", "http://localhost:*"])
    headers = {} if origin is None else {"Origin": origin}
    response = knock(caller, raw, **headers)
    assert response.status_code == status
    assert status == 200 or code_of(response) == (403, "origin_not_allowed")


def test_a_page_can_read_why_it_is_refused(caller: Client, new: NewKey) -> None:
    origin = {"Origin": "https://evil.example"}
    for response in (
        knock(caller, new(allowed_domains=["https://shop.example"]), **origin),
        knock(caller, **origin),
        caller.get("/ingest", headers=origin),
        caller.post("/ingest", b"fail", content_type="text/plain", headers=origin),
    ):
        assert response.status_code >= 400
        assert response["Access-Control-Allow-Origin"] == "*"
        assert "Retry-After" in response["Access-Control-Expose-Headers"]
