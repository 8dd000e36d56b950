"""Orders against PostgreSQL: what events said of them, in whatever order and batches it came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from keystone.clock import from_ms
from keystone.db import ingest_transaction
from orders.apply import Effect, Fact, apply_facts
from orders.models import LineItem, Order, Product

NOON = from_ms(1_790_000_000_000)
ADA = uuid4()

pytestmark = pytest.mark.django_db


def fact(
    organization: UUID, minute: int, name: str, payload: Mapping[str, Any], **fields: Any
) -> Fact:
    given = {"kind": "track", "actor_key": ADA, "trusted": True, "event_id": uuid4(), **fields}
    return Fact(
        organization_id=organization,
        occurred_at=NOON + timedelta(minutes=minute),
        name=name,
        payload=json.dumps(payload).encode(),
        **given,
    )


def arrive(*facts: Fact) -> dict[UUID, Effect]:
    with ingest_transaction() as cursor:
        return apply_facts(cursor, facts, NOON)


def the_order(organization: UUID) -> Order:
    return Order.objects.get(organization_id=organization)


def lines_of(order: Order) -> list[tuple[str, Decimal]]:
    rows = LineItem.objects.filter(order_id=order.id).order_by("line")
    return [(row.external_id, row.quantity) for row in rows]


@pytest.fixture
def shop(organization) -> UUID:
    return organization.id


def test_a_cart_becomes_a_completed_order(shop: UUID) -> None:
    arrive(fact(shop, 0, "Product Added", {"order_id": "o1", "product_id": "p1", "price": 5}))
    done = arrive(fact(shop, 1, "Order Completed", {"order_id": "o1", "total": "19.90"}))
    order = the_order(shop)
    assert (order.status, order.total) == ("completed", Decimal("19.90"))
    assert lines_of(order) == [("p1", Decimal(1))]
    assert [each.status for each in done.values()] == ["completed"]


def test_a_late_cart_never_takes_a_completed_order_back(shop: UUID) -> None:
    arrive(fact(shop, 5, "Order Completed", {"order_id": 12, "products": [{"product_id": "p1"}]}))
    arrive(fact(shop, 1, "Cart Updated", {"order_id": 12, "products": [{"product_id": "p2"}]}))
    order = the_order(shop)
    assert order.status == "completed"
    assert lines_of(order) == [("p1", Decimal(1))]
    assert [step["status"] for step in order.state["history"]] == ["incomplete", "completed"]


def test_a_carts_history_becomes_the_orders(shop: UUID) -> None:
    said: Sequence[Fact] = [
        fact(shop, 0, "Product Added", {"cart_id": "c", "product_id": "p1"}),
        fact(shop, 1, "Product Added", {"cart_id": "c", "product_id": "p2", "quantity": 2}),
        fact(shop, 2, "Checkout Started", {"cart_id": "c", "order_id": "o"}),
        fact(shop, 3, "Product Added", {"cart_id": "c", "product_id": "next time"}),
    ]
    for each in (said[2], said[3], said[1], said[0]):
        arrive(each)
    order = the_order(shop)
    assert lines_of(order) == [("p1", Decimal(1)), ("p2", Decimal(2))]
    assert order.created_at == NOON


def test_lines_provision_skeletons_and_views_fill_them(shop: UUID) -> None:
    arrive(fact(shop, 1, "Order Completed", {"order_id": 1, "items": [{"sku": "s", "name": "Sho"}]}))
    assert Product.objects.get(organization_id=shop).is_skeleton
    arrive(fact(shop, 0, "Product Viewed", {"product_id": "s", "name": "Shoe", "brand": "B"}))
    arrive(fact(shop, 2, "Order Completed", {"order_id": 2, "items": [{"sku": "s", "name": "x"}]}))
    product = Product.objects.get(organization_id=shop)
    assert (product.is_skeleton, product.name, product.brand) == (False, "Shoe", "B")
