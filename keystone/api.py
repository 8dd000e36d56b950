"""How every door and read route of Keystone speaks: JSON out, and one shape for all refusals.

`{"detail": text, "code": machine word, "errors": [{"loc": […], "code", "message"}]}`
(keystone.md §2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.views import defaults
from rest_framework import exceptions
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from keystone import clock, metrics

#: Paths that take data in: CORS headers on every answer, and nothing but the door in their way.
DOOR_PATHS = re.compile(settings.CORS_URLS_REGEX)
#: What people look at with a browser gets Django's own error pages.
_PAGES = ("/admin/", "/static/")


class Refusal(exceptions.APIException):
    """A request that is answered with an error, on purpose.

    `errors` are the fields at fault, each encoding as `{"loc": […], "code", "message"}`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[object] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        Exception.__init__(self, detail)
        self.status_code, self.code, self.errors = status, code, errors
        self.detail = exceptions.ErrorDetail(detail, code)
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, object]:
        """The answer."""
        return {"detail": str(self.detail), "code": self.code, "errors": self.errors}


class Unavailable(Refusal):
    """PostgreSQL is away, hangs, or is too busy: come again."""

    def __init__(self, detail: str = "Come again in a moment.", *, retry_after: int = 1) -> None:
        super().__init__(503, "unavailable", detail, headers={"Retry-After": str(retry_after)})


def encode(data: object) -> bytes:
    """Write JSON; times in dicts and lists as `clock.iso` does, `msgspec.Raw` untouched."""
    return _ENCODER.encode(_with_iso_times(data))


def answer(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a read route."""
    return Response(data, status, headers=dict(headers or {}))


def json_response(
    data: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Answer a door, which has no use for DRF's rendering; its answers hold no times."""
    body = _ENCODER.encode(data)
    response = HttpResponse(body, content_type="application/json", status=status)
    # Without it granian sends the body in chunks.
    response.headers["Content-Length"] = str(len(body))
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def refusal_response(refusal: Refusal, door: str) -> HttpResponse:
    """Answer and count a refusal outside DRF."""
    metrics.refused(door, refusal.code)
    response = json_response(refusal.body, refusal.status_code, refusal.headers)
    if refusal.status_code == 503:  # an outage is said once, not by each of a thousand answers
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


class JsonRenderer(BaseRenderer):
    """DRF's way to `encode`."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: object,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; an answer without data (204) has none."""
        return b"" if data is None else encode(data)


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn every refusal, DRF's and Django's too, into Keystone's shape; None for what is a bug."""
    refusal = refusal_of(exc)
    if refusal is None:
        return None
    metrics.refused(getattr(context["view"], "door", "read"), refusal.code)
    return Response(refusal.body, refusal.status_code, headers=dict(refusal.headers))


def refusal_of(exc: Exception) -> Refusal | None:
    """Say in our own words what DRF, Django or a PostgreSQL that is away refuses."""
    if isinstance(exc, Refusal):
        return exc
    if isinstance(exc, _AWAY):
        return Unavailable()
    if isinstance(exc, exceptions.ValidationError):
        return Refusal(422, "invalid", "Some fields are wrong.", errors=_field_errors(exc.detail))
    if isinstance(exc, exceptions.Throttled):
        wait = str(int(getattr(exc, "wait", None) or 1))
        return Refusal(429, "too_many_requests", str(exc.detail), headers={"Retry-After": wait})
    for kind, status, code in _REFUSALS:
        if isinstance(exc, kind):
            return Refusal(status, code, _detail(exc, code))
    if isinstance(exc, exceptions.APIException):
        return Refusal(exc.status_code, str(exc.get_codes()), str(exc.detail))
    return None


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer where no route is (`handler404`)."""
    if request.path_info.startswith(_PAGES):
        return defaults.page_not_found(request, exception)
    return refusal_response(Refusal(404, "not_found", "Nothing is here."), "none")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer when our own code failed (`handler500`); Django has logged the traceback."""
    if request.path_info.startswith(_PAGES):
        return defaults.server_error(request)
    failed = Refusal(500, "server_error", "Keystone failed; its log says why.")
    return refusal_response(failed, "none")


#: As Django wraps them, and as a raw cursor (`keystone.db`) raises them.
_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)

#: The first that fits. Two 404s and two 403s: Django's own and DRF's.
_REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (exceptions.ParseError, 400, "invalid_json"),
    (exceptions.NotAuthenticated, 401, "unauthorized"),
    (exceptions.AuthenticationFailed, 401, "unauthorized"),
    (exceptions.PermissionDenied, 403, "forbidden"),
    (PermissionDenied, 403, "forbidden"),
    (exceptions.NotFound, 404, "not_found"),
    (Http404, 404, "not_found"),
    (exceptions.MethodNotAllowed, 405, "method_not_allowed"),
    (exceptions.NotAcceptable, 406, "not_acceptable"),
    (RequestDataTooBig, 413, "body_too_large"),
    (exceptions.UnsupportedMediaType, 415, "unsupported_media_type"),
)


def _detail(exc: Exception, code: str) -> str:
    # Another organization's row and no row at all must read the same (DESIGN §2, promise 8):
    # Django's own 404 names the model.
    return "Nothing is here." if code == "not_found" else str(getattr(exc, "detail", exc) or code)


def _field_errors(detail: object, loc: tuple[str | int, ...] = ()) -> list[dict[str, object]]:
    if isinstance(detail, dict):
        nested = [_field_errors(each, (*loc, str(name))) for name, each in detail.items()]
        return [error for errors in nested for error in errors]
    return list(_flat_errors(detail, loc)) if isinstance(detail, list) else []


def _flat_errors(detail: list[object], loc: tuple[str | int, ...]) -> Iterator[dict[str, object]]:
    for index, each in enumerate(detail):
        if isinstance(each, dict):
            yield from _field_errors(each, (*loc, index))
        else:
            yield {"loc": loc, "code": getattr(each, "code", "invalid"), "message": str(each)}


def _with_iso_times(data: object) -> object:
    # msgspec writes times itself, with microseconds, and asks no hook.
    if isinstance(data, dict):
        return {name: _with_iso_times(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_with_iso_times(value) for value in data]
    return clock.iso(data) if isinstance(data, datetime) else data


def _other(value: object) -> str:
    if isinstance(value, Promise):  # Django's lazy texts
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_other)
