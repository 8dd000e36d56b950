"""How `/v1` describes itself: answers are msgspec structs, and their schema is made from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    Direction,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)

from keystone.paging import LIMIT_DEFAULT, LIMIT_MAX
from keystone.reading import FieldError, ReadView
from keystone.writing import WriteView

V = TypeVar("V", bound=type[ReadView])
W = TypeVar("W", bound=type[WriteView])


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Every refusal: a sentence, a machine word, and the fields at fault."""

    detail: str
    code: str
    errors: list[FieldError]


def query(
    name: str, text: str, kind: OpenApiTypes = OpenApiTypes.STR, **extra: int
) -> OpenApiParameter:
    """Describe a query parameter; `extra` goes into its schema."""
    schema = {**_SCHEMAS[kind], **extra}
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=text)


def path(name: str, text: str, kind: OpenApiTypes = OpenApiTypes.STR) -> OpenApiParameter:
    """Describe a parameter in the path."""
    return OpenApiParameter(name, kind, OpenApiParameter.PATH, description=text)


_SCHEMAS: dict[OpenApiTypes, dict[str, Any]] = {
    OpenApiTypes.STR: {"type": "string"},
    OpenApiTypes.INT: {"type": "integer"},
    OpenApiTypes.UUID: {"type": "string", "format": "uuid"},
    OpenApiTypes.DATETIME: {"type": "string", "format": "date-time"},
}

FROM = query("from", "Not before this time (event time).", OpenApiTypes.DATETIME)
TO = query("to", "Before this time (event time).", OpenApiTypes.DATETIME)
PAGING = (
    query(
        "limit",
        "Results on a page.",
        OpenApiTypes.INT,
        minimum=1,
        maximum=LIMIT_MAX,
        default=LIMIT_DEFAULT,
    ),
    query("cursor", "Where the last page ended: taken from its `next`."),
)

_STATUSES = {
    400: "The cursor is none of ours, or the body is no JSON.",
    401: "No valid key.",
    403: "The key lacks the scope, or is not for pages of this origin.",
    404: "Nothing is here, or it is another organization's.",
    409: "What is stored speaks against it; `code` says what.",
    413: "The body is too large.",
    422: "A parameter or field makes no sense; `errors` says which.",
    503: "PostgreSQL is away; come again.",
}


def describe(
    operation: str, answer: type[msgspec.Struct], *parameters: OpenApiParameter, errors: str = ""
) -> Callable[[V], V]:
    """Describe a `ReadView`: its operation id, its answer, its parameters.

    `errors`: the statuses it has besides 401, 403 and 503. The words are the view's docstring.
    """

    def described(view: V) -> V:
        schema = extend_schema(
            operation_id=operation,
            parameters=list(parameters),
            responses=_responses(answer, "200", errors),
            **_words(view),
        )
        return extend_schema_view(get=schema)(view)

    return described


def describe_write(
    operation: str,
    answer: type[msgspec.Struct],
    *parameters: OpenApiParameter,
    body: type[msgspec.Struct] | None = None,
    statuses: str = "200",
    errors: str = "",
) -> Callable[[W], W]:
    """Describe a `WriteView` as `describe` does; `statuses`: those that come with `answer`."""

    def described(view: W) -> W:
        schema = extend_schema(
            operation_id=operation,
            parameters=list(parameters),
            request={"application/json": body} if body else None,
            responses=_responses(answer, statuses, errors),
            **_words(view),
        )
        return extend_schema_view(post=schema)(view)

    return described


def _words(view: type[ReadView] | type[WriteView]) -> dict[str, Any]:
    summary, _, text = (inspect.getdoc(view) or "").partition("\n\n")
    return {"summary": summary.rstrip("."), "description": text or summary, "tags": [view.tag]}


def _responses(
    answer: type[msgspec.Struct], statuses: str, errors: str
) -> dict[int, OpenApiResponse]:
    refused = sorted({401, 403, 503, *map(int, errors.split())})
    said = OpenApiResponse(answer, inspect.getdoc(answer) or "")
    return {
        **{int(status): said for status in statuses.split()},
        **{status: OpenApiResponse(ErrorAnswer, _STATUSES[status]) for status in refused},
    }


def _component(name: str, schema: dict[str, Any]) -> ResolvedComponent:
    return ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, object=name)  # type: ignore[no-untyped-call]


class StructSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """The schema of an answer, and of what it consists of, made from its struct."""

    target_class = msgspec.Struct
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        """Name the component like the class."""
        return str(self.target.__name__)

    def get_identity(self, auto_schema: AutoSchema, direction: Direction) -> str:
        """One name, one struct: msgspec tells its parts by name only."""
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """Return the struct's own schema and register those it refers to."""
        _, schemas = msgspec.json.schema_components(
            [self.target], ref_template="#/components/schemas/{name}"
        )
        for name, schema in schemas.items():
            if name != self.target.__name__:
                auto_schema.registry.register_on_missing(_component(name, schema))
        return dict(schemas[self.target.__name__])


class KeySchema(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The key, in either of its two headers."""

    target_class = "keystone.keys.authentication.ApiKeyAuthentication"
    name = ["X-API-Key", "Bearer"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        """One of them is enough."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Both headers take a key with scope `viewer` or more."""
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "bearer"},
        ]
