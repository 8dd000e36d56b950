from __future__ import annotations

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """What people did, as it came in."""

    name = "ingest"
    verbose_name = "What happened"
