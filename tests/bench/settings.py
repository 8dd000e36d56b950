"""Settings of the measured server: Keystone's own, and two doors more that only a bench may open."""

from __future__ import annotations

from keystone.settings import *  # noqa: F403 - Django reads the names from this module
from keystone.settings import DATABASES

ROOT_URLCONF = "tests.bench.urls"
CORS_URLS_REGEX = r"^/(?:(?:api/)?ingest|bench/\w+)$"
# Request threads that store by themselves keep their connection; `/ingest` never asks for one.
DATABASES["default"]["CONN_MAX_AGE"] = None
