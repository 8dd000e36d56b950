"""Orders against PostgreSQL: what events said of them, in whatever order it came."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from orders.apply import Fact
from orders.models import LineItem, Order, OrderOp
from tests.db.shop import (
    ADA,
    BOB,
    arrive,
    at,
    fact,
    lines_of,
    statements,
    stored,
    the_order,
    told,
)
from tests.make import make_organization


@pytest.fixture
def shop(organization) -> UUID:
    return organization.id


def test_a_cart_becomes_a_completed_order(shop: UUID) -> None:
    arrive(fact(shop, 0, "Product Added", {"order_id": "o1", "product_id": "p1", "price": 5}))
    arrive(fact(shop, 1, "Order Completed", {"order_id": "o1", "total": "19.90"}))
    order = the_order(shop)
    assert (order.status, order.total) == ("completed", Decimal("19.90"))
    assert lines_of(order) == [("p1", 1)]


def test_an_event_hears_what_became_of_its_order(shop: UUID) -> None:
    cart = fact(shop, 0, "Product Added", {"order_id": "o1", "product_id": "p1"})
    done = fact(shop, 1, "Order Completed", {"order_id": "o1", "total": "free"})
    first, second = arrive(cart)[cart.event_id], arrive(done)[done.event_id]
    assert (first.order.status, first.order.created) == ("incomplete", True)
    assert (second.order.status, second.order.created) == ("completed", False)
    assert second.warnings == ("payload.total is no number: ignored",)


def test_a_late_cart_never_takes_a_completed_order_back(shop: UUID) -> None:
    arrive(fact(shop, 5, "Order Completed", {"order_id": 12, "products": [{"product_id": "p1"}]}))
    arrive(fact(shop, 1, "Cart Updated", {"order_id": 12, "products": [{"product_id": "p2"}]}))
    order = the_order(shop)
    assert order.status == "completed"
    assert lines_of(order) == [("p1", 1)]
    assert [step["status"] for step in order.state["history"]] == ["incomplete", "completed"]


@pytest.mark.parametrize("arrival", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_refund_stays_one_whenever_its_sale_comes_in(shop: UUID, arrival: Sequence[int]) -> None:
    events = [
        fact(shop, 0, "Cart Updated", {"order_id": 1, "items": [{"id": 7, "price": 9}]}),
        fact(shop, 1, "Order Completed", {"order_id": 1, "total": 20}),
        fact(shop, 2, "Order Refunded", {"order_id": 1, "total": "20.00"}),
    ]
    for number in arrival:
        arrive(events[number])
    order = the_order(shop)
    assert (order.status, order.refunded_total) == ("refunded", 20)
    assert (order.created_at, order.completed_at, order.updated_at) == (at(0), at(1), at(2))


def test_a_late_cancellation_counts_from_when_it_was_made(shop: UUID) -> None:
    arrive(fact(shop, 5, "Order Completed", {"order_id": 1}))
    arrive(fact(shop, 3, "Order Cancelled", {"order_id": 1}))
    assert (the_order(shop).status, the_order(shop).cancelled_at) == ("completed", None)
    arrive(fact(shop, 8, "Order Cancelled", {"order_id": 1}))
    assert (the_order(shop).status, the_order(shop).cancelled_at) == ("cancelled", at(8))


def test_an_order_is_of_who_began_it_and_of_nobody_who_came_later(shop: UUID) -> None:
    arrive(fact(shop, 2, "Order Completed", {"order_id": 1}, actor_key=BOB))
    arrive(fact(shop, 3, "Order Updated", {"order_id": 1}, actor_key=ADA))
    assert the_order(shop).actor_key == BOB
    arrive(fact(shop, 1, "Product Added", {"order_id": 1, "product_id": "p"}, actor_key=ADA))
    order = the_order(shop)
    assert (order.actor_key, order.state["others"]) == (ADA, [str(BOB)])


def test_an_order_of_somebody_who_was_erased_stays_nobodys(shop: UUID) -> None:
    arrive(fact(shop, 0, "Product Added", {"order_id": 1, "product_id": "p"}))
    OrderOp.objects.filter(organization_id=shop).update(actor_key=None)
    order = the_order(shop)
    del order.state["owner"]
    Order.objects.filter(id=order.id).update(actor_key=None, state=order.state)
    arrive(fact(shop, 5, "Order Completed", {"order_id": 1}, actor_key=BOB))
    assert the_order(shop).actor_key is None
    arrive(fact(shop, 3, "Cart Updated", {"order_id": 1}, actor_key=BOB))
    order = the_order(shop)
    assert (order.actor_key, order.state["others"]) == (None, [str(BOB)])


def test_a_page_may_complete_an_order_but_neither_cancels_nor_refunds_it(shop: UUID) -> None:
    arrive(fact(shop, 0, "Order Completed", {"order_id": 1, "total": 5}, trusted=False))
    refund = fact(shop, 1, "Order Refunded", {"order_id": 1}, trusted=False)
    cancelled = fact(shop, 2, "Order Cancelled", {"order_id": 1}, trusted=False)
    heard = arrive(refund, cancelled)
    assert heard[refund.event_id].warnings == ("an order is not refunded by a public key: ignored",)
    order = the_order(shop)
    assert (order.status, order.refunded_total) == ("completed", 0)


def test_organizations_may_use_the_same_numbers(shop: UUID) -> None:
    other = make_organization().id
    arrive(
        fact(shop, 0, "Order Completed", {"order_id": 1, "products": [{"id": "p"}]}),
        fact(other, 1, "Order Cancelled", {"order_id": 1}),
    )
    assert (the_order(shop).status, the_order(other).status) == ("completed", "cancelled")


@pytest.mark.parametrize("again", [1, 2])
def test_an_event_that_comes_again_has_no_second_effect(shop: UUID, again: int) -> None:
    added = fact(shop, 0, "Product Added", {"order_id": 1, "product_id": "p", "quantity": 2})
    arrive(*[added] * again)
    arrive(*[added] * again)
    arrive(fact(shop, 1, "Order Completed", {"order_id": 1}), added)
    assert lines_of(the_order(shop)) == [("p", 2)]


@pytest.mark.parametrize(
    "said",
    [
        {"total": "1e40"},
        {"total": "NaN", "revenue": "-Infinity"},
        {"products": [{"id": 1, "quantity": 1e8, "price": 1e15}, {"id": 2, "price": "x"}]},
        {"products": [{"id": 1, "quantity": -3, "price": "9999999999999999.99999"}]},
        {"products": [{"id": 1, "price": -1e15, "quantity": 1e8}] * 1000, "discount": []},
        {"revenue": 9e15, "tax": 9e15, "shipping": 9e15},
        {"currency": "€uro", "products": [None, 1, "x", [], {}, {"id": {}}, {"id": "x" * 256}]},
        {"products": [{"id": number, "price": 1} for number in range(10_000)]},
        {"status": {"paid": True}, "cart": {"items": 5}, "variant": 9},
        {"products": [{"id": "p", "name": "n" * 999, "variant": "v" * 999, "url": "u" * 9999}]},
    ],
)
def test_nothing_that_an_event_says_keeps_it_from_being_stored(
    shop: UUID, said: dict[str, Any]
) -> None:
    events = [
        fact(shop, minute, name, {"order_id": 1, **said})
        for minute, name in enumerate(("Product Added", "Order Completed", "Order Refunded"))
    ]
    for each in events:
        arrive(each)
    assert the_order(shop).status in ("refunded", "partially_refunded")
    assert stored(shop) == told(events)


def test_lines_that_stay_the_same_are_not_written_again(shop: UUID) -> None:
    lines = [{"product_id": "a", "price": 5}, {"product_id": "b"}]
    arrive(fact(shop, 0, "Checkout Started", {"order_id": 1, "products": lines}))
    before = versions(the_order(shop).id)
    arrive(fact(shop, 1, "Order Completed", {"order_id": 1, "products": lines, "total": 5}))
    assert versions(the_order(shop).id) == before
    arrive(fact(shop, 2, "Order Updated", {"order_id": 1, "products": lines[:1]}))
    assert lines_of(the_order(shop)) == [("a", 1)]


def versions(order_id: UUID) -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM line_item WHERE order_id = %s", [order_id])
        return cursor.fetchall()


def test_an_order_that_loses_its_lines_has_none(shop: UUID) -> None:
    arrive(fact(shop, 0, "Product Added", {"order_id": 1, "product_id": "p"}))
    arrive(fact(shop, 1, "Product Removed", {"order_id": 1, "product_id": "p"}))
    assert not LineItem.objects.filter(order_id=the_order(shop).id).exists()


def everything(shop: UUID, size: int) -> list[Fact]:
    """So many events of each kind that asks for statements of its own."""
    return [
        each
        for number in range(1, size + 1)
        for each in (
            fact(shop, 1, "Order Completed", {"order_id": number, "products": [{"id": number}]}),
            fact(shop, 0, "Product Added", {"order_id": number, "product_id": "p"}),
            fact(shop, 0, "Product Added", {"cart_id": number, "product_id": "p"}),
            fact(shop, 1, "Cart Viewed", {"cart_id": number, "checkout_id": number}),
            fact(shop, 2, "Order Updated", {"checkout_id": number, "order_id": f"late {number}"}),
        )
    ]


def test_statements_are_as_many_for_1_order_as_for_500(shop: UUID) -> None:
    counts = []
    for size in (1, 100):
        other = make_organization().id
        arrive(
            *[
                fact(other, 0, "Cart Viewed", {"order_id": n, "items": [{"id": 9}]})
                for n in range(1, size + 1)
            ]
        )
        counts.append(statements(*everything(other, size)))
    assert counts == [14, 14]


def test_a_batch_that_is_all_in_order_takes_six_statements(shop: UUID) -> None:
    counts = [
        statements(
            *[
                fact(shop, 0, "Order Completed", {"order_id": f"{size}-{n}", "items": [{"id": n}]})
                for n in range(size)
            ]
        )
        for size in (500, 1)
    ]
    assert counts == [7, 6]  # the second time the product is known


def test_a_cart_that_has_become_nothing_yet_takes_three(shop: UUID) -> None:
    assert statements(fact(shop, 0, "Cart Viewed", {"cart_id": "c"})) == 3


def test_no_statement_is_run_for_no_events() -> None:
    assert statements() == 0


def test_no_statement_is_run_for_what_turns_out_to_be_about_nothing(shop: UUID) -> None:
    nothing = fact(shop, 0, "Page View", {"data": {"order_id": 1}, "order_id": None}, kind="page")
    assert statements(nothing) == 0
    assert arrive(fact(uuid4(), 0, "Page View", {"cart_id": "c"}, kind="page"))
    assert not OrderOp.objects.filter(organization_id=shop).exists()
