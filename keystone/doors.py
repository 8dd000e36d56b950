"""The lean base of every door, and the short way to it.

Django and DRF as they come cost 250 µs a request and more. A door needs of them the URL, the key
and the answer; what is left out stands here, each with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import HttpHeaders
from django.http.response import HttpResponseBase
from django.urls import resolve
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from keystone.api import JsonRenderer, Refusal, refusal_of, refusal_response
from keystone.body import read_body
from keystone.keys.authentication import ApiKeyAuthentication, MayIngest

#: The doors, and what monitors ask for by bare address.
_SHORT_WAY = re.compile(rf"{settings.CORS_URLS_REGEX}|^/(?:healthz|readyz|metrics)$")


def is_door(path: str) -> bool:
    """Say whether a path takes data in, or tells monitors."""
    return _SHORT_WAY.match(path) is not None


class DoorMiddleware:
    """Call a door at once, without what serves people with browsers and sessions.

    Stands right below the CORS middleware, so that errors have CORS headers too: Django turns
    what is raised here into `handler404` or `handler500` before it goes up. No host check (a
    door builds no URL, a monitor asks by address), no redirect (it would lose the body).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a door; pass on everything else."""
        if not is_door(request.path_info):
            return self.get_response(request)
        request.headers = _Headers(request.META)
        request.resolver_match = match = _resolve(request.path_info, settings.ROOT_URLCONF)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return _rendered(response)


#: Doors are few and their paths short: remembering the way saves 6 µs.
_resolve = lru_cache(maxsize=256)(resolve)


class _Headers(HttpHeaders):
    """Looks a header up among the server's variables when it is asked for.

    The server mixes the whole process environment into every request, and the CORS middleware
    asks for one header: going through all of it costs 10 µs.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        """Return a header's text; raises KeyError."""
        value: str = self._environ[self.to_wsgi_name(name.replace("_", "-"))]
        return value

    @property
    def _store(self) -> dict[str, tuple[str, str]]:  # type: ignore[override]
        """All of them, for whoever goes through them."""
        return HttpHeaders(dict(self._environ))._store


def _rendered(response: HttpResponse) -> HttpResponse:
    """Do what Django's handler would have done; granian needs the length to send one piece."""
    render = getattr(response, "render", None)
    response = render() if render is not None else response
    if "Content-Length" not in response.headers:
        response.headers["Content-Length"] = str(len(response.content))
    return response


class _NoNegotiation(BaseContentNegotiation):
    """A door has one answer, whatever `Accept` says: SDKs send anything there."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> None:
        """No parser: doors read the raw body."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Take the only one."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class Door(APIView):
    """An endpoint that takes data in. A subclass defines `post`, which answers an HttpResponse.

    Refusals raised anywhere in it are answered and counted here.
    """

    #: The name in tallies, metrics and the failed-event inbox.
    door: ClassVar[str] = "door"
    #: The largest body, inflated.
    body_limit_bytes: ClassVar[int] = 512 * 1024
    #: A beacon can set no content type of its own but text/plain; "" is none at all.
    media_types: ClassVar[frozenset[str]] = frozenset({"application/json", "text/plain", ""})
    #: Browsers' beacons cannot set headers: may a public key come as `?k=`?
    key_in_query = True
    key_as_bearer = False

    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [MayIngest]
    throttle_classes = []
    parser_classes = []
    renderer_classes = [JsonRenderer]
    content_negotiation_class = _NoNegotiation
    schema = None
    http_method_names = ["post", "options"]

    # Made once a class, not once a request: they hold no state.
    _authenticators: ClassVar[list[BaseAuthentication]]
    _permissions: ClassVar[list[Any]]  # the stubs have no public name for what these are
    _negotiator: ClassVar[BaseContentNegotiation] = _NoNegotiation()

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        cls._authenticators = [each() for each in cls.authentication_classes]
        cls._permissions = [each() for each in cls.permission_classes]

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Answer one request: method, key, scope, then the door itself.

        The method comes first: 405 needs no key. DRF's own dispatch would also negotiate,
        look for a version and throttles, and rebuild default headers, for nothing.
        """
        try:
            handler = self._handler(request)
            if request.method == "OPTIONS":
                return handler(request)
            self.request = self.initialize_request(request, *args, **kwargs)
            return handler(self.request, *args, **kwargs)
        except Exception as exc:
            refusal = refusal_of(exc)
            if refusal is None:
                raise
            return refusal_response(refusal, self.door)

    def initialize_request(self, request: HttpRequest, *args: object, **kwargs: object) -> Request:
        """Wrap the request and prove who is calling."""
        wrapped = Request(
            request,
            authenticators=self._authenticators,
            negotiator=self._negotiator,
            parser_context={"view": self},
        )
        self.perform_authentication(wrapped)
        self.check_permissions(wrapped)
        return wrapped

    def get_permissions(self) -> list[Any]:
        """Return the shared ones."""
        return self._permissions

    def options(  # type: ignore[override]  # like every answer of a door, not DRF's Response
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponse:
        """Answer a plain OPTIONS; preflights end in the CORS middleware."""
        return HttpResponse(headers={"Allow": ", ".join(self.allowed_methods)})

    def body(self, request: Request) -> bytes:
        """Return the raw body; raises `Refusal` 413, 415, 400 (`read_body`)."""
        content_type = request._request.content_type
        if content_type not in self.media_types:
            raise Refusal(
                415, "unsupported_media_type", "Send application/json, or JSON as text/plain."
            )
        return read_body(request._request, self.body_limit_bytes)

    def _handler(self, request: HttpRequest) -> Callable[..., HttpResponse]:
        method = (request.method or "").lower()
        if method in self.http_method_names and (handler := getattr(self, method, None)):
            return handler  # type: ignore[no-any-return]
        allowed = ", ".join(self.allowed_methods)
        raise Refusal(405, "method_not_allowed", f"Use {allowed} here.", headers={"Allow": allowed})
