from __future__ import annotations

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """What people buy: orders, their lines, products."""

    name = "orders"
