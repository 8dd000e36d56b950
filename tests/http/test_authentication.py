"""Who may come in at a door and at a read route, and how each refusal is said."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keystone import clock
from keystone.api import Refusal, json_response
from keystone.body import read_body
from keystone.doors import Door
from keystone.keys.create import KeyRefused, create_key
from keystone.keys.format import new_key
from keystone.keys.ring import ring
from keystone.models import ApiKey, Organization

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 1500, tzinfo=clock.EPOCH.tzinfo)
NewKey = Callable[..., str]


class Echo(Door):
    door = "echo"

    def post(self, request: Request) -> HttpResponse:
        body = self.body(request)
        if body == b"fail":
            raise RuntimeError("a bug")
        organization = str(request.auth.organization_id)
        return json_response({"organization": organization, "size": len(body)})


class Form(serializers.Serializer):
    address = serializers.DictField(child=serializers.IntegerField())


class Reading(APIView):
    def get(self, request: Request, what: str) -> Response:
        if what == "away":
            raise OperationalError("server closed the connection")
        if what == "nothing":
            raise Http404("No Profile matches the given query.")
        raw = msgspec.Raw(b'{"price": 19.90}')
        return Response({"at": [MOMENT], "organization": request.auth.organization_id, "raw": raw})

    def post(self, request: Request, what: str) -> Response:
        Form(data=request.data).is_valid(raise_exception=True)
        return Response({}, 201)


urlpatterns = [path("ingest", Echo.as_view()), path("v1/<str:what>", Reading.as_view())]
handler404 = "keystone.api.not_found"
handler500 = "keystone.api.server_error"
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def new(organization: Organization) -> NewKey:
    def make(kind: str = "tracker", *scopes: str, **options: object) -> str:
        wanted = scopes or ("ingest",)
        _, raw = create_key(
            organization=organization, name="a key", kind=kind, scopes=wanted, **options
        )
        return raw

    return make


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def knock(client: Client, raw: str | None = None, url: str = "/ingest", **headers: str):
    given = {"X-API-Key": raw, **headers} if raw is not None else headers
    return client.post(url, b"{}", content_type="application/json", headers=given)


def read(client: Client, raw: str, what: str = "x", **headers: str):
    return client.get(f"/v1/{what}", headers={"X-API-Key": raw, **headers})


def code_of(response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"detail", "code", "errors"}
    return response.status_code, body["code"]


# --- keys ---------------------------------------------------------------------------------------


def test_the_organization_is_the_keys_own(
    client: Client, new: NewKey, organization: Organization
) -> None:
    response = knock(client, new())
    assert response.json() == {"organization": str(organization.id), "size": 2}


def test_a_key_that_does_not_count_gets_one_and_the_same_answer(
    client: Client, new: NewKey, organization: Organization
) -> None:
    key, revoked = create_key(
        organization=organization, name="old", kind="tracker", scopes=["ingest"]
    )
    ApiKey.objects.filter(id=key.id).update(revoked_at=clock.now())
    expired = new(expires_at=clock.now() - timedelta(seconds=1))
    tried = [None, "", "nonsense", new_key("tracker"), revoked, expired, new()[:-1] + "\xe9"]
    answers = {knock(client, raw).content for raw in tried}
    assert len(answers) == 1
    assert code_of(knock(client, None)) == (401, "unauthorized")


def test_a_401_names_the_scheme(client: Client) -> None:
    assert knock(client)["WWW-Authenticate"] == 'Bearer realm="keystone"'


def test_a_revoked_key_stops_working(client: Client, organization: Organization) -> None:
    key, raw = create_key(organization=organization, name="k", kind="tracker", scopes=["ingest"])
    assert knock(client, raw).status_code == 200
    ApiKey.objects.filter(id=key.id).update(revoked_at=clock.now())
    ring.forget()  # as 5 s of waiting would do
    assert knock(client, raw).status_code == 401


def test_a_public_key_may_stand_in_the_url_of_a_door(client: Client, new: NewKey) -> None:
    assert knock(client, url=f"/ingest?k={new()}").status_code == 200


def test_a_secret_key_in_a_url_is_refused(client: Client, new: NewKey) -> None:
    secret = new("integration")
    assert code_of(knock(client, url=f"/ingest?k={secret}")) == (401, "unauthorized")
    assert knock(client, secret).status_code == 200


def test_no_key_stands_in_the_url_of_a_read_route(client: Client, new: NewKey) -> None:
    assert client.get(f"/v1/x?k={new('crow', 'viewer')}").status_code == 401


def test_a_bearer_key_opens_read_routes_only(client: Client, new: NewKey) -> None:
    bearer = {"Authorization": f"Bearer {new('integration', 'viewer', 'ingest')}"}
    assert client.get("/v1/x", headers=bearer).status_code == 200
    assert knock(client, **bearer).status_code == 401


def test_a_key_without_the_scope_is_forbidden(client: Client, new: NewKey) -> None:
    assert code_of(knock(client, new("integration", "viewer"))) == (403, "forbidden")
    assert code_of(read(client, new())) == (403, "forbidden")


def test_an_admins_key_reads_but_takes_nothing_in(client: Client, new: NewKey) -> None:
    raw = new("integration", "admin")
    assert (read(client, raw).status_code, knock(client, raw).status_code) == (200, 403)


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
    client: Client, new: NewKey, origin: str | None, status: int
) -> None:
    raw = new(allowed_domains=["https://shop.example", "http://localhost:*"])
    headers = {} if origin is None else {"Origin": origin}
    response = knock(client, raw, **headers)
    assert response.status_code == status
    assert status == 200 or code_of(response) == (403, "origin_not_allowed")


def test_a_page_can_read_why_it_is_refused(client: Client, new: NewKey) -> None:
    origin = {"Origin": "https://evil.example"}
    for response in (
        knock(client, new(allowed_domains=["https://shop.example"]), **origin),
        knock(client, **origin),
        client.get("/ingest", headers=origin),
        client.post("/ingest", b"fail", content_type="text/plain", headers=origin),
    ):
        assert response.status_code >= 400
        assert response["Access-Control-Allow-Origin"] == "*"
        assert "Retry-After" in response["Access-Control-Expose-Headers"]


# --- making keys --------------------------------------------------------------------------------


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
    client: Client, organization: Organization
) -> None:
    out, err = io.StringIO(), io.StringIO()
    options = ["--org", str(organization.id), "--kind", "tracker", "--name", "shop"]
    call_command("create_key", *options, "--scope", "ingest", stdout=out, stderr=err)
    assert knock(client, out.getvalue().strip()).status_code == 200
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


# --- doors --------------------------------------------------------------------------------------


def test_a_door_answers_with_its_length(client: Client, new: NewKey) -> None:
    response = knock(client, new())
    assert response["Content-Length"] == str(len(response.content))
    assert response["Content-Type"] == "application/json"


def test_another_method_is_refused_before_the_key(client: Client) -> None:
    response = client.get("/ingest")
    assert code_of(response) == (405, "method_not_allowed")
    assert response["Allow"] == "POST, OPTIONS"


def test_a_plain_options_needs_no_key(client: Client) -> None:
    response = client.options("/ingest")
    assert (response.status_code, response["Allow"]) == (200, "POST, OPTIONS")


def test_a_preflight_is_remembered_for_a_day(client: Client) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    response = client.options("/ingest", headers=asked)
    assert response["Access-Control-Max-Age"] == "86400"


def test_a_door_asks_for_no_host_and_never_redirects(client: Client, new: NewKey, settings) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["keystone.example"], True
    assert knock(client, new(), Host="10.0.0.7").status_code == 200
    assert knock(client, new(), url="/ingest/").status_code != 200


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/xml;q=0", "nonsense", ""])
def test_accept_is_not_negotiated(client: Client, new: NewKey, accept: str) -> None:
    assert knock(client, new(), Accept=accept).status_code == 200


def test_a_bug_is_a_500_in_our_shape_and_logs_no_body(
    client: Client, new: NewKey, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.post(
        "/ingest", b"fail", content_type="text/plain", headers={"X-API-Key": new()}
    )
    assert code_of(response) == (500, "server_error")
    assert "a bug" in caplog.text
    assert "a bug" not in response.content.decode()


def send(client: Client, raw: str, body: bytes, content_type: str = "text/plain", **headers: str):
    given = {"X-API-Key": raw, **headers}
    return client.post("/ingest", body, content_type=content_type, headers=given)


def test_a_body_of_another_type_is_refused(client: Client, new: NewKey) -> None:
    response = send(client, new(), b"a=1", "application/x-www-form-urlencoded")
    assert code_of(response) == (415, "unsupported_media_type")


def test_gzip_is_inflated(client: Client, new: NewKey) -> None:
    packed = gzip.compress(b"x" * 1_000) + gzip.compress(b"y" * 24)
    response = send(client, new(), packed, **{"Content-Encoding": "gzip"})
    assert response.json()["size"] == 1_024


@pytest.mark.parametrize("size", [512 * 1024 + 1, 50_000_000])
def test_a_bomb_is_refused_at_the_bound(client: Client, new: NewKey, size: int) -> None:
    response = send(client, new(), gzip.compress(b"0" * size), **{"Content-Encoding": "gzip"})
    assert code_of(response) == (413, "body_too_large")


def test_a_body_at_the_bound_passes(client: Client, new: NewKey) -> None:
    full, raw = b"0" * 512 * 1024, new()
    assert send(client, raw, full).status_code == 200
    assert code_of(send(client, raw, full + b"0")) == (413, "body_too_large")
    assert send(client, raw, gzip.compress(full), **{"Content-Encoding": "gzip"}).status_code == 200


BROKEN_GZIP = {
    "empty": b"",
    "plain text": b"plain",
    "cut off": gzip.compress(b"x" * 100)[:-3],
    "something after it": gzip.compress(b"x") + b"rest",
    "thousands of empty members": gzip.compress(b"") * 5_000,
}


@pytest.mark.parametrize("broken", BROKEN_GZIP)
def test_broken_gzip_is_refused(client: Client, new: NewKey, broken: str) -> None:
    response = send(client, new(), BROKEN_GZIP[broken], **{"Content-Encoding": "gzip"})
    assert code_of(response) == (400, "invalid_gzip")


def test_another_encoding_is_refused(client: Client, new: NewKey) -> None:
    response = send(client, new(), b"{}", **{"Content-Encoding": "br"})
    assert code_of(response) == (415, "unsupported_media_type")
    assert response["Accept-Encoding"] == "gzip"


class Trickle(io.BytesIO):
    """A server's input that gives a little at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 3))


def request_with(body: bytes, **meta: object) -> HttpRequest:
    request = RequestFactory().post("/ingest")
    request.META.pop("CONTENT_LENGTH")
    request.META.update({"wsgi.input": Trickle(body), **meta})
    return request


def test_a_chunked_body_needs_no_length() -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert read_body(request_with(b"0123456789", **chunked), 10) == b"0123456789"
    with pytest.raises(Refusal, match="exceeds"):
        read_body(request_with(b"0123456789", **chunked), 9)


def test_a_server_that_cannot_say_where_a_body_ends_needs_a_length() -> None:
    with pytest.raises(Refusal) as refused:
        read_body(request_with(b"{}", HTTP_TRANSFER_ENCODING="chunked"), 10)
    assert (refused.value.status_code, refused.value.code) == (411, "length_required")


def test_a_body_that_was_cut_off_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        read_body(request_with(b'{"a": 1}', CONTENT_LENGTH="20"), 100)
    assert (refused.value.status_code, refused.value.code) == (400, "incomplete_body")


# --- read routes --------------------------------------------------------------------------------


def test_times_are_utc_with_milliseconds_and_raw_json_stays(
    client: Client, new: NewKey, organization: Organization
) -> None:
    content = read(client, new("integration", "viewer")).content.decode()
    expected = (
        f'{{"at":["2026-01-31T12:00:00.001Z"],"organization":"{organization.id}",'
        '"raw":{"price": 19.90}}'
    )
    assert content == expected


def test_a_404_does_not_say_what_is_missing(client: Client, new: NewKey) -> None:
    raw = new("integration", "viewer")
    assert code_of(read(client, raw, "nothing")) == (404, "not_found")
    assert "Profile" not in read(client, raw, "nothing").content.decode()


def test_an_unknown_route_is_a_404_in_our_shape(client: Client) -> None:
    assert code_of(client.get("/v2/anything")) == (404, "not_found")


def test_a_database_that_is_away_is_a_503(client: Client, new: NewKey) -> None:
    response = read(client, new("integration", "viewer"), "away")
    assert code_of(response) == (503, "unavailable")
    assert response["Retry-After"] == "1"


def test_fields_at_fault_are_named(client: Client, new: NewKey) -> None:
    response = client.post(
        "/v1/x",
        {"address": {"street": "no number"}},
        content_type="application/json",
        headers={"X-API-Key": new("integration", "viewer")},
    )
    assert code_of(response) == (422, "invalid")
    (error,) = response.json()["errors"]
    assert (error["loc"], error["code"]) == (["address", "street"], "invalid")


def test_a_read_route_refuses_in_our_shape_too(client: Client, new: NewKey) -> None:
    raw = new("integration", "viewer")
    headers = {"X-API-Key": raw}
    broken = client.post("/v1/x", b"{", content_type="application/json", headers=headers)
    form = client.post("/v1/x", b"a=1", content_type="text/csv", headers=headers)
    removed = client.delete("/v1/x", headers=headers)
    assert code_of(broken) == (400, "invalid_json")
    assert code_of(form) == (415, "unsupported_media_type")
    assert code_of(removed) == (405, "method_not_allowed")
    assert "GET" in removed["Allow"]
