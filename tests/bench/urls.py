"""Keystone's routes, and the doors that the ingest door is compared with."""

from __future__ import annotations

from django.urls import include, path

from keystone.urls import handler404, handler500
from tests.bench.doors import FloorView, SingleView

__all__ = ["handler404", "handler500", "urlpatterns"]

urlpatterns = [
    path("bench/floor", FloorView.as_view()),
    path("bench/single", SingleView.as_view()),
    path("", include("keystone.urls")),
]
