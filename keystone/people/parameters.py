"""Reads the parameters that only routes about people have; each raises `Refusal` 422."""

from __future__ import annotations

import msgspec
from rest_framework.request import Request

from identity.identifiers import Identifier, Unusable, identifier
from identity.models import Profile
from keystone.api import Refusal
from keystone.reading import FieldError, query_text


def kind_of(request: Request) -> str | None:
    """Return which kind of people is asked for, None for both."""
    kind = query_text(request.query_params, "kind")
    if kind not in (None, *Profile.Kind.values):
        raise _invalid("kind", "invalid_choice", f"One of {', '.join(Profile.Kind.values)}.")
    return kind


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
        raise _invalid("path", "invalid_path", said) from None


def identifier_of(request: Request, name: str) -> Identifier:
    """Return the identifier that a parameter names as kind:value, in normal form."""
    text = query_text(request.query_params, name) or ""
    kind, _, value = text.partition(":")
    try:
        said = identifier(kind.strip(), value)
    except Unusable as fault:
        raise _invalid(name, "invalid_identifier", f"kind:value; {fault.message}.") from None
    if said is None:
        raise _invalid(name, "invalid_identifier", "kind:value, as email:ana@example.com.")
    return said


def _invalid(name: str, code: str, message: str) -> Refusal:
    fault = FieldError(("query", name), code, message)
    return Refusal(422, code, f"{name}: {message}", errors=[fault])
