"""What every route that changes something shares: its scope, its body, the way it answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, TypeVar

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keystone.api import Refusal, answer
from keystone.body import read_body
from keystone.deadline import deadline
from keystone.keys.authentication import MayEdit, source_of
from keystone.reading import FieldError

BODY_MAX = 65_536  # bytes

Body = TypeVar("Body", bound=msgspec.Struct)

# msgspec says where at the end: "Expected `str`, got `int` - at `$.winner`".
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


class WriteView(APIView):
    """A route that changes something. A subclass says in `write` what it does."""

    permission_classes = [MayEdit]
    #: The heading under which `/v1/docs/` shows it.
    tag: ClassVar[str]
    #: What takes longer is left to a worker.
    seconds: ClassVar[float] = 10.0

    #: `write(request, source, **path)` returns status and answer, or raises `Refusal`.
    write: Callable[..., tuple[int, msgspec.Struct]]

    def post(self, request: Request, **path: str) -> Response:
        """Answer what `write` returns."""
        source = source_of(request)
        with deadline(self.seconds):
            status, said = self.write(request, source, **path)
        return answer(said, status)


def body_of(request: Request, kind: type[Body]) -> Body:
    """Read a JSON body; raises `Refusal` 400 invalid_json, 413, 422 with the field at fault."""
    raw = read_body(request._request, BODY_MAX) or b"{}"
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "invalid_json", "The body is no JSON object.") from None


def _invalid(said: str) -> Refusal:
    place = _PLACE.search(said)
    path = tuple(place["path"].split(".")) if place and place["path"] else ()
    message = _PLACE.sub("", said)
    return Refusal(422, "invalid", message, errors=[FieldError(path, "invalid", message)])
