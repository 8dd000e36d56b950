"""`/v1/`: everything that reads, what it says of itself, and the page that shows it."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

import keystone.celery  # noqa: F401 - what these routes leave to a worker is rung for with this app
from keystone.people.privacy_views import ErasureRequestView, ErasureView
from keystone.people.views import ExplainView, ProfileListView

reads: list[URLPattern | URLResolver] = [
    path("v1/profiles", ProfileListView.as_view()),
    path("v1/profiles/", include("keystone.people.urls")),
    path("v1/explain", ExplainView.as_view()),
    path("v1/erasures", ErasureRequestView.as_view()),
    path("v1/erasures/<str:erasure_id>", ErasureView.as_view()),
    path("v1/", include("identity.read_urls")),
    path("v1/", include("identity.merge_urls")),
    path("v1/", include("ingest.read_urls")),
    path("v1/", include("orders.read_urls")),
]
urlpatterns: list[URLPattern | URLResolver] = [
    *reads,
    path("v1/schema/", SpectacularJSONAPIView.as_view(patterns=reads), name="schema"),
    # Split: its script is a file of ours, as the Content-Security-Policy asks.
    path("v1/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
]
