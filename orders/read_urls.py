"""The read routes about what people buy, under `/v1/`."""

from __future__ import annotations

from django.urls import path

from orders.read_views import OrderListView, OrderView, ProductListView, ProductView

urlpatterns = [
    path("orders", OrderListView.as_view()),
    # What shops call their orders and products may contain anything, slashes too.
    path("orders/<path:order_id>", OrderView.as_view()),
    path("products", ProductListView.as_view()),
    path("products/<path:product_id>", ProductView.as_view()),
]
