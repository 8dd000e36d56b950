"""The read routes of identity itself, under `/v1/`."""

from __future__ import annotations

from django.urls import path

from identity.read_views import MergeView

urlpatterns = [path("merges/<str:merge_id>", MergeView.as_view())]
