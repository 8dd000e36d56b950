"""Pure: what the name of an event means for an order, whatever the dialect (keystone.md §7).

Names match ignoring case, spaces, `_`, `-` and camelCase. Segment's e-commerce spec v2 and the
names of its v1 are all here.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache


class Effect(enum.StrEnum):
    """What an event does to the order that it names."""

    NONE = "none"  # the order exists; nothing else
    CART = "cart"  # a cart or checkout goes on; lines given replace
    ADD = "add"
    REMOVE = "remove"
    PLACED = "placed"
    COMPLETED = "completed"
    UPDATED = "updated"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


_EFFECTS = {
    Effect.CART: """
        Cart Updated, Cart Viewed, Viewed Cart, Updated Cart, Cart Shared,
        Checkout Started, Started Checkout, Checkout Updated, Checkout Step Viewed,
        Checkout Step Completed, Viewed Checkout Step, Completed Checkout Step,
        Payment Info Entered, Entered Payment Info,
        Coupon Entered, Coupon Applied, Coupon Denied, Coupon Removed""",
    Effect.ADD: """
        Added to Cart, Product Added, Added Product, Product Added to Cart,
        Wishlist Product Added to Cart""",
    Effect.REMOVE: """
        Removed from Cart, Product Removed, Removed Product, Product Removed from Cart""",
    Effect.PLACED: "Order Created, Order Placed, Created Order, Placed Order",
    Effect.COMPLETED: """
        Order Completed, Completed Order, Order Paid, Purchase, Checkout Completed""",
    Effect.UPDATED: "Order Updated, Updated Order",
    Effect.REFUNDED: "Order Refunded, Refunded Order",
    Effect.CANCELLED: "Order Cancelled, Order Canceled, Cancelled Order, Canceled Order",
}
#: Events that tell of products themselves: what these say of one is worth more than a line.
_PRODUCTS = """
    Product Viewed, Viewed Product, Product Clicked, Clicked Product, Product Shared,
    Shared Product, Product Reviewed, Reviewed Product, Product List Viewed, Viewed Product List,
    Viewed Product Category, Product List Filtered, Filtered Product List,
    Product Added to Wishlist, Product Removed from Wishlist, Products Searched, Searched Products"""

_SEPARATORS = re.compile(r"[\s_\-]+")


@lru_cache(maxsize=4096)
def effect_of(name: str) -> Effect:
    """Return what a track event of this name does to an order.

    >>> [effect_of(name).value for name in ("Order Completed", "orderCompleted", "ORDER_PAID", "x")]
    ['completed', 'completed', 'completed', 'none']
    """
    plain = _plain(name)
    found = _BY_NAME.get(plain)
    if found is None and plain.startswith("checkoutstep"):
        return Effect.CART
    return found or Effect.NONE


@lru_cache(maxsize=4096)
def matters(name: str) -> bool:
    """Say whether a track event of this name has to do with orders or products whatever it says."""
    return effect_of(name) is not Effect.NONE or tells_of_products(name)


@lru_cache(maxsize=4096)
def tells_of_products(name: str) -> bool:
    """Say whether an event of this name describes products, rather than a cart.

    >>> tells_of_products("product_viewed"), tells_of_products("Product Added")
    (True, False)
    """
    return _plain(name) in _PRODUCT_NAMES


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name).lower()


def _names(text: str) -> list[str]:
    return [_plain(name) for name in text.split(",")]


_BY_NAME = {name: effect for effect, text in _EFFECTS.items() for name in _names(text)}
_PRODUCT_NAMES = frozenset(_names(_PRODUCTS))
