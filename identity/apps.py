from __future__ import annotations

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Who did it: identifiers, profiles, attributes, merges."""

    name = "identity"
    verbose_name = "People"
