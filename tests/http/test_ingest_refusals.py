"""Every refusal of the door: its status, its word, where the fault is; and CORS on all of them."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from keystone import clock
from keystone.keys.format import new_key
from keystone.models import ApiKey
from tests.http.sending import Answer, Tenant, code_of, event, make_tenant, post
from tests.http.triggers import refusing
from tests.make import make_key

LIMIT = 512 * 1024
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture(scope="module")
def bound(tenant: Tenant) -> str:
    """A public key for the pages of one shop."""
    return make_key(tenant.organization, "tracker", allowed_domains=[SHOP])[1]


def large() -> dict[str, Any]:
    return event(payload={"text": "x" * LIMIT})


# --- who ----------------------------------------------------------------------------------------


def test_a_key_that_does_not_count_gets_one_answer_whatever_is_wrong(tenant: Tenant) -> None:
    revoked, old = make_key(tenant.organization)
    _, expired = make_key(tenant.organization, expires_at=clock.now() - timedelta(seconds=1))
    ApiKey.objects.filter(id=revoked.id).update(revoked_at=clock.now())
    keys = [None, "", "nonsense", tenant.keys.integration[:-1], new_key("tracker"), old, expired]
    answers = [post(key, event(), origin=SHOP) for key in keys]
    assert {code_of(answer) for answer in answers} == {(401, "unauthorized")}
    assert len({(answer.content, str(answer.headers)) for answer in answers}) == 1


def test_a_key_without_the_scope_is_told_so(tenant: Tenant) -> None:
    _, viewer = make_key(tenant.organization, scopes=["viewer"])
    assert code_of(post(viewer, event())) == (403, "forbidden")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://shop.example", SHOP])
def test_a_key_is_for_its_own_pages(bound: str, origin: str) -> None:
    response = post(bound, event(), origin=origin)
    if origin == SHOP:
        assert response.status_code == 200
    else:
        assert code_of(response) == (403, "origin_not_allowed")


def test_who_is_decided_before_what(tenant: Tenant) -> None:
    assert code_of(post(None, b"{", content_type="text/csv")) == (401, "unauthorized")


# --- what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"nonsense",
        b'{"anonymous_id": "a",}',
        b"{'event_type': 'track'}",
        b"\xff\xfe",
        b'{"event_name": "\xe9"}',
        b'{"batch": [',
        b'{"batch": [{"event_type": "track"}',
        b'{"a": 1} {"b": 2}',
    ],
)
def test_what_is_no_json_is_said(tenant: Tenant, body: bytes) -> None:
    assert code_of(post(tenant.keys.integration, body)) == (400, "invalid_json")


def test_broken_gzip_is_said(tenant: Tenant) -> None:
    for broken in (b"{}", gzip.compress(b"{}")[:-1], b""):
        response = post(tenant.keys.integration, broken, content_encoding="gzip")
        assert code_of(response) == (400, "invalid_gzip")


def test_a_large_body_is_refused_packed_or_not(tenant: Tenant) -> None:
    body = json.dumps(large()).encode()
    packed = post(tenant.keys.integration, gzip.compress(body), content_encoding="gzip")
    assert code_of(post(tenant.keys.integration, body)) == (413, "body_too_large")
    assert code_of(packed) == (413, "body_too_large")


def test_many_events_are_refused_as_a_whole(tenant: Tenant) -> None:
    many = {"batch": [event() for _ in range(501)]}
    assert code_of(post(tenant.keys.integration, many)) == (413, "too_many_items")


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data", "text/html", "application/xml"],
)
def test_another_type_of_body_is_refused(tenant: Tenant, content_type: str) -> None:
    response = post(tenant.keys.integration, b"a=1", content_type=content_type)
    assert code_of(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_another_encoding_is_refused(tenant: Tenant, encoding: str) -> None:
    response = post(tenant.keys.integration, event(), content_encoding=encoding)
    assert code_of(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("fields", "loc", "code"),
    [
        ({"event_type": None}, ["event_type"], "missing"),
        ({"event_type": "click"}, ["event_type"], "unknown_value"),
        ({"event_name": None}, ["event_name"], "missing"),
        ({"event_name": "x" * 201}, ["event_name"], "too_long"),
        ({"anonymous_id": None}, ["anonymous_id"], "missing"),
        ({"anonymous_id": ""}, ["anonymous_id"], "missing"),
        ({"anonymous_id": "x" * 256}, ["anonymous_id"], "too_long"),
        ({"anonymous_id": 7}, ["anonymous_id"], "wrong_type"),
        ({"identity": True}, ["identity"], "wrong_type"),
        ({"identity": ["a"]}, ["identity"], "wrong_type"),
        ({"payload": [1]}, ["payload"], "wrong_type"),
        ({"attributes": "x"}, ["attributes"], "wrong_type"),
        ({"context": 1}, ["context"], "wrong_type"),
        ({"context": {"url": 1}}, ["context", "url"], "wrong_type"),
        ({"timestamp": "yesterday"}, ["timestamp"], "invalid_time"),
        ({"message_id": "x" * 101}, ["message_id"], "too_long"),
    ],
)
def test_a_bad_field_is_named(
    tenant: Tenant, fields: dict[str, Any], loc: list[str], code: str
) -> None:
    response = post(tenant.keys.integration, event(**fields))
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["loc"], error["code"], bool(error["message"])) == (loc, code, True)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"7", b"null", b"true"])
def test_json_that_is_no_event_is_a_422(tenant: Tenant, body: bytes) -> None:
    response = post(tenant.keys.integration, body)
    assert response.status_code == 422
    assert response.json()["errors"]


# --- for browsers -------------------------------------------------------------------------------

ANSWERS: dict[tuple[int, str], dict[str, Any]] = {
    (200, "processed"): {},
    (400, "invalid_json"): {"body": b"{"},
    (400, "invalid_gzip"): {"content_encoding": "gzip"},
    (401, "unauthorized"): {"who": "nobody"},
    (403, "forbidden"): {"who": "viewer"},
    (403, "origin_not_allowed"): {"who": "bound", "origin": "https://evil.example"},
    (413, "body_too_large"): {"body": large()},
    (413, "too_many_items"): {"body": {"batch": [{}] * 501}},
    (415, "unsupported_media_type"): {"content_type": "text/csv"},
    (422, "invalid_event"): {"body": {}},
    (422, "invalid_body"): {"body": {"batch": 1}},
    (422, "failed_event"): {"body": event(event_name="refused 22000")},
    (500, "server_error"): {"body": event(event_name="refused P0001")},
}


@pytest.fixture(scope="module")
def callers(tenant: Tenant, bound: str) -> dict[str, str | None]:
    viewer = make_key(tenant.organization, scopes=["viewer"])[1]
    return {"backend": tenant.keys.integration, "bound": bound, "viewer": viewer, "nobody": None}


def assert_readable(response: Answer) -> None:
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response
    exposed = response["Access-Control-Expose-Headers"]
    assert exposed.split(", ") == ["Retry-After", "X-Suspension-Reason"]


@pytest.mark.parametrize("path", ["/ingest", "/api/ingest"])
@pytest.mark.parametrize("said", ANSWERS, ids=str)
def test_a_page_can_read_every_answer(
    callers: dict[str, str | None], said: tuple[int, str], path: str
) -> None:
    options = {"body": event(), "origin": SHOP, **ANSWERS[said]}
    key, body = callers[options.pop("who", "backend")], options.pop("body")
    with refusing("event"):
        response = post(key, body, path, **options)
    answer = response.json()
    assert (response.status_code, answer.get("code", answer.get("status"))) == said
    assert_readable(response)


def test_a_page_can_read_that_it_is_to_come_again(tenant: Tenant, settings) -> None:
    settings.KEYSTONE_QUEUE_RECORDS = 0
    response = post(tenant.keys.integration, event(), origin=SHOP)
    assert code_of(response) == (503, "unavailable")
    assert response["Retry-After"] == "1"
    assert_readable(response)


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
def test_only_post_and_options_are_known(method: str) -> None:
    response = getattr(Client(), method)("/api/ingest", headers={"Origin": SHOP})
    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")
    assert_readable(response)


@pytest.mark.parametrize("path", ["/ingest", "/api/ingest"])
def test_a_preflight_needs_no_key_and_is_kept_for_a_day(path: str) -> None:
    headers = ["content-type", "content-encoding", "x-api-key", "idempotency-key"]
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(headers),
    }
    response = Client().options(path, headers=asked)
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Max-Age"] == "86400"
    assert set(headers) <= set(response["Access-Control-Allow-Headers"].split(", "))
    assert "POST" in response["Access-Control-Allow-Methods"]


def test_no_answer_sets_a_cookie(tenant: Tenant) -> None:
    assert not post(tenant.keys.integration, event(), origin=SHOP).cookies
