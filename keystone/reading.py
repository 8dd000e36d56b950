"""What every read route shares: its parameters, its statements, the way it writes times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, TypeVar
from uuid import UUID

import msgspec
from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keystone.api import Refusal, answer
from keystone.db import Row
from keystone.deadline import deadline
from keystone.keys.authentication import source_of

#: A time as `clock.iso` writes it.
Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
#: A JSON object as PostgreSQL stores it: its numbers are not read, so they cannot be harmed.
JsonObject = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]

Query = Mapping[str, str]
T = TypeVar("T")


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: where, a machine word, a sentence."""

    loc: tuple[str | int, ...]
    code: str
    message: str


class ReadView(APIView):
    """A route that reads. A subclass says in `read` what it answers."""

    #: The heading under which `/v1/docs/` shows it.
    tag: ClassVar[str]
    #: A PostgreSQL that hangs must not hold the thread of a request for ever.
    seconds: ClassVar[float] = 5.0

    #: `read(request, source, **path)` returns the answer or raises `Refusal`.
    read: Callable[..., msgspec.Struct]

    def get(self, request: Request, **path: str) -> Response:
        """Answer what `read` returns."""
        source = source_of(request)
        with deadline(self.seconds):
            return answer(self.read(request, source, **path))


def select(sql: str, **params: object) -> list[Row]:
    """Run one statement of a read, outside any transaction."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)  # type: ignore[arg-type]  # the stubs know neither UUID nor list
        return list(cursor.fetchall())


def not_found() -> Refusal:
    """What does not exist and what is another organization's answer the same."""
    return Refusal(404, "not_found", "Nothing is here.")


def found(answer: T | None) -> T:
    """Return what was looked up; raises `Refusal` 404 where there is nothing."""
    if answer is None:
        raise not_found()
    return answer


def path_uuid(text: str) -> UUID:
    """Read an id in a path; what is no UUID is not found."""
    try:
        return UUID(text)
    except ValueError:
        raise not_found() from None


def query_text(query: Query, name: str) -> str | None:
    """Return a text parameter; empty counts as absent."""
    text = query.get(name) or None
    if text and "\0" in text:
        raise invalid(name, "invalid_text", "NUL is in no stored text.")
    return text


def query_uuid(query: Query, name: str) -> UUID | None:
    """Return an id; raises `Refusal` 422 for what is none."""
    text = query.get(name)
    try:
        return UUID(text) if text else None
    except ValueError:
        raise invalid(name, "invalid_uuid", "An id is a UUID.") from None


def query_int(query: Query, name: str, *, most: int) -> int | None:
    """Return a whole number from 1 to `most`; raises `Refusal` 422."""
    text = query.get(name)
    try:
        number = int(text) if text else None
    except ValueError:
        number = 0
    if number is not None and not 1 <= number <= most:
        raise invalid(name, "invalid_number", f"A whole number from 1 to {most}.")
    return number


def query_choice(query: Query, name: str, choices: Collection[str]) -> str | None:
    """Return a parameter that is one of some words; raises `Refusal` 422 for any other."""
    text = query_text(query, name)
    if text is None or text in choices:
        return text
    raise invalid(name, "invalid_choice", f"One of {', '.join(choices)}.")


def query_moment(query: Query, name: str) -> datetime | None:
    """Return a time in UTC; one without a zone is UTC, a date alone its midnight.

    Raises `Refusal` 422 for what is no ISO-8601 time.
    """
    text = query.get(name)
    try:
        said = datetime.fromisoformat(text) if text else None
        return said and (said if said.tzinfo else said.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(
            name, "invalid_time", "An ISO-8601 time, as 2026-11-21T09:30:00Z; + is written %2B."
        ) from None


def invalid(name: str, code: str, message: str) -> Refusal:
    """Return the 422 that says what is wrong with a parameter; `message` is a sentence."""
    fault = FieldError(("query", name), code, message)
    return Refusal(422, code, f"{name}: {message}", errors=[fault])
