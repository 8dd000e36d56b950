"""The read routes about what people buy: orders and products."""

from __future__ import annotations

from rest_framework.request import Request

from keystone.openapi import PAGING, describe, path, query
from keystone.paging import limit_of, next_url, position_of
from keystone.reading import ReadView, found, query_choice
from keystone.source import Source
from orders import read_orders, read_products
from orders.lifecycle import STATUSES
from orders.newest import Position
from orders.read_orders import OrderAnswer, OrderPage
from orders.read_products import ProductAnswer, ProductPage

_YES, _NO = "true", "false"


@describe("getOrder", OrderAnswer, path("order_id", "The shop's own id."), errors="404")
class OrderView(ReadView):
    """One order, by the shop's own id.

    Amounts are text, with two to four decimals. `profile_id` is who the identifier that made the
    order belongs to now; null once it is erased.
    """

    tag = "orders"

    def read(self, request: Request, source: Source, order_id: str) -> OrderAnswer:
        """The order."""
        return found(read_orders.one(source, order_id))


@describe(
    "listOrders",
    OrderPage,
    query("status", f"One of {', '.join(STATUSES)}."),
    *PAGING,
    errors="400 422",
)
class OrderListView(ReadView):
    """The organization's orders, those that were begun last first (event time)."""

    tag = "orders"

    def read(self, request: Request, source: Source) -> OrderPage:
        """One page."""
        orders, position = read_orders.of_organization(
            source,
            limit=limit_of(request),
            status=query_choice(request.query_params, "status", STATUSES),
            after=position_of(request, Position),
        )
        return OrderPage(orders, next_url(request, position))


@describe("getProduct", ProductAnswer, path("product_id", "The shop's own id."), errors="404")
class ProductView(ReadView):
    """One product, by the shop's own id.

    A skeleton is known from orders and carts only.
    """

    tag = "orders"

    def read(self, request: Request, source: Source, product_id: str) -> ProductAnswer:
        """The product."""
        return found(read_products.one(source, product_id))


@describe(
    "listProducts",
    ProductPage,
    query("skeleton", "true: only skeletons; false: none of them."),
    *PAGING,
    errors="400 422",
)
class ProductListView(ReadView):
    """The organization's products, those first seen last at the top (event time)."""

    tag = "orders"

    def read(self, request: Request, source: Source) -> ProductPage:
        """One page."""
        skeleton = query_choice(request.query_params, "skeleton", (_YES, _NO))
        products, position = read_products.of_organization(
            source,
            limit=limit_of(request),
            skeleton=None if skeleton is None else skeleton == _YES,
            after=position_of(request, Position),
        )
        return ProductPage(products, next_url(request, position))
