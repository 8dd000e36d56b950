"""The pages about what people buy: orders, products, and when a cart counts as abandoned."""

from __future__ import annotations

from orders.admin import orders, policies, products

__all__ = ["orders", "policies", "products"]
