"""Who is calling, and may they: the API key of a request, its scopes and its origins.

A missing, unknown, malformed, expired or revoked key gets one and the same answer
(keystone.md §1), so that nobody learns which keys exist.
"""

from __future__ import annotations

from typing import cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from keystone import clock
from keystone.api import Refusal
from keystone.keys.format import kind_of
from keystone.keys.origins import is_allowed
from keystone.keys.ring import ring
from keystone.source import Source


class ApiKeyAuthentication(BaseAuthentication):
    """Set `request.auth` to the `Source` of the key; `request.user` is None.

    The key comes in `X-API-Key`, or as `Authorization: Bearer` unless the view says
    `key_as_bearer = False`; a public key also as `?k=` where it says `key_in_query = True`.
    """

    def authenticate(self, request: Request) -> tuple[None, Source]:
        """Find the caller. Raises `Refusal` 401 unauthorized, 403 origin_not_allowed, 503."""
        raw = raw_key(request)
        source = ring.find(raw, clock.now()) if raw else None
        if source is None:
            raise _unauthorized("A valid API key is needed, in the header X-API-Key.")
        check_origin(request, source)
        return None, source

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, as every 401 must."""
        return _SCHEME


def source_of(request: Request) -> Source:
    """Return who is calling; only after authentication, which refuses everybody else."""
    return cast("Source", request.auth)


def raw_key(request: Request) -> str | None:
    """Return the key a request carries. A secret one in the URL is refused: URLs are logged."""
    view = request.parser_context.get("view")
    raw: str | None = request.META.get("HTTP_X_API_KEY")
    if raw is None and getattr(view, "key_as_bearer", True):
        raw = _bearer(request)
    if raw is None and getattr(view, "key_in_query", False):
        raw = request.query_params.get("k")
        if raw and kind_of(raw) == "integration":
            raise _unauthorized("A secret key must not stand in a URL.")
    return raw


def check_origin(request: Request, source: Source) -> None:
    """Refuse pages that the key is not for. Servers send no Origin, and pass."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and not is_allowed(origin, source.allowed_domains):
        raise Refusal(403, "origin_not_allowed", "This key is not for pages of this origin.")


def _bearer(request: Request) -> str | None:
    scheme, _, raw = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return raw.strip() if scheme.lower() == "bearer" else None


_SCHEME = 'Bearer realm="keystone"'


def _unauthorized(detail: str) -> Refusal:
    return Refusal(401, "unauthorized", detail, headers={"WWW-Authenticate": _SCHEME})


class MayIngest(BasePermission):
    """Keys that take data in."""

    scope = "ingest"

    def has_permission(self, request: Request, view: object) -> bool:
        """Pass a key with the scope. Raises `Refusal` 403 forbidden otherwise."""
        source: object = request.auth
        if not (isinstance(source, Source) and source.may(self.scope)):
            raise Refusal(403, "forbidden", f"This key lacks the scope {self.scope}.")
        return True


class MayView(MayIngest):
    """Keys that read."""

    scope = "viewer"


class MayEdit(MayIngest):
    """Keys that change what is stored: undo, retry, export."""

    scope = "editor"


class MayAdmin(MayIngest):
    """Keys that make keys and erase people."""

    scope = "admin"
