"""What the ingest door is compared with: the same door without a store, and without group commit."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse
from rest_framework.request import Request

from ingest.dialects import cdp
from ingest.isolation import process_isolated
from ingest.record import Outcome, Record
from ingest.views import IngestView
from keystone import clock
from keystone.api import json_response


class _ComparedView(IngestView):
    def post(self, request: Request) -> HttpResponse:
        body = self.parse(request)
        outcomes = self.outcomes([item for item in body.items if isinstance(item, Record)])
        answer = cdp.answer(body.items, outcomes, public=request.auth.public, single=body.single)
        return json_response(answer[1], answer[0])

    def outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        raise NotImplementedError


class FloorView(_ComparedView):
    """Authenticates, parses and answers; stores nothing. What is left of it is the pipeline."""

    def outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        return [Outcome(status="stored", event_id=each.source.key_id) for each in records]


class SingleView(_ComparedView):
    """One transaction a request, in the request's thread, on a connection that the thread keeps."""

    def outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        results = process_isolated(records, clock.now())
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [result for result in results if isinstance(result, Outcome)]
