"""Callers with keys."""

from __future__ import annotations

import pytest
from django.test import Client

from keystone.models import Organization
from tests.http.echo import NewKey
from tests.make import make_key


@pytest.fixture
def new(organization: Organization) -> NewKey:
    def make(kind: str = "tracker", *scopes: str, **fields: object) -> str:
        return make_key(organization, kind, scopes=scopes or ("ingest",), **fields)[1]

    return make


@pytest.fixture
def caller() -> Client:
    """Like a caller from outside it is answered a 500 where our code fails."""
    return Client(raise_request_exception=False)
