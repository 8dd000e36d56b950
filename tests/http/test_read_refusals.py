"""What every read route does, whatever it reads: times, numbers, refusals."""

from __future__ import annotations

import pytest
from django.test import Client

from keystone.models import Organization
from tests.http.echo import NewKey, code_of, read

pytestmark = pytest.mark.urls("tests.http.echo")


def test_times_are_utc_with_milliseconds_and_raw_json_stays(
    caller: Client, new: NewKey, organization: Organization
) -> None:
    content = read(caller, new("integration", "viewer")).content.decode()
    expected = (
        f'{{"at":["2026-01-31T12:00:00.001Z"],"organization":"{organization.id}",'
        '"raw":{"price": 19.90}}'
    )
    assert content == expected


def test_a_404_does_not_say_what_is_missing(caller: Client, new: NewKey) -> None:
    raw = new("integration", "viewer")
    assert code_of(read(caller, raw, "nothing")) == (404, "not_found")
    assert "Profile" not in read(caller, raw, "nothing").content.decode()


def test_an_unknown_route_is_a_404_in_our_shape(caller: Client) -> None:
    assert code_of(caller.get("/v2/anything")) == (404, "not_found")


def test_a_database_that_is_away_is_a_503(caller: Client, new: NewKey) -> None:
    response = read(caller, new("integration", "viewer"), "away")
    assert code_of(response) == (503, "unavailable")
    assert response["Retry-After"] == "1"


def test_fields_at_fault_are_named(caller: Client, new: NewKey) -> None:
    response = caller.post(
        "/v1/x",
        {"address": {"street": "no number"}},
        content_type="application/json",
        headers={"X-API-Key": new("integration", "viewer")},
    )
    assert code_of(response) == (422, "invalid")
    (error,) = response.json()["errors"]
    assert (error["loc"], error["code"]) == (["address", "street"], "invalid")


def test_a_read_route_refuses_in_our_shape_too(caller: Client, new: NewKey) -> None:
    raw = new("integration", "viewer")
    headers = {"X-API-Key": raw}
    broken = caller.post("/v1/x", b"{", content_type="application/json", headers=headers)
    form = caller.post("/v1/x", b"a=1", content_type="text/csv", headers=headers)
    removed = caller.delete("/v1/x", headers=headers)
    assert code_of(broken) == (400, "invalid_json")
    assert code_of(form) == (415, "unsupported_media_type")
    assert code_of(removed) == (405, "method_not_allowed")
    assert "GET" in removed["Allow"]
