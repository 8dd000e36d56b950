"""Carts and checkouts that have no order yet: what was said of them is the order's that they become."""

from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest

from orders.apply import Fact
from orders.models import OrderOp
from tests.db.shop import ADA, BOB, arrive, at, fact, lines_of, stored, the_order, told
from tests.make import make_organization


@pytest.fixture
def shop(organization) -> UUID:
    return organization.id


def added(shop: UUID, minute: float, product: str, **said: str) -> Fact:
    return fact(shop, minute, "Product Added", {"product_id": product, **said})


def started(shop: UUID, minute: float, **said: str) -> Fact:
    return fact(shop, minute, "Checkout Started", said)


def test_a_carts_history_is_the_orders_that_it_becomes() -> None:
    for arrival in permutations(range(4)):
        shop = make_organization().id
        events = [
            fact(shop, 0, "Product Added", {"cart_id": "c", "product_id": "p1"}, actor_key=BOB),
            added(shop, 1, "p2", cart_id="c"),
            started(shop, 2, cart_id="c", order_id="o"),
            added(shop, 3, "next time", cart_id="c"),
        ]
        for number in arrival:
            arrive(events[number])
        order = the_order(shop)
        assert lines_of(order) == [("p1", 1), ("p2", 1)]
        assert (order.created_at, order.updated_at) == (at(0), at(2))
        assert (order.actor_key, order.state["others"]) == (BOB, [str(ADA)])


def test_a_cart_without_an_order_makes_none(shop: UUID) -> None:
    heard = arrive(added(shop, 0, "p", cart_id="c"), started(shop, 1, checkout_id="k", cart_id="c"))
    assert [each.order for each in heard.values()] == [None, None]
    assert stored(shop) == {}


def test_a_cart_may_become_a_checkout_first() -> None:
    for arrival in permutations(range(4)):
        shop = make_organization().id
        events = [
            added(shop, 0, "p", cart_id="c"),
            started(shop, 1, cart_id="c", checkout_id="k"),
            fact(shop, 2, "Checkout Step Viewed", {"checkout_id": "k", "shipping": 3}),
            fact(shop, 3, "Order Completed", {"checkout_id": "k", "order_id": "o"}),
        ]
        for number in arrival:
            arrive(events[number])
        order = the_order(shop)
        assert (lines_of(order), order.created_at) == ([("p", 1)], at(0))
        assert order.state["money"] == {"shipping": "3.0000"}


def test_each_order_of_one_cart_has_what_came_after_the_one_before(shop: UUID) -> None:
    arrive(
        added(shop, 0, "p1", cart_id="c"),
        started(shop, 1, cart_id="c", order_id="o1"),
        added(shop, 2, "p2", cart_id="c"),
        started(shop, 3, cart_id="c", order_id="o2"),
    )
    assert {id_: names(state) for id_, state in stored(shop).items()} == {
        "o1": ["p1"],
        "o2": ["p2"],
    }


def names(state) -> list[str]:
    return [line.product_id for line in state.lines]


def test_an_earlier_order_that_comes_late_takes_its_share_from_the_later(shop: UUID) -> None:
    arrive(
        added(shop, 0, "p1", cart_id="c"),
        added(shop, 2, "p2", cart_id="c"),
        started(shop, 3, cart_id="c", order_id="o2"),
    )
    assert names(stored(shop)["o2"]) == ["p1", "p2"]
    arrive(started(shop, 1, cart_id="c", order_id="o1"))
    assert {id_: names(state) for id_, state in stored(shop).items()} == {
        "o1": ["p1"],
        "o2": ["p2"],
    }


def test_an_earlier_checkout_that_comes_late_takes_its_share_too(shop: UUID) -> None:
    events = [
        added(shop, 0, "p1", cart_id="c"),
        started(shop, 1, cart_id="c", checkout_id="k1"),
        started(shop, 2, checkout_id="k1", order_id="o1"),
        added(shop, 3, "p2", cart_id="c"),
        started(shop, 4, cart_id="c", checkout_id="k2"),
        started(shop, 5, checkout_id="k2", order_id="o2"),
    ]
    for number in (0, 3, 4, 5, 2, 1):
        arrive(events[number])
    assert stored(shop) == told(events)
    assert {id_: names(state) for id_, state in stored(shop).items()} == {
        "o1": ["p1"],
        "o2": ["p2"],
    }


def test_what_was_said_at_the_same_moment_belongs_to_the_order(shop: UUID) -> None:
    for number in range(8):
        cart = str(number)
        join, add = UUID(int=number), UUID(int=99 - number)
        arrive(
            fact(shop, 0, "Checkout Started", {"cart_id": cart, "order_id": cart}, event_id=join),
            fact(shop, 0, "Product Added", {"cart_id": cart, "product_id": "p"}, event_id=add),
        )
    assert [names(state) for state in stored(shop).values()] == [["p"]] * 7


def test_of_two_orders_of_one_moment_one_has_the_cart(shop: UUID) -> None:
    low, high = UUID(int=1), UUID(int=2)
    events = [
        added(shop, 0, "p", cart_id="c"),
        fact(shop, 1, "Cart Viewed", {"cart_id": "c", "order_id": "high"}, event_id=high),
        fact(shop, 1, "Cart Viewed", {"cart_id": "c", "order_id": "low"}, event_id=low),
    ]
    for each in events:
        arrive(each)
    found = stored(shop)
    assert (names(found["low"]), names(found["high"])) == (["p"], [])


def test_an_event_that_names_all_three_pours_both_into_the_order(shop: UUID) -> None:
    arrive(
        added(shop, 0, "p", cart_id="c"),
        fact(shop, 1, "Checkout Step Viewed", {"checkout_id": "k", "tax": 2}),
        started(shop, 2, cart_id="c", checkout_id="k", order_id="o"),
    )
    order = the_order(shop)
    assert (lines_of(order), order.state["money"]) == ([("p", 1)], {"tax": "2.0000"})


def test_a_late_event_of_a_cart_reaches_its_order_alone(shop: UUID) -> None:
    arrive(
        *[started(shop, n, cart_id="c", order_id=f"o{n}") for n in range(1, 6)],
        fact(shop, 6, "Order Completed", {"order_id": "o3"}),
    )
    arrive(added(shop, 2.5, "p", cart_id="c"))
    found = stored(shop)
    assert [id_ for id_, state in sorted(found.items()) if state.lines] == ["o3"]
    assert found["o3"].status == "completed"


def test_a_page_that_only_carries_a_cart_is_not_kept(shop: UUID) -> None:
    arrive(fact(shop, 0, "Home", {"cart_id": "c"}, kind="page"))
    arrive(fact(shop, 1, "Clicked", {"checkout_id": "k", "id": "button"}))
    assert not OrderOp.objects.filter(organization_id=shop).exists()
    arrive(fact(shop, 2, "Home", {"cart_id": "c", "checkout_id": "k"}, kind="page"))
    assert OrderOp.objects.filter(organization_id=shop).count() == 1


def test_carts_of_two_organizations_have_nothing_in_common(shop: UUID) -> None:
    other = make_organization().id
    arrive(added(other, 0, "theirs", cart_id="c"), added(shop, 0, "ours", cart_id="c"))
    arrive(started(shop, 1, cart_id="c", order_id="o"))
    assert lines_of(the_order(shop)) == [("ours", 1)]
    assert stored(other) == {}
