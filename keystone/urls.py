"""Who answers which URL."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from keystone.health import healthz, metrics_view, readyz

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("ingest.urls")),
    path("", include("keystone.v1")),
    path("", RedirectView.as_view(pattern_name="admin:index")),  # whoever opens the bare address
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics_view),
]
handler404 = "keystone.api.not_found"
handler500 = "keystone.api.server_error"
