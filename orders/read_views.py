"""The read routes about what people buy: orders and products."""

from __future__ import annotations

from collections.abc import Collection

from rest_framework.request import Request

from keystone.api import Refusal
from keystone.openapi import PAGING, describe, path, query
from keystone.paging import limit_of, next_url, position_of
from keystone.reading import FieldError, ReadView, not_found, query_text
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
        order = read_orders.one(source, order_id)
        if order is None:
            raise not_found()
        return order


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
            status=_choice(request, "status", STATUSES),
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
        product = read_products.one(source, product_id)
        if product is None:
            raise not_found()
        return product


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
        skeleton = _choice(request, "skeleton", (_YES, _NO))
        products, position = read_products.of_organization(
            source,
            limit=limit_of(request),
            skeleton=None if skeleton is None else skeleton == _YES,
            after=position_of(request, Position),
        )
        return ProductPage(products, next_url(request, position))


def _choice(request: Request, name: str, choices: Collection[str]) -> str | None:
    """Return a parameter that is one of some words; raises `Refusal` 422."""
    text = query_text(request.query_params, name)
    if text is None or text in choices:
        return text
    fault = FieldError(("query", name), "invalid_choice", f"One of {', '.join(choices)}.")
    raise Refusal(422, fault.code, f"{name}: {fault.message}", errors=[fault])
