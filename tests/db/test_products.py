"""Products follow from events: skeletons first, filled in by who knows more."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from orders.models import Product
from tests.db.shop import arrive, at, fact, statements
from tests.make import make_organization


@pytest.fixture
def shop(organization) -> UUID:
    return organization.id


def product(shop: UUID, id_: str = "p") -> Product:
    return Product.objects.get(organization_id=shop, external_id=id_)


def bought(shop: UUID, minute: float, **item: Any) -> None:
    said = {"order_id": f"o{minute}", "products": [{"id": "p", **item}]}
    arrive(fact(shop, minute, "Order Completed", said))


def viewed(shop: UUID, minute: float, **said: Any) -> None:
    arrive(fact(shop, minute, "Product Viewed", {"product_id": "p", **said}))


def test_a_line_makes_a_skeleton(shop: UUID) -> None:
    bought(shop, 1, name="Tea", price="4.90", currency="eur", brand="B", category="drinks")
    row = product(shop)
    assert (row.name, row.price, row.currency) == ("Tea", Decimal("4.9"), "EUR")
    assert (row.is_skeleton, row.first_seen, row.described_at) == (True, at(1), None)


def test_a_view_fills_a_skeleton_and_clears_the_flag(shop: UUID) -> None:
    bought(shop, 5, name="Tea", price=4)
    viewed(shop, 1, name="Green tea", url="https://shop.example/tea", image_url="i.png")
    row = product(shop)
    assert (row.is_skeleton, row.name, row.price, row.url, row.image_url) == (
        False,
        "Green tea",
        4,
        "https://shop.example/tea",
        "i.png",
    )
    assert (row.described_at, row.first_seen) == (at(1), at(1))


def test_a_view_without_a_name_leaves_a_skeleton(shop: UUID) -> None:
    viewed(shop, 1, price=5)
    assert (product(shop).is_skeleton, product(shop).price) == (True, 5)


def test_a_line_never_overwrites_but_fills_what_is_empty(shop: UUID) -> None:
    viewed(shop, 0, name="Green tea")
    bought(shop, 9, name="x", price=5)
    row = product(shop)
    assert (row.name, row.price, row.is_skeleton) == ("Green tea", 5, False)


def test_the_newest_description_by_event_time_stands() -> None:
    for arrival in permutations(range(3)):
        shop = make_organization().id
        for number in arrival:
            viewed(shop, number, name=f"name {number}", price=10 - number)
        row = product(shop)
        assert (row.name, row.price, row.described_at) == ("name 2", 8, at(2))


def test_a_description_that_says_less_empties_nothing(shop: UUID) -> None:
    viewed(shop, 0, name="Tea", brand="B", price=5)
    viewed(shop, 1, name="Tea 2")
    assert (product(shop).brand, product(shop).price) == ("B", 5)


def test_a_price_may_become_nothing_at_all(shop: UUID) -> None:
    viewed(shop, 0, name="Tea", price=5)
    viewed(shop, 1, name="Tea", price=0)
    bought(shop, 2, price=3)
    assert product(shop).price == 0


def test_each_product_of_a_list_that_was_looked_at_is_described(shop: UUID) -> None:
    items = [{"product_id": n, "name": f"n{n}"} for n in range(3)]
    arrive(fact(shop, 0, "Product List Viewed", {"list_id": "l", "products": items}))
    rows = Product.objects.filter(organization_id=shop, is_skeleton=False)
    assert sorted(row.name for row in rows) == ["n0", "n1", "n2"]


def test_a_list_that_was_looked_at_is_no_cart(shop: UUID) -> None:
    items = [{"product_id": "q", "name": "Q"}]
    arrive(
        fact(shop, 0, "Product Added", {"order_id": "o", "product_id": "p", "price": 3}),
        fact(shop, 1, "Product List Viewed", {"order_id": "o", "products": items, "value": 9}),
    )
    with connection.cursor() as cursor:
        cursor.execute('SELECT total FROM "order" WHERE org_id = %s', [shop])
        assert cursor.fetchone() == (3,)


def test_cart_events_without_any_order_provision_too(shop: UUID) -> None:
    arrive(fact(shop, 0, "Product Added", {"id": "p", "name": "Tea"}))
    assert product(shop).is_skeleton


def test_what_repeats_what_is_known_writes_nothing(shop: UUID) -> None:
    said = {"name": "Tea", "price": 5, "currency": "EUR", "brand": "B"}
    viewed(shop, 0, **said)
    again = [fact(shop, n, "Product Viewed", {"product_id": "p", **said}) for n in range(1, 300)]
    assert statements(*again) == 1
    assert product(shop).described_at == at(0)


def test_statements_are_as_many_for_1_product_as_for_500(shop: UUID) -> None:
    counts = []
    for size in (1, 500):
        other = make_organization().id
        views = [{"product_id": n, "name": "x"} for n in range(size)]
        counts.append(statements(*[fact(other, 0, "Product Viewed", each) for each in views]))
    assert counts == [2, 2]


def test_what_staff_filled_in_stands_until_an_event_tells_more_of_it(shop: UUID) -> None:
    bought(shop, 0, name="tea-1")
    Product.objects.filter(organization_id=shop).update(
        name="Tea", is_skeleton=False, described_at=at(60)
    )
    viewed(shop, 30, name="tea-1", brand="B")
    assert (product(shop).name, product(shop).brand) == ("Tea", "B")
    viewed(shop, 90, name="Finest tea")
    assert product(shop).name == "Finest tea"


def test_the_same_product_of_two_organizations_is_two(shop: UUID) -> None:
    other = make_organization().id
    viewed(shop, 0, name="ours")
    viewed(other, 0, name="theirs")
    assert (product(shop).name, product(other).name) == ("ours", "theirs")
