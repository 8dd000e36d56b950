"""What every door does, whatever it takes: methods, preflights, hosts, headers, bugs."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.http.echo import NewKey, code_of, knock

pytestmark = pytest.mark.urls("tests.http.echo")


def test_a_door_answers_with_its_length(caller: Client, new: NewKey) -> None:
    response = knock(caller, new())
    assert response["Content-Length"] == str(len(response.content))
    assert response["Content-Type"] == "application/json"


def test_another_method_is_refused_before_the_key(caller: Client) -> None:
    response = caller.get("/ingest")
    assert code_of(response) == (405, "method_not_allowed")
    assert response["Allow"] == "POST, OPTIONS"


def test_a_plain_options_needs_no_key(caller: Client) -> None:
    response = caller.options("/ingest")
    assert (response.status_code, response["Allow"]) == (200, "POST, OPTIONS")


def test_a_preflight_is_remembered_for_a_day(caller: Client) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    response = caller.options("/ingest", headers=asked)
    assert response["Access-Control-Max-Age"] == "86400"


def test_a_door_asks_for_no_host_and_never_redirects(caller: Client, new: NewKey, settings) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["keystone.example"], True
    assert knock(caller, new(), Host="10.0.0.7").status_code == 200
    assert knock(caller, new(), url="/ingest/").status_code != 200


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/xml;q=0", "nonsense", ""])
def test_accept_is_not_negotiated(caller: Client, new: NewKey, accept: str) -> None:
    assert knock(caller, new(), Accept=accept).status_code == 200


def test_a_bug_is_a_500_in_our_shape_and_logs_no_body(
    caller: Client, new: NewKey, caplog: pytest.LogCaptureFixture
) -> None:
    response = caller.post(
        "/ingest", b"fail", content_type="text/plain", headers={"X-API-Key": new()}
    )
    assert code_of(response) == (500, "server_error")
    assert "a bug" in caplog.text
    assert "a bug" not in response.content.decode()
