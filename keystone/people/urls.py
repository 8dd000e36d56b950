"""The read routes about people, under `/v1/profiles/`."""

from __future__ import annotations

from django.urls import path

from keystone.people.history_views import (
    ProfileEventsView,
    ProfileLineageView,
    ProfileMergesView,
    ProfileOrdersView,
)
from keystone.people.privacy_views import ExportView
from keystone.people.views import ProfileAttributesView, ProfileByIdentifierView, ProfileView

urlpatterns = [
    # A value may contain anything, slashes too.
    path("by/<str:kind>/<path:value>", ProfileByIdentifierView.as_view()),
    path("<str:profile_id>", ProfileView.as_view()),
    path("<str:profile_id>/attributes", ProfileAttributesView.as_view()),
    path("<str:profile_id>/events", ProfileEventsView.as_view()),
    path("<str:profile_id>/export", ExportView.as_view()),
    path("<str:profile_id>/lineage", ProfileLineageView.as_view()),
    path("<str:profile_id>/merges", ProfileMergesView.as_view()),
    path("<str:profile_id>/orders", ProfileOrdersView.as_view()),
]
