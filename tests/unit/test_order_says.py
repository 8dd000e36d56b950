"""What one event says of orders: its ids, its figures and its lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orders.says import (
    LINES_MAX,
    WARNINGS_MAX,
    Line,
    Money,
    ProductSaid,
    Said,
    read,
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("o-1", "o-1"),
        (" o-1 ", "o-1"),
        (12, "12"),
        (12.0, "12"),
        (12.5, "12.5"),
        (2**63, "9223372036854775808"),
        ("x" * 255, "x" * 255),
    ],
)
@pytest.mark.parametrize("name", ["order_id", "cart_id", "checkout_id"])
def test_ids_are_text_or_numbers(name: str, said: Any, meant: str) -> None:
    assert getattr(read("track", "x", {name: said}), name) == meant


@pytest.mark.parametrize("value", [True, [], {}, ["o"], {"id": 1}, "x" * 256, "  "])
def test_what_is_no_id_is_ignored_with_a_warning(value: Any) -> None:
    said = read("track", "Order Completed", {"order_id": value, "total": 5})
    assert said.order_id is None
    assert said.warnings == ["payload.order_id is no text or number of 255 characters: ignored"]


@pytest.mark.parametrize("value", ["undefined", "null", 0, "0", -1, "[object Object]", "N/A"])
def test_what_stands_for_nothing_names_no_order(value: Any) -> None:
    said = read("track", "Order Completed", {"order_id": value, "cart_id": value})
    assert (said.order_id, said.cart_id) == (None, None)
    assert said.warnings[0] == f"payload.order_id {str(value)!r} names nothing: ignored"


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_id_is_absent_and_not_worth_a_warning(value: Any) -> None:
    assert read("page", "x", {"order_id": value}) == Said()


@pytest.mark.parametrize(
    "said",
    [
        {"total": "19.90", "total_price": 5, "amount": 6},
        {"total_price": 19.9, "amount": 6},
        {"amount": "19.9"},
        {"total": "", "amount": 19.9},
        {"total": None, "total_price": 19.9},
    ],
)
def test_a_total_has_three_names(said: dict[str, Any]) -> None:
    assert read("track", "x", {"order_id": 1, **said}).money == Money(total=Decimal("19.9"))


def test_figures_are_each_taken_by_their_name() -> None:
    said = {"revenue": 1, "value": 2, "subtotal": 3, "tax": 4, "shipping": 5, "discount": "6"}
    assert read("track", "x", {"order_id": 1, **said}).money == Money(
        revenue=Decimal(1),
        value=Decimal(2),
        subtotal=Decimal(3),
        tax=Decimal(4),
        shipping=Decimal(5),
        discount=Decimal(6),
    )


def test_a_bad_figure_is_left_out_with_a_warning_and_the_next_name_counts() -> None:
    said = read("track", "x", {"order_id": 1, "total": "free", "amount": 5, "tax": 1e40})
    assert said.money == Money(total=Decimal(5))
    assert said.warnings == [
        "payload.total is no number: ignored",
        "payload.tax is larger than any that is meant: ignored",
    ]


@pytest.mark.parametrize(
    ("said", "meant"), [(" eur ", "EUR"), ("USD", "USD"), ("", ""), (None, "")]
)
def test_a_currency_is_an_upper_case_code(said: Any, meant: str) -> None:
    read_ = read("track", "x", {"order_id": 1, "currency": said})
    assert (read_.currency, read_.warnings) == (meant, [])


@pytest.mark.parametrize("value", ["€", "Euro", "EÜR", "12E", "ßs"])
def test_what_is_no_currency_is_left_out_with_a_warning(value: str) -> None:
    said = read("track", "x", {"order_id": 1, "currency": value})
    assert (said.currency, len(said.warnings)) == ("", 1)


@pytest.mark.parametrize(
    ("said", "is_paid"),
    [
        ({"paid": True}, True),
        ({"paid": "true"}, False),
        ({"status": "Paid"}, True),
        ({"payment_status": " succeeded "}, True),
        ({"financial_status": "complete"}, True),
        ({"status": "completed"}, True),
        ({"status": "pending"}, False),
        ({"status": ["paid"]}, False),
        ({}, False),
    ],
)
def test_what_says_that_an_order_is_paid(said: dict[str, Any], *, is_paid: bool) -> None:
    assert read("track", "Order Placed", {"order_id": 1, **said}).is_paid is is_paid


A, B, C, D, E = ([{"product_id": name}] for name in "abcde")


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ({"cart": E, "items": C, "line_items": B, "products": A}, "a"),
        ({"cart": {"items": D}, "items": C, "line_items": B}, "b"),
        ({"cart": {"items": D}, "items": C}, "c"),
        ({"cart": {"items": D}, "products": {"product_id": "no list"}}, "d"),
        ({"cart": E, "items": "no list"}, "e"),
    ],
)
def test_lines_are_the_first_list_there_is(said: dict[str, Any], first: str) -> None:
    assert read("track", "Cart Updated", {"order_id": 1, **said}).lines == [Line(first)]


def test_an_empty_list_is_one() -> None:
    assert read("track", "Cart Updated", {"order_id": 1, "products": [], "items": A}).lines == []
    assert read("track", "Cart Updated", {"order_id": 1, "cart": {}}).lines is None


def test_a_line_has_all_its_members_by_either_name() -> None:
    one = {"product_id": 1, "quantity": "2", "variant": "red", "name": "Tea", "price": "4.90"}
    other = {"sku": 1, "qty": 2, "variant": " red ", "title": "Tea", "unit_price": 4.9}
    line = Line("1", Decimal(2), "red", "Tea", Decimal("4.9"))
    assert read("track", "x", {"order_id": 1, "items": [one, other]}).lines == [line, line]


def test_an_id_of_a_product_comes_before_its_sku() -> None:
    items = [{"sku": "s", "id": "i", "product_id": "p"}, {"sku": "s", "id": "i"}, {"sku": 7.0}]
    lines = read("track", "x", {"order_id": 1, "items": items}).lines
    assert [line.product_id for line in lines] == ["p", "i", "7"]


@pytest.mark.parametrize("item", [None, 5, "p", [], {}, {"product_id": ""}, {"id": "x" * 256}])
def test_a_line_without_a_product_is_left_out_with_a_warning(item: Any) -> None:
    said = read("track", "x", {"order_id": 1, "items": [item, {"id": 1}]})
    assert said.lines == [Line("1")]
    assert said.warnings == ["payload.items.0.product_id is missing: the line is ignored"]


@pytest.mark.parametrize("value", [-2, "-1", "many", "NaN", 1e9])
def test_a_quantity_that_makes_no_sense_is_one(value: Any) -> None:
    said = read("track", "x", {"order_id": 1, "cart": {"items": [{"id": 1, "quantity": value}]}})
    assert said.lines == [Line("1")]
    assert said.warnings[0].startswith("payload.cart.items.0.quantity is ")


def test_of_10_000_lines_the_first_thousand_are_kept() -> None:
    items = [{"id": number} for number in range(10_000)]
    said = read("track", "Order Completed", {"order_id": 1, "items": items})
    assert len(said.lines) == len(said.products) == LINES_MAX
    assert said.warnings == ["only the first 1000 of 10000 lines are kept"]


def test_nobody_gets_thousands_of_warnings() -> None:
    said = read("track", "Order Completed", {"order_id": 1, "items": [{}] * 10_000})
    assert len(said.warnings) == WARNINGS_MAX


OWN = {"order_id": 1, "product_id": "p", "price": 5}


@pytest.mark.parametrize(
    "name",
    [
        *("Product Added", "Product Removed"),
        *("Order Placed", "Order Completed", "Order Updated", "Order Refunded"),
    ],
)
def test_without_a_list_the_payloads_own_product_is_the_line(name: str) -> None:
    assert read("track", name, OWN).lines == [Line("p", price=Decimal(5))]


@pytest.mark.parametrize("name", ["Cart Viewed", "Checkout Started", "Clicked", "Product Viewed"])
def test_a_product_that_is_only_looked_at_is_no_line(name: str) -> None:
    assert read("track", name, OWN).lines is None


@pytest.mark.parametrize(
    ("name", "products"),
    [("Product Added", ["i"]), ("Product Viewed", ["i"]), ("Order Completed", []), ("x", [])],
)
def test_an_id_alone_is_a_products_where_the_event_is_about_one(
    name: str, products: list[str]
) -> None:
    said = read("track", name, {"order_id": 1, "id": "i"})
    assert [each.product_id for each in said.products] == products


def test_what_is_told_of_a_list_that_was_looked_at_is_not_the_orders() -> None:
    payload = {"order_id": 1, "products": [{"id": 1, "name": "Tea"}], "value": 9}
    said = read("track", "Product List Viewed", payload)
    assert (said.order_id, said.lines, said.money) == ("1", None, Money())
    assert said.products == [ProductSaid("1", is_full=True, name="Tea")]


def test_a_line_tells_of_its_product_as_a_skeleton() -> None:
    item = {"id": 1, "name": "Tea", "price": 5, "brand": "B", "category": "c", "url": "u" * 3_000}
    said = read("track", "Order Completed", {"order_id": 1, "currency": "eur", "products": [item]})
    assert said.products == [
        ProductSaid(
            "1",
            name="Tea",
            price=Decimal(5),
            currency="EUR",
            brand="B",
            category="c",
            url="u" * 2_048,
        )
    ]


def test_without_any_id_a_cart_event_still_tells_of_its_product() -> None:
    said = read("track", "Product Added", {"product_id": "p", "name": "Tea"})
    assert [each.product_id for each in said.products] == ["p"]
    assert said.order_id is said.cart_id is said.checkout_id is None


def test_text_is_cut_at_what_is_shown() -> None:
    item = {"id": 1, "name": "n" * 300, "variant": "v" * 300, "brand": 5}
    said = read("track", "x", {"order_id": 1, "items": [item]})
    assert said.lines == [Line("1", name="n" * 255, variant="v" * 255)]
