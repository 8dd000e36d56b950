"""Bodies at a door: types, gzip, bounds, lengths."""

from __future__ import annotations

import gzip
import io

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory

from keystone.api import Refusal
from keystone.body import read_body
from tests.http.echo import NewKey, code_of, send

pytestmark = pytest.mark.urls("tests.http.echo")


def test_a_body_of_another_type_is_refused(caller: Client, new: NewKey) -> None:
    response = send(caller, new(), b"a=1", "application/x-www-form-urlencoded")
    assert code_of(response) == (415, "unsupported_media_type")


def test_gzip_is_inflated(caller: Client, new: NewKey) -> None:
    packed = gzip.compress(b"x" * 1_000) + gzip.compress(b"y" * 24)
    response = send(caller, new(), packed, **{"Content-Encoding": "gzip"})
    assert response.json()["size"] == 1_024


@pytest.mark.parametrize("size", [512 * 1024 + 1, 50_000_000])
def test_a_bomb_is_refused_at_the_bound(caller: Client, new: NewKey, size: int) -> None:
    response = send(caller, new(), gzip.compress(b"0" * size), **{"Content-Encoding": "gzip"})
    assert code_of(response) == (413, "body_too_large")


def test_a_body_at_the_bound_passes(caller: Client, new: NewKey) -> None:
    full, raw = b"0" * 512 * 1024, new()
    assert send(caller, raw, full).status_code == 200
    assert code_of(send(caller, raw, full + b"0")) == (413, "body_too_large")
    assert send(caller, raw, gzip.compress(full), **{"Content-Encoding": "gzip"}).status_code == 200


BROKEN_GZIP = {
    "empty": b"",
    "plain text": b"plain",
    "cut off": gzip.compress(b"x" * 100)[:-3],
    "something after it": gzip.compress(b"x") + b"rest",
    "thousands of empty members": gzip.compress(b"") * 5_000,
}


@pytest.mark.parametrize("broken", BROKEN_GZIP)
def test_broken_gzip_is_refused(caller: Client, new: NewKey, broken: str) -> None:
    response = send(caller, new(), BROKEN_GZIP[broken], **{"Content-Encoding": "gzip"})
    assert code_of(response) == (400, "invalid_gzip")


def test_another_encoding_is_refused(caller: Client, new: NewKey) -> None:
    response = send(caller, new(), b"{}", **{"Content-Encoding": "br"})
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
