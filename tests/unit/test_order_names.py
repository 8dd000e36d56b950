"""What the name of an event means for an order, in every spelling, and which events count."""

from __future__ import annotations

import pytest

from orders.names import Effect, effect_of
from orders.says import Line, ProductSaid, is_about_orders, read

#: keystone.md §7 and segment.md §4, spec v2 and v1.
NAMES = {
    "cart": """
        Cart Updated, Cart Viewed, Checkout Started, Checkout Updated, Checkout Step Viewed,
        Checkout Step Completed, Checkout Step 2 Shown, Payment Info Entered, Coupon Entered,
        Coupon Applied, Coupon Denied, Coupon Removed, Cart Shared, Viewed Checkout Step,
        Completed Checkout Step""",
    "add": "Added to Cart, Product Added, Wishlist Product Added to Cart, Added Product",
    "remove": "Removed from Cart, Product Removed, Removed Product",
    "placed": "Order Created, Order Placed",
    "completed": """
        Order Completed, Completed Order, Order Paid, Purchase, Checkout Completed""",
    "updated": "Order Updated, Updated Order",
    "refunded": "Order Refunded, Refunded Order",
    "cancelled": "Order Cancelled, Order Canceled, Cancelled Order",
    "none": """
        Products Searched, Product List Viewed, Product List Filtered, Promotion Viewed,
        Promotion Clicked, Product Clicked, Product Viewed, Product Added to Wishlist,
        Product Removed from Wishlist, Product Shared, Product Reviewed, Viewed Product,
        Page View, Signed Up, Order, Cart, Reordered, Disorder Completed""",
}
ABOUT_PRODUCTS = """
    Products Searched, Product List Viewed, Product List Filtered, Product Clicked, Product Viewed,
    Product Added to Wishlist, Product Removed from Wishlist, Product Shared, Product Reviewed,
    Viewed Product, Viewed Product Category"""


def listed(names: str) -> list[str]:
    return [" ".join(name.split()) for name in names.split(",")]


def spellings(name: str) -> list[str]:
    words = name.split()
    camel = words[0].lower() + "".join(word.capitalize() for word in words[1:])
    changed = [name.lower(), name.upper(), "".join(map(str.capitalize, words)), camel]
    return [name, *changed, f" {name}  ", *(mark.join(words) for mark in ("_", "-", "  ", "_ -"))]


@pytest.mark.parametrize(
    ("name", "effect"),
    [(name, effect) for effect, names in NAMES.items() for name in listed(names)],
)
def test_a_name_has_its_effect_however_it_is_spelled(name: str, effect: str) -> None:
    assert {effect_of(each).value for each in spellings(name)} == {effect}


@pytest.mark.parametrize("name", listed(ABOUT_PRODUCTS))
def test_events_about_products_describe_them_however_they_are_spelled(name: str) -> None:
    for each in spellings(name):
        said = read("track", each, {"product_id": "p", "name": "Tea"})
        assert said.products == [ProductSaid("p", is_full=True, name="Tea")]


@pytest.mark.parametrize("kind", ["track", "page", "screen"])
def test_what_carries_an_id_of_an_order_or_cart_counts(kind: str) -> None:
    for name in ("order_id", "cart_id", "checkout_id"):
        assert is_about_orders(kind, "x", f'{{"{name}": 1}}'.encode())


@pytest.mark.parametrize("kind", ["identify", "group", "alias"])
def test_other_kinds_never_count(kind: str) -> None:
    assert not is_about_orders(kind, "Order Completed", b'{"order_id": 1}')


def test_most_events_do_not_count() -> None:
    assert not is_about_orders("track", "Clicked", b'{"id": 1, "reorder_id": 2}')
    assert not is_about_orders("page", "Order Completed", b"{}")
    assert is_about_orders("track", "Product Viewed", b"{}")


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_the_name_of_a_page_has_no_effect(kind: str) -> None:
    said = read(kind, "Order Completed", {"order_id": 1, "products": [{"id": 2}]})
    assert (said.effect, said.order_id, said.lines) == (Effect.NONE, "1", [Line("2")])
