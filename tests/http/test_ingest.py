"""`POST /ingest` as its callers meet it: what is stored, what is answered, to whom."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from keystone import clock
from tests.http.sending import Tenant, event, make_tenant, post
from tests.http.stored import get

#: The specification's own example, "Basic Payload", letter by letter.
BASIC = """{
  "anonymous_id": "f5f1345d-...",
  "identity": "%s",
  "event_type": "track",
  "event_name": "Added to Cart",
  "payload": {
    "product_id": "P-1234",
    "price": 100.00
  }
}"""


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    """One for the whole file: each event here is of a visitor of its own."""
    return make_tenant()


@pytest.fixture(scope="module")
def stranger() -> Tenant:
    return make_tenant()


def read(tenant: Tenant, event_id: str) -> dict[str, Any]:
    answer = get(tenant.keys.integration, f"/v1/events/{event_id}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def person(tenant: Tenant, profile_id: str) -> dict[str, Any]:
    answer = get(tenant.keys.integration, f"/v1/profiles/{profile_id}")
    assert answer.status_code == 200, answer.content
    return answer.json()


# --- what is stored -----------------------------------------------------------------------------


@pytest.mark.parametrize("identity", ["ada@example.com", "[email\N{NO-BREAK SPACE}protected]"])
def test_the_specifications_own_payload_is_stored_as_it_says(identity: str) -> None:
    tenant = make_tenant()
    response = post(tenant.keys.integration, (BASIC % identity).encode())
    answer = response.json()
    assert (response.status_code, answer["status"]) == (200, "processed")
    assert answer["profile_type"] == "anchor"
    stored = read(tenant, answer["event_id"])
    assert (stored["kind"], stored["name"]) == ("track", "Added to Cart")
    assert stored["payload"] == {"product_id": "P-1234", "price": 100.0}


@pytest.mark.parametrize("path", ["/ingest", "/api/ingest"])
def test_both_paths_are_the_same_door(tenant: Tenant, path: str) -> None:
    message = event()
    first = post(tenant.keys.integration, message, path).json()
    again = post(tenant.keys.integration, message, "/ingest").json()
    assert (first["duplicate"], again["duplicate"]) == (False, True)


@pytest.mark.parametrize("path", ["/ingest/", "/api/ingest/", "/ingest//", "/INGEST"])
def test_no_path_redirects(tenant: Tenant, settings, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = False
    response = post(tenant.keys.integration, event(), path)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_an_https_installation_redirects_no_door(tenant: Tenant, settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert post(tenant.keys.integration, event(), "/api/ingest").status_code == 200


def test_what_is_answered_every_reader_sees(tenant: Tenant) -> None:
    at = clock.iso(clock.now() - timedelta(minutes=3))
    said = event(
        identity=f"{uuid4()}@example.com",
        event_name="Signed Up",
        timestamp=at,
        payload={"plan": "pro"},
        attributes={"city": "Chicago"},
        context={"url": "https://shop.example/a", "locale": "en"},
    )
    answer = post(tenant.keys.integration, said).json()
    stored, who = read(tenant, answer["event_id"]), person(tenant, answer["profile_id"])
    assert (stored["name"], stored["occurred_at"]) == ("Signed Up", at)
    assert (stored["payload"], stored["url"]) == ({"plan": "pro"}, "https://shop.example/a")
    assert who["attributes"] == {"city": "Chicago"}
    assert {each["value"] for each in who["identifiers"]} == {
        said["identity"],
        said["anonymous_id"],
    }


def test_every_field_of_the_answer_is_there(tenant: Tenant) -> None:
    answer = post(tenant.keys.integration, event()).json()
    assert {**answer, "event_id": "", "profile_id": ""} == {
        "status": "processed",
        "event_id": "",
        "profile_id": "",
        "profile_type": "shadow",
        "merged": False,
        "merge": None,
        "merged_profile_ids": [],
        "changes": 0,
        "order": None,
        "duplicate": False,
    }


def test_a_login_collapses_the_shadow_and_says_so(tenant: Tenant) -> None:
    key, said = tenant.keys.integration, event(attributes={"theme": "dark"})
    shadow = post(key, said).json()
    login = {**said, "identity": f"{uuid4()}@example.com", "message_id": str(uuid4())}
    anchor = post(key, {**login, "attributes": {"city": "Chicago"}}).json()
    assert (anchor["profile_type"], anchor["merged"], anchor["merge"]) == ("anchor", True, "done")
    assert anchor["merged_profile_ids"] == [shadow["profile_id"]]
    assert anchor["changes"] == 1
    who = person(tenant, shadow["profile_id"])
    assert who["id"] == anchor["profile_id"]
    assert who["attributes"] == {"theme": "dark", "city": "Chicago"}


def test_a_placeholder_is_nobody_and_the_answer_warns(tenant: Tenant) -> None:
    answer = post(tenant.keys.integration, event(identity="undefined")).json()
    assert answer["profile_type"] == "shadow"
    assert "identity" in answer["warnings"][0]


# --- again --------------------------------------------------------------------------------------


def test_the_same_message_again_answers_the_same_and_changes_nothing(tenant: Tenant) -> None:
    key = tenant.keys.integration
    said = event(identity=f"{uuid4()}@example.com", attributes={"visits": 1})
    first, again = post(key, said).json(), post(key, said).json()
    assert again == {**first, "duplicate": True, "changes": 0}
    newer = post(key, {**said, "message_id": str(uuid4()), "attributes": {"visits": 2}}).json()
    assert post(key, said).json() == again
    assert person(tenant, newer["profile_id"])["attributes"] == {"visits": 2}


def test_a_message_id_with_a_time_is_recognized_whatever_else_changed(tenant: Tenant) -> None:
    key, at = tenant.keys.integration, clock.iso(clock.now())
    said = event(timestamp=at, sent_at=at)
    first = post(key, said).json()
    again = post(key, {**said, "sent_at": clock.iso(clock.now()), "payload": {"n": 2}}).json()
    assert (again["event_id"], again["duplicate"]) == (first["event_id"], True)


def test_equal_content_with_a_time_is_the_same_message(tenant: Tenant) -> None:
    said = event(message_id=None, timestamp=clock.iso(clock.now()))
    first, again = (post(tenant.keys.integration, said).json() for _ in range(2))
    assert (again["event_id"], again["duplicate"]) == (first["event_id"], True)


def test_what_carries_neither_id_nor_time_is_stored_each_time(tenant: Tenant) -> None:
    said = event(message_id=None)
    answers = [post(tenant.keys.integration, said).json() for _ in range(2)]
    assert [answer["duplicate"] for answer in answers] == [False, False]


def test_the_header_names_the_message_too(tenant: Tenant) -> None:
    said, header = event(message_id=None), {"idempotency_key": str(uuid4())}
    first, again = (post(tenant.keys.integration, said, **header).json() for _ in range(2))
    assert (again["event_id"], again["duplicate"]) == (first["event_id"], True)


def test_header_and_field_are_one_name(tenant: Tenant) -> None:
    said = event()
    post(tenant.keys.integration, said)
    header = {"idempotency_key": said.pop("message_id")}
    assert post(tenant.keys.integration, said, **header).json()["duplicate"] is True


def test_two_keys_of_one_organization_send_the_same_message_once(tenant: Tenant) -> None:
    said = event()
    first = post(tenant.keys.tracker, said).json()
    again = post(tenant.keys.integration, said).json()
    assert (again["event_id"], again["duplicate"]) == (first["event_id"], True)


# --- public keys --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tracker", "crow"])
def test_a_public_key_learns_nothing_of_people(tenant: Tenant, kind: str) -> None:
    key = getattr(tenant.keys, kind)
    said = event(identity=f"{uuid4()}@example.com", attributes={"a": 1})
    for duplicate in (False, True):
        answer = post(key, said).json()
        assert set(answer) == {"status", "event_id", "duplicate"}
        assert (answer["status"], answer["duplicate"]) == ("processed", duplicate)


def test_a_public_key_learns_as_little_from_a_batch(tenant: Tenant) -> None:
    (result,) = post(tenant.keys.tracker, {"batch": [event()]}).json()["results"]
    assert set(result) == {"status", "event_id", "duplicate"}


def test_a_beacon_brings_its_key_in_the_url(tenant: Tenant) -> None:
    body = json.dumps(event()).encode()
    url = f"/api/ingest?k={tenant.keys.tracker}"
    beacon = post(None, body, url, "text/plain;charset=UTF-8", origin="https://shop.example")
    assert beacon.status_code == 200
    assert post(None, event(), f"/ingest?k={tenant.keys.integration}").status_code == 401


# --- other organizations ------------------------------------------------------------------------


def test_the_same_message_of_another_organization_is_another_event(
    tenant: Tenant, stranger: Tenant
) -> None:
    said = event(timestamp=clock.iso(clock.now()), identity="grace@example.com")
    ours = post(tenant.keys.integration, said).json()
    theirs = post(stranger.keys.integration, said).json()
    assert theirs["duplicate"] is False
    assert theirs["event_id"] != ours["event_id"]
    assert theirs["profile_id"] != ours["profile_id"]


def test_another_organization_sees_nothing(tenant: Tenant, stranger: Tenant) -> None:
    said = event(identity=f"{uuid4()}@example.com", event_name=f"Secret {uuid4()}")
    ours, key = post(tenant.keys.integration, said).json(), stranger.keys.integration
    for path, nowhere in (
        (f"events/{ours['event_id']}", f"events/{uuid4()}"),
        (f"profiles/{ours['profile_id']}", f"profiles/{uuid4()}"),
        (f"profiles/{ours['profile_id']}/events", f"profiles/{uuid4()}/events"),
        (f"profiles/by/email/{said['identity']}", "profiles/by/email/no@example.com"),
        (f"profiles/by/anonymous_id/{said['anonymous_id']}", "profiles/by/anonymous_id/x"),
    ):
        foreign, absent = get(key, f"/v1/{path}"), get(key, f"/v1/{nowhere}")
        assert (foreign.status_code, foreign.content) == (404, absent.content)
        assert get(tenant.keys.integration, f"/v1/{path}").status_code == 200
    listed = get(key, "/v1/events", name=said["event_name"]).json()
    assert listed["results"] == []


def test_a_body_names_no_organization(tenant: Tenant, stranger: Tenant) -> None:
    claimed = str(stranger.organization.id)
    said = event(organization_id=claimed, org_id=claimed, context={"org_id": claimed})
    answer = post(tenant.keys.integration, said).json()
    assert read(tenant, answer["event_id"])["id"] == answer["event_id"]


# --- counts -------------------------------------------------------------------------------------


def test_what_was_received_is_counted_and_what_was_refused_is_not() -> None:
    key, said = make_tenant().keys.integration, event()
    for body in (said, said, event(event_type="nonsense"), {"batch": [event(), {}, said]}, b"{"):
        post(key, body)
    (hour,) = get(key, "/v1/tally").json()["results"]
    counts = [hour[name] for name in ("door", "received", "stored", "duplicate", "failed")]
    assert counts == ["ingest", 4, 2, 2, 0]
