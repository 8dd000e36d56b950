"""Whoever is at work on orders, carts and products at the same time loses nothing of one another."""

from __future__ import annotations

import random
import time
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from django.db import connection

from keystone.db import ingest_transaction
from orders import abandonment
from orders.apply import Fact, refold
from orders.keys import ORDER, key_of
from orders.models import Order, Product
from tests.db.shop import (
    ADA,
    BOB,
    arrive,
    arrive_somehow,
    at_once,
    fact,
    lines_of,
    overlapping,
    stored,
    the_order,
    told,
)


@pytest.fixture
def shop(organization) -> UUID:
    return organization.id


def test_two_who_provision_the_same_product_make_one(shop: UUID) -> None:
    line = fact(shop, 0, "Order Completed", {"order_id": 1, "items": [{"id": "p", "name": "Tea"}]})
    view = fact(shop, 0, "Product Viewed", {"product_id": "p", "name": "Green tea", "brand": "B"})
    overlapping([line], [view])
    product = Product.objects.get(organization_id=shop)
    assert (product.name, product.brand, product.is_skeleton) == ("Green tea", "B", False)


def test_a_skeleton_never_overwrites_what_another_told_meanwhile(shop: UUID) -> None:
    line = fact(shop, 9, "Order Completed", {"order_id": 1, "items": [{"id": "p", "name": "Tea"}]})
    view = fact(shop, 0, "Product Viewed", {"product_id": "p", "name": "Green tea"})
    overlapping([view], [line])
    product = Product.objects.get(organization_id=shop)
    assert (product.name, product.is_skeleton) == ("Green tea", False)


def test_two_who_speak_of_a_new_order_make_one(shop: UUID) -> None:
    events = [
        fact(shop, 0, "Product Added", {"order_id": "o", "product_id": "p"}),
        fact(shop, 1, "Order Completed", {"order_id": "o"}),
    ]
    overlapping(events[:1], events[1:])
    assert stored(shop) == told(events)


def becoming(shop: UUID) -> list[Fact]:
    """A cart that becomes a checkout that becomes an order, one event each."""
    return [
        fact(shop, 0, "Product Added", {"cart_id": "c", "product_id": "p"}),
        fact(shop, 1, "Checkout Started", {"cart_id": "c", "checkout_id": "k"}),
        fact(shop, 2, "Checkout Step Viewed", {"checkout_id": "k", "tax": 1}),
        fact(shop, 3, "Order Completed", {"checkout_id": "k", "order_id": "o"}),
    ]


@pytest.mark.parametrize("arrival", list(permutations(range(4))))
def test_a_cart_that_becomes_an_order_meanwhile_is_not_forgotten(arrival: tuple[int, ...]) -> None:
    events = becoming(uuid4())
    for number in arrival[:2]:
        arrive(events[number])
    overlapping([events[arrival[2]]], [events[arrival[3]]])
    assert stored(events[0].organization_id) == told(events)


def test_operations_of_one_order_that_come_at_once_all_count(shop: UUID) -> None:
    events = [
        fact(shop, random.random(), "Product Added", {"order_id": "o", "product_id": str(n % 3)})
        for n in range(60)
    ]
    halves = events[:30], events[30:]
    at_once(*[lambda half=half: [arrive_somehow(each) for each in half] for half in halves])
    assert stored(shop) == told(events)
    assert the_order(shop).state["operations"] == 60


def test_a_storm_over_few_orders_carts_and_products_neither_deadlocks_nor_loses(
    shop: UUID,
) -> None:
    events = [storming(shop) for _ in range(480)]
    batches = [events[start : start + 6] for start in range(0, len(events), 6)]
    work = [batches[thread::8] for thread in range(8)]
    repeated = [[*mine, random.choice(batches)] for mine in work]
    at_once(*[lambda mine=mine: [arrive_somehow(*batch) for batch in mine] for mine in repeated])
    assert stored(shop) == told(events)


def storming(shop: UUID) -> Fact:
    ids = {"order_id": "o{}", "checkout_id": "k{}", "cart_id": "c{}"}
    named = random.choices([*ids], weights=[3, 1, 2], k=random.choice([1, 1, 2]))
    name = random.choice(["Product Added", "Product Removed", "Cart Viewed", "Order Completed"])
    payload = {each: ids[each].format(random.randrange(4)) for each in named}
    products = [{"id": random.randrange(5), "price": random.randrange(9)} for _ in range(3)]
    given = {"products": products} if random.random() < 0.7 else {"product_id": "p"}
    who = random.choice([ADA, BOB])
    return fact(shop, random.randrange(120), name, {**payload, **given}, actor_key=who)


def test_a_stale_order_is_folded_by_one_while_another_adds_to_it(shop: UUID) -> None:
    events = [fact(shop, n, "Product Added", {"order_id": "o", "product_id": "p"}) for n in (1, 2)]
    arrive(*events)
    Order.objects.filter(organization_id=shop).update(is_stale=True)
    late = fact(shop, 0, "Order Placed", {"order_id": "o"})
    at_once(abandonment.refold_stale, abandonment.refold_stale, lambda: arrive_somehow(late))
    abandonment.refold_stale()
    assert stored(shop) == told([*events, late])


def test_what_somebody_else_holds_is_left_to_the_next_run(shop: UUID) -> None:
    arrive(fact(shop, 0, "Product Added", {"order_id": "o", "product_id": "p"}))
    Order.objects.filter(organization_id=shop).update(is_stale=True)
    with ingest_transaction() as cursor:
        refold(cursor, key_of(shop, ORDER, "o"))
        cursor.run("SELECT 1")
        started = time.monotonic()
        at_once(abandonment.refold_stale)
        assert time.monotonic() - started < 5
    assert (lines_of(the_order(shop)), the_order(shop).is_stale) == ([("p", 1)], False)
    assert connection.is_usable()
