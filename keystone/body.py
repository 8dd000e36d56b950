"""Read the body of a request without ever holding more of it than is allowed."""

from __future__ import annotations

import zlib

from django.http import HttpRequest

from keystone.api import Refusal

_GZIP = 16 + zlib.MAX_WBITS
# A body of many empty members would cost us time out of all proportion to its size.
_MEMBERS_MAX = 100


def read_body(request: HttpRequest, limit_bytes: int) -> bytes:
    """Return the raw body, inflated if it is gzip; at most `limit_bytes` either way.

    A chunked body needs no length: the server says where it ends (`wsgi.input_terminated`).
    Raises `Refusal`: 413 body_too_large, 400 incomplete_body or invalid_gzip, 411
    length_required (a server that cannot say where the body ends), 415 for other encodings.
    """
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise Refusal(
            415,
            "unsupported_media_type",
            f"Content-Encoding {encoding[:40]!r} is not understood; gzip is.",
            headers={"Accept-Encoding": "gzip"},
        )
    raw = _read(request, limit_bytes)
    return inflate(raw, limit_bytes) if encoding.endswith("gzip") else raw


def inflate(raw: bytes, limit_bytes: int) -> bytes:
    """Inflate gzip, of several members too; raises `Refusal` for a broken or a larger one.

    >>> import gzip
    >>> inflate(gzip.compress(b"one ") + gzip.compress(b"two"), 7)
    b'one two'
    """
    parts: list[bytes] = []
    left = limit_bytes
    for _ in range(_MEMBERS_MAX):
        part, raw = _inflate_member(raw, left)
        if len(part) > left:
            raise _too_large(limit_bytes)
        parts.append(part)
        left -= len(part)
        if not raw:
            return b"".join(parts)
    raise _broken_gzip()


def _inflate_member(raw: bytes, left: int) -> tuple[bytes, bytes]:
    """Return the first member's content, cut at `left` + 1 bytes, and what follows it."""
    member = zlib.decompressobj(_GZIP)
    try:
        # One byte more than is allowed tells "full" from "too much".
        content = member.decompress(raw, left + 1)
    except zlib.error:
        raise _broken_gzip() from None
    if not member.eof and len(content) <= left:
        raise _broken_gzip()
    return content, member.unused_data


def _read(request: HttpRequest, limit_bytes: int) -> bytes:
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared:
        length = int(declared) if declared.isdecimal() else 0
        if length > limit_bytes:
            raise _too_large(limit_bytes)
        return _exactly(request, length)
    if not request.META.get("HTTP_TRANSFER_ENCODING"):
        return b""
    if not request.META.get("wsgi.input_terminated"):
        raise Refusal(411, "length_required", "Send a Content-Length.")
    body = _up_to(request, limit_bytes + 1)
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


def _exactly(request: HttpRequest, length: int) -> bytes:
    body = _up_to(request, length)
    if len(body) < length:
        raise Refusal(400, "incomplete_body", "The body ended before its Content-Length.")
    return body


def _up_to(request: HttpRequest, length: int) -> bytes:
    """Read from the server itself: Django's stream takes no body without a Content-Length."""
    parts: list[bytes] = []
    while length and (part := request.META["wsgi.input"].read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _broken_gzip() -> Refusal:
    return Refusal(400, "invalid_gzip", "The body is not complete gzip.")


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(413, "body_too_large", f"The body exceeds {limit_bytes} bytes.")
