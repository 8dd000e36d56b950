"""A small site: one door and one read route, and the ways to call them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from django.db import OperationalError
from django.http import Http404, HttpResponse
from django.test import Client
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keystone import clock
from keystone.api import json_response
from keystone.doors import Door

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 1500, tzinfo=clock.EPOCH.tzinfo)
#: Makes a key of the test's organization and returns it raw: `new(kind, *scopes, **fields)`.
NewKey = Callable[..., str]
Answer = Any  # what Django's test client returns


class Echo(Door):
    """A door that says who has knocked and with how much; at the word "fail" it fails."""

    door = "echo"

    def post(self, request: Request) -> HttpResponse:
        body = self.body(request)
        if body == b"fail":
            raise RuntimeError("a bug")
        organization = str(request.auth.organization_id)
        return json_response({"organization": organization, "size": len(body)})


class Form(serializers.Serializer):
    """What `Reading` takes."""

    address = serializers.DictField(child=serializers.IntegerField())


class Reading(APIView):
    """A read route with every way to end."""

    def get(self, request: Request, what: str) -> Response:
        if what == "away":
            raise OperationalError("server closed the connection")
        if what == "nothing":
            raise Http404("No Profile matches the given query.")
        raw = msgspec.Raw(b'{"price": 19.90}')
        return Response({"at": [MOMENT], "organization": request.auth.organization_id, "raw": raw})

    def post(self, request: Request, what: str) -> Response:
        Form(data=request.data).is_valid(raise_exception=True)
        return Response({}, 201)


urlpatterns = [path("ingest", Echo.as_view()), path("v1/<str:what>", Reading.as_view())]
handler404 = "keystone.api.not_found"
handler500 = "keystone.api.server_error"


def send(
    caller: Client, raw: str, body: bytes, content_type: str = "text/plain", **headers: str
) -> Answer:
    given = {"X-API-Key": raw, **headers}
    return caller.post("/ingest", body, content_type=content_type, headers=given)


def knock(caller: Client, raw: str | None = None, url: str = "/ingest", **headers: str) -> Answer:
    given = {"X-API-Key": raw, **headers} if raw is not None else headers
    return caller.post(url, b"{}", content_type="application/json", headers=given)


def read(caller: Client, raw: str, what: str = "x", **headers: str) -> Answer:
    return caller.get(f"/v1/{what}", headers={"X-API-Key": raw, **headers})


def code_of(response: Answer) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"detail", "code", "errors"}
    return response.status_code, body["code"]
