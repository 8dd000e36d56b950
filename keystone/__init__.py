"""The ground floor and the roof: organizations, keys, settings, URLs, the worker, the read API."""

from __future__ import annotations
