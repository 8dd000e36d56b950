"""The doors: authenticate (`keystone.doors`), parse, store, answer."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from ingest.batcher import submit
from ingest.decoding import BadBody
from ingest.dialects import cdp
from ingest.record import Record
from keystone import clock
from keystone.api import Refusal, json_response
from keystone.doors import Door
from keystone.keys.authentication import source_of


class IngestView(Door):
    """`POST /ingest` and `/api/ingest`: one event or a tracker's flush (keystone.md §2)."""

    door = "ingest"

    def post(self, request: Request) -> HttpResponse:
        """Answer once everything acceptable in the body is committed."""
        body = self.parse(request)
        outcomes = submit([item for item in body.items if isinstance(item, Record)])
        status, answer = cdp.answer(
            body.items, outcomes, public=source_of(request).public, single=body.single
        )
        return json_response(answer, status)

    def parse(self, request: Request) -> cdp.Body:
        """Turn the request into records; raises `Refusal` for a body that is none."""
        try:
            return cdp.parse(
                self.body(request),
                source=source_of(request),
                door=self.door,
                received_at=clock.now(),
                idempotency_key=request.META.get("HTTP_IDEMPOTENCY_KEY"),
                user_agent=request.META.get("HTTP_USER_AGENT", ""),
            )
        except BadBody as bad:
            raise Refusal(bad.status, bad.code, bad.message, errors=bad.errors) from bad
