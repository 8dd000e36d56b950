"""The read routes about people, under `/v1/profiles/`."""

from __future__ import annotations

from django.urls import path

from keystone.people.views import ProfileByIdentifierView, ProfileEventsView, ProfileView

urlpatterns = [
    # A value may contain anything, slashes too.
    path("by/<str:kind>/<path:value>", ProfileByIdentifierView.as_view()),
    path("<str:profile_id>", ProfileView.as_view()),
    path("<str:profile_id>/events", ProfileEventsView.as_view()),
]
