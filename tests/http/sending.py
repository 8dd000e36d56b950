"""Sends events to the doors as callers do, one by one or at once, and reads them back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from django.http import HttpResponse
from django.test import Client

from ingest.models import Event
from keystone.models import Organization
from tests.make import Keys, make_keys, make_organization

Answer = Any  # what Django's test client returns
T = TypeVar("T")


class Tenant(NamedTuple):
    """An organization and its keys."""

    organization: Organization
    keys: Keys

    def names(self) -> list[str]:
        """Return the names of its stored events, sorted."""
        events = Event.objects.filter(organization_id=self.organization.id)
        return sorted(events.values_list("name", flat=True))


def make_tenant() -> Tenant:
    """Make an organization with keys."""
    organization = make_organization()
    return Tenant(organization, make_keys(organization))


def event(**fields: Any) -> dict[str, Any]:
    """Return a track of a new visitor, with a message id of its own; a field None is left out."""
    said = {
        "anonymous_id": f"cookie-{uuid4()}",
        "event_type": "track",
        "event_name": "Seen",
        "message_id": str(uuid4()),
        **fields,
    }
    return {name: value for name, value in said.items() if value is not None}


def post(
    key: str | None,
    body: bytes | dict[str, Any],
    path: str = "/ingest",
    content_type: str = "application/json",
    **headers: str,
) -> Answer:
    """POST to a door; `idempotency_key="…"` becomes the header Idempotency-Key."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with_key = named if key is None else {"X-API-Key": key, **named}
    client = Client(raise_request_exception=False)
    return client.post(path, raw, content_type=content_type, headers=with_key)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make calls in as many threads, at the same moment; return what each returns."""
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        together.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def patiently(call: Callable[[], Answer], seconds: float = 5) -> Answer:
    """Call as clients do: again, while told so; fail if that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while (answer := call()).status_code == 503:
        assert time.monotonic() < deadline, "it does not come back by itself"
        time.sleep(0.05)
    return answer


def code_of(response: HttpResponse) -> tuple[int, str]:
    """Return status and machine word of a refusal, which has Keystone's one shape."""
    body = json.loads(response.content)
    assert set(body) == {"detail", "code", "errors"}, body
    assert body["detail"]
    assert response["Content-Type"] == "application/json"
    return response.status_code, body["code"]
