"""What `update_order_lifecycle` does: carts that nobody goes on with, histories that are long."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction

from orders import abandonment, apply
from orders.abandonment import abandon, refold_stale
from orders.models import Order, OrderPolicy
from orders.tasks import update_order_lifecycle
from tests.db.shop import (
    NOON,
    arrive,
    at,
    at_once,
    fact,
    in_thread,
    lines_of,
    stored,
    the_order,
    told,
)
from tests.make import make_organization

DAY = timedelta(hours=24)
CART = {"order_id": "o", "products": [{"id": "p"}]}


@pytest.fixture
def shop(organization) -> UUID:
    return organization.id


@pytest.fixture
def left(shop: UUID) -> UUID:
    """A shop in which somebody left a cart at noon."""
    arrive(fact(shop, 0, "Cart Updated", CART))
    return shop


def abandoned_at(shop: UUID) -> datetime | None:
    return the_order(shop).abandoned_at


def test_a_cart_is_abandoned_once_nobody_went_on_with_it_for_a_day(left: UUID) -> None:
    abandon(NOON + DAY)
    assert abandoned_at(left) is None
    now = NOON + DAY + timedelta(seconds=1)
    abandon(now)
    assert (abandoned_at(left), the_order(left).status) == (now, "incomplete")


def test_abandoning_again_changes_nothing(left: UUID) -> None:
    abandon(NOON + 2 * DAY)
    abandon(NOON + 3 * DAY)
    assert abandoned_at(left) == NOON + 2 * DAY


@pytest.mark.parametrize("hours", [1, 48, 2**31 - 1])
def test_each_organization_says_how_long_it_takes(left: UUID, hours: int) -> None:
    OrderPolicy.objects.create(organization_id=left, abandoned_after_hours=hours)
    abandon(NOON + timedelta(hours=min(hours, 50)))
    assert abandoned_at(left) is None
    abandon(NOON + timedelta(hours=min(hours, 50), seconds=1))
    assert (abandoned_at(left) is not None) == (hours <= 50)


@pytest.mark.parametrize(
    "last",
    ["Order Placed", "Order Completed", "Order Cancelled", "Order Refunded", "Order Updated"],
)
def test_what_is_no_cart_any_more_is_never_abandoned(left: UUID, last: str) -> None:
    arrive(fact(left, 1, last, {"order_id": "o"}))
    abandon(NOON + 9 * DAY)
    assert abandoned_at(left) is None


def test_an_order_of_which_only_pages_spoke_is_no_cart(shop: UUID) -> None:
    arrive(fact(shop, 0, "Home", {"order_id": "o"}, kind="page"))
    abandon(NOON + 9 * DAY)
    assert abandoned_at(shop) is None


def test_whoever_only_looks_at_a_cart_goes_on_with_it(left: UUID) -> None:
    arrive(fact(left, 60, "Cart", {"order_id": "o"}, kind="page"))
    abandon(NOON + DAY + timedelta(minutes=1))
    assert abandoned_at(left) is None
    abandon(NOON + DAY + timedelta(minutes=61))
    assert abandoned_at(left) is not None


@pytest.mark.parametrize("name", ["Product Added", "Order Completed", "Clicked"])
def test_new_activity_brings_an_abandoned_order_back(left: UUID, name: str) -> None:
    abandon(NOON + 2 * DAY)
    arrive(fact(left, 1, name, {"order_id": "o"}))
    assert abandoned_at(left) is None


def test_what_comes_late_brings_nothing_back(left: UUID) -> None:
    abandon(NOON + 2 * DAY)
    arrive(fact(left, -5, "Product Added", {"order_id": "o", "product_id": "q"}))
    assert abandoned_at(left) is not None


@pytest.mark.parametrize("name", ["Order Placed", "Order Completed", "Order Cancelled"])
def test_a_late_end_of_shopping_takes_the_mark_away(left: UUID, name: str) -> None:
    abandon(NOON + 2 * DAY)
    arrive(fact(left, -5, name, {"order_id": "o"}))
    assert abandoned_at(left) is None


def test_a_run_takes_slices_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandonment, "SLICE", 2)
    shops = [make_organization().id for _ in range(3)]
    abandon(NOON + DAY)  # what other tests left
    for shop in shops:
        arrive(*[fact(shop, n, "Cart Updated", {**CART, "order_id": f"o{n}"}) for n in range(3)])
    assert abandon(NOON + 9 * DAY) >= 9
    left = Order.objects.filter(organization_id__in=shops, abandoned_at=None)
    assert not left.exists()


def test_runs_at_once_mark_each_order_once(shop: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandonment, "SLICE", 7)
    abandon(NOON + 2 * DAY)
    arrive(*[fact(shop, 0, "Cart Updated", {**CART, "order_id": f"o{n}"}) for n in range(60)])
    now = NOON + 2 * DAY
    marked = at_once(*[lambda: abandon(now)] * 3)
    assert sum(marked) + abandon(now) == 60
    assert not Order.objects.filter(organization_id=shop, abandoned_at=None).exists()


def test_what_somebody_is_at_work_on_is_left_to_the_next_run(left: UUID) -> None:
    with transaction.atomic():
        Order.objects.filter(organization_id=left).update(currency="EUR")
        at_once(in_thread(lambda: abandon(NOON + 2 * DAY)))
    assert abandoned_at(left) is None
    abandon(NOON + 2 * DAY)
    assert abandoned_at(left) is not None


@pytest.fixture
def _short_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "HISTORY_MAX", 3)


@pytest.mark.usefixtures("_short_histories")
def test_a_late_event_of_a_long_history_counts_after_the_next_run(shop: UUID) -> None:
    events = [
        fact(shop, minute, "Product Added", {"order_id": "o", "product_id": "p"})
        for minute in range(1, 9)
    ]
    arrive(*events)
    assert (lines_of(the_order(shop)), the_order(shop).is_stale) == ([("p", 8)], False)
    late = fact(shop, 0, "Order Placed", {"order_id": "o"})
    arrive(late)
    newer = fact(shop, 9, "Order Completed", {"order_id": "o"})
    heard = arrive(newer)[newer.event_id]
    assert (the_order(shop).is_stale, heard.order.status) == (True, "incomplete")
    update_order_lifecycle()
    assert (the_order(shop).is_stale, the_order(shop).placed_at) == (False, at(0))
    assert stored(shop) == told([*events, late, newer])


@pytest.mark.usefixtures("_short_histories")
def test_a_cart_with_a_long_history_becomes_an_order_all_the_same(shop: UUID) -> None:
    events = [
        fact(shop, minute, "Product Added", {"cart_id": "c", "product_id": "p"})
        for minute in range(9)
    ]
    arrive(*events)
    join = fact(shop, 9, "Checkout Started", {"cart_id": "c", "order_id": "o"})
    assert arrive(join)[join.event_id].order.created
    assert the_order(shop).is_stale
    refold_stale()
    assert stored(shop) == told([*events, join])


@pytest.mark.usefixtures("_short_histories")
def test_a_stale_order_is_not_abandoned_before_it_is_brought_in_line(left: UUID) -> None:
    Order.objects.filter(organization_id=left).update(is_stale=True)
    abandon(NOON + 9 * DAY)
    assert abandoned_at(left) is None
    refold_stale()
    abandon(NOON + 9 * DAY)
    assert abandoned_at(left) is not None


@pytest.mark.parametrize("arrival", [1, -1])
def test_of_more_operations_than_an_order_takes_the_first_stand(
    shop: UUID, arrival: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.lifecycle.OPERATIONS_MAX", 4)
    monkeypatch.setattr(apply, "OPERATIONS_MAX", 4)
    monkeypatch.setattr(apply, "HISTORY_MAX", 2)
    events = [
        fact(shop, minute, "Product Added", {"order_id": "o", "product_id": "p"})
        for minute in range(7)
    ]
    for each in events[::arrival]:
        arrive(each)
    refold_stale()
    assert lines_of(the_order(shop)) == [("p", 4)]
    assert stored(shop) == told(events)
