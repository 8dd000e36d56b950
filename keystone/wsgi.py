"""What granian serves."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

from keystone import scheduling

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from django.http import HttpResponse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keystone.settings")
django.setup(set_prefix=False)

from keystone.doors import is_door  # noqa: E402 - needs the settings


class Handler(WSGIHandler):
    """Django's handler, without `request_started` and `request_finished` for the doors.

    Both look after this thread's database connections, of which a door has none: 25 µs.
    """

    def __call__(  # type: ignore[override]  # a list of bytes is all that WSGI asks for
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        if not is_door(environ.get("PATH_INFO", "")):
            return super().__call__(environ, start_response)
        response = cast("HttpResponse", self.get_response(self.request_class(environ)))
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, list(response.items()))
        return [response.content]


application = Handler()

scheduling.as_batch()
if settings.KEYSTONE_PIN_WORKERS:
    scheduling.on_one_processor()
scheduling.with_little_garbage_collection()
