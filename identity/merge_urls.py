"""The routes of merges by hand, under `/v1/`."""

from __future__ import annotations

from django.urls import path

from identity.merge_views import MergesView, MergeUndoView

urlpatterns = [
    path("merges", MergesView.as_view()),
    path("merges/<str:merge_id>/undo", MergeUndoView.as_view()),
]
