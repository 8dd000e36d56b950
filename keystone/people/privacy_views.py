"""The routes by which a person is erased, and everything about one is handed out."""

from __future__ import annotations

import msgspec
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from identity.identifiers import Identifier, Unusable, identifier
from keystone import clock
from keystone.api import JsonRenderer, Refusal
from keystone.deadline import deadline
from keystone.keys.authentication import MayAdmin, MayEdit, source_of
from keystone.openapi import ErrorAnswer, describe, describe_write, path
from keystone.people import erasures, export, tasks
from keystone.people.erasures import ErasureAnswer
from keystone.people.parameters import PROFILE_ID
from keystone.people.profiles import survivor
from keystone.reading import FieldError, ReadView, found, path_uuid
from keystone.source import Source
from keystone.writing import WriteView, body_of


class ErasureRequest(msgspec.Struct):
    """Who is to be erased: `kind:value` of any of their identifiers."""

    identifier: str


@describe_write(
    "erasePerson", ErasureAnswer, body=ErasureRequest, statuses="200 202", errors="400 404 422"
)
class ErasureRequestView(WriteView):
    """Erase a person everywhere.

    Everything under any of their identifiers goes, a moment later (202); what comes in about them
    from then on is dropped. Who asks again gets the same erasure (200).
    """

    permission_classes = [MayAdmin]
    tag = "privacy"

    def write(self, request: Request, source: Source) -> tuple[int, ErasureAnswer]:
        """Leave it to a worker."""
        named = _named(body_of(request, ErasureRequest).identifier)
        id_, is_new = found(erasures.request(source, named, clock.now()))
        if is_new:
            tasks.ring()
        return (202 if is_new else 200), found(erasures.by_id(source, id_))


@describe(
    "getErasure", ErasureAnswer, path("erasure_id", "An erasure.", OpenApiTypes.UUID), errors="404"
)
class ErasureView(ReadView):
    """The certificate of an erasure: how far it is, and how many rows it has erased in each place.

    It holds ids, times and counts, and nothing of the person. `completed`: all of it is gone.
    """

    permission_classes = [MayAdmin]
    tag = "privacy"

    def read(self, request: Request, source: Source, erasure_id: str) -> ErasureAnswer:
        """The certificate."""
        return found(erasures.by_id(source, path_uuid(erasure_id)))


class NdjsonRenderer(JsonRenderer):
    """For whoever asks for what an export is; refusals are then one line of it."""

    media_type = "application/x-ndjson"
    format = "ndjson"


class ExportView(APIView):
    """Everything about one person: one JSON object a line, and the counts in the last.

    The id of a profile that became part of another answers the survivor. `place` says what a line
    is; an answer without the line `end` was cut off.
    """

    permission_classes = [MayEdit]
    renderer_classes = [JsonRenderer, NdjsonRenderer]
    tag = "privacy"

    @extend_schema(
        operation_id="exportProfile",
        summary="Everything about one person",
        parameters=[PROFILE_ID],
        tags=[tag],
        responses={
            (200, NdjsonRenderer.media_type): OpenApiResponse(OpenApiTypes.STR, "Lines of JSON."),
            **{(status, "application/json"): ErrorAnswer for status in (401, 403, 404, 503)},
        },
    )
    def get(self, request: Request, profile_id: str) -> StreamingHttpResponse:
        """Begin to tell; the server sends what it gets, and no faster than it is taken."""
        with deadline(ReadView.seconds):
            person = found(survivor(source_of(request), path_uuid(profile_id)))
        headers = {
            "Content-Disposition": f'attachment; filename="person-{person}.ndjson"',
            "Cache-Control": "no-store",
        }
        return StreamingHttpResponse(
            export.lines(person), content_type=NdjsonRenderer.media_type, headers=headers
        )


def _named(text: str) -> Identifier:
    """Read kind:value; raises `Refusal` 422."""
    kind, _, value = text.partition(":")
    try:
        named = identifier(kind.strip(), value)
    except Unusable as fault:
        raise _unusable(fault.code, fault.message) from None
    if named is None:
        raise _unusable("empty", "kind:value, as email:ana@example.com")
    return named


def _unusable(code: str, message: str) -> Refusal:
    fault = FieldError(("identifier",), code, message)
    return Refusal(422, code, f"identifier: {message}", errors=[fault])
