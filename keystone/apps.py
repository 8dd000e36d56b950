from __future__ import annotations

from django.apps import AppConfig


class KeystoneConfig(AppConfig):
    """The ground app."""

    name = "keystone"
    verbose_name = "Organizations and keys"
