"""What happens to people through the pipeline, and how `GET /v1/explain` tells it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from ingest.isolation import process_isolated
from ingest.record import Outcome
from keystone import clock
from keystone.source import Source
from tests.http.stored import get
from tests.make import make_record

NOW = clock.now()
ANA, BOB = Identifier(EMAIL, "ana@example.com"), Identifier(EMAIL, "bob@example.com")
COOKIE = Identifier(ANONYMOUS_ID, "cookie-1")


def later(minutes: float) -> datetime:
    """Return a time so many minutes after NOW."""
    return NOW + timedelta(minutes=minutes)


def text(said: Identifier) -> str:
    """Write an identifier as a parameter."""
    return f"{said.kind}:{said.value}"


def happens(source: Source, *identifiers: Identifier, minutes: float = 0, **fields: Any) -> Outcome:
    """Let one event name these identifiers; return what came of it."""
    at = later(minutes)
    record = make_record(source, identifiers=identifiers, occurred_at=at, received_at=at, **fields)
    (outcome,) = process_isolated([record], at)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def asked(key: str, a: Identifier, b: Identifier) -> dict[str, Any]:
    """Ask whether two identifiers are one person."""
    answer = get(key, "/v1/explain", a=text(a), b=text(b))
    assert answer.status_code == 200, answer.content
    explained: dict[str, Any] = answer.json()
    return explained
