"""The parameters that only routes about people have; what reads them raises `Refusal` 422."""

from __future__ import annotations

import msgspec
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from identity.identifiers import Identifier, Unusable, identifier
from identity.models import Profile
from keystone.openapi import path
from keystone.reading import invalid, query_choice, query_text

PROFILE_ID = path("profile_id", "A profile, merged away or not.", OpenApiTypes.UUID)


def kind_of(request: Request) -> str | None:
    """Return which kind of people is asked for, None for both."""
    return query_choice(request.query_params, "kind", Profile.Kind.values)


def path_of(request: Request) -> list[str]:
    """Return the path of an attribute, [] for none: with dots, or as a JSON list of its keys.

    `address.city`, or `["a.b","c"]` where a key has a dot in it.
    """
    text = query_text(request.query_params, "path")
    if text is None or not text.startswith("["):
        return text.split(".") if text else []
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, ValueError):
        said = 'Keys with dots between them, or a JSON list of keys: ["a.b","c"].'
        raise invalid("path", "invalid_path", said) from None


def identifier_of(request: Request, name: str) -> Identifier:
    """Return the identifier that a parameter names as kind:value, in normal form."""
    text = query_text(request.query_params, name) or ""
    kind, _, value = text.partition(":")
    try:
        said = identifier(kind.strip(), value)
    except Unusable as fault:
        raise invalid(name, "invalid_identifier", f"kind:value; {fault.message}.") from None
    if said is None:
        raise invalid(name, "invalid_identifier", "kind:value, as email:ana@example.com.")
    return said
