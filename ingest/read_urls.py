"""The read routes about what came in, under `/v1/`."""

from __future__ import annotations

from django.urls import path

from ingest.read_views import EventListView, EventView, TallyView

urlpatterns = [
    path("events", EventListView.as_view()),
    path("events/<str:event_id>", EventView.as_view()),
    path("tally", TallyView.as_view()),
]
