"""The doors. One view for several paths: what differs is data."""

from __future__ import annotations

from django.urls import path

from ingest.views import IngestView

urlpatterns = [
    path("ingest", IngestView.as_view()),
    path("api/ingest", IngestView.as_view()),
]
