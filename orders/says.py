"""Pure: what one event says of an order, its lines and its products (keystone.md §7).

Whatever is wrong with a figure is a warning: the event is kept, the figure is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from orders import money
from orders.names import Effect, effect_of, tells_of_products

#: More lines than these are no order that a person made.
LINES_MAX = 1_000
ID_MAX, TEXT_MAX, URL_MAX = 255, 255, 2_048

Payload = Mapping[str, Any]

#: Identify, group and alias never speak of orders.
_KINDS = frozenset({"track", "page", "screen"})
#: The effects of events that tell of a whole cart: theirs is a list or nothing.
_NEEDS_LIST = frozenset({Effect.NONE, Effect.CART})

_LISTS = ("products", "line_items", "items", "cart.items", "cart")
_PRODUCT_ID = ("product_id", "id", "sku")
_PAID = frozenset({"paid", "complete", "completed", "succeeded"})


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some of one product, in one variant."""

    product_id: str
    quantity: Decimal = Decimal(1)
    variant: str = ""
    name: str = ""
    price: Decimal | None = None


class Money(msgspec.Struct, frozen=True, omit_defaults=True):
    """The figures that an event gives; None: it does not say."""

    total: Decimal | None = None
    revenue: Decimal | None = None
    value: Decimal | None = None
    subtotal: Decimal | None = None
    tax: Decimal | None = None
    shipping: Decimal | None = None
    discount: Decimal | None = None


class ProductSaid(msgspec.Struct, frozen=True):
    """What an event says of one product. `is_full`: it told of the product itself."""

    product_id: str
    is_full: bool = False
    name: str = ""
    price: Decimal | None = None
    currency: str = ""
    brand: str = ""
    category: str = ""
    url: str = ""
    image_url: str = ""


class Said(msgspec.Struct, kw_only=True):
    """Everything that an event says of what people buy."""

    effect: Effect = Effect.NONE
    order_id: str | None = None
    cart_id: str | None = None
    checkout_id: str | None = None
    is_paid: bool = False
    #: None: no list was given; an empty one empties the order.
    lines: list[Line] | None = None
    money: Money = Money()
    currency: str = ""
    products: list[ProductSaid] = []
    warnings: list[str] = []


def is_about_orders(kind: str, name: str, payload: bytes) -> bool:
    """Say cheaply whether an event can matter here; most do not."""
    if kind not in _KINDS:
        return False
    if kind == "track" and (effect_of(name) is not Effect.NONE or tells_of_products(name)):
        return True
    return b"order_id" in payload or b"cart_id" in payload or b"checkout_id" in payload


def read(kind: str, name: str, payload: Payload) -> Said:
    """Read an event of kind track, page or screen; only a track's name has an effect."""
    said = Said(effect=effect_of(name) if kind == "track" else Effect.NONE)
    said.order_id = _id(payload, "order_id", said)
    said.cart_id = _id(payload, "cart_id", said)
    said.checkout_id = _id(payload, "checkout_id", said)
    about_products = kind == "track" and tells_of_products(name)
    if said.order_id or said.cart_id or said.checkout_id:
        _read_order(payload, said)
    elif not about_products and said.effect is Effect.NONE:
        return said
    said.products = list(_products(payload, said, is_full=about_products))
    return said


def _read_order(payload: Payload, said: Said) -> None:
    said.is_paid = payload.get("paid") is True or any(
        _text(payload.get(each)).lower() in _PAID
        for each in ("status", "payment_status", "financial_status")
    )
    said.currency = _currency(payload, said)
    figures = {
        name: _figure(payload, (name,), "", said, money.amount)
        for name in Money.__struct_fields__
        if name != "total"
    }
    total = _figure(payload, ("total", "total_price", "amount"), "", said, money.amount)
    said.money = Money(total=total, **figures)
    items = _items(payload)
    if items is not None:
        said.lines = _lines(items, said)
    elif said.effect not in _NEEDS_LIST and _id_of_product(payload):
        said.lines = _lines([("", payload)], said)


def _items(payload: Payload) -> list[tuple[str, Any]] | None:
    """Return the first list there is, each item with its place."""
    for place in _LISTS:
        found: Any = payload
        for part in place.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, list):
            return [(f"{place}.{index}.", item) for index, item in enumerate(found)]
    return None


def _lines(items: list[tuple[str, Any]], said: Said) -> list[Line]:
    if len(items) > LINES_MAX:
        said.warnings.append(f"only the first {LINES_MAX} of {len(items)} lines are kept")
    lines = []
    for place, item in items[:LINES_MAX]:
        product_id = _id_of_product(item) if isinstance(item, dict) else None
        if product_id is None:
            said.warnings.append(f"{place or 'payload.'}product_id is missing: the line is ignored")
            continue
        count = _figure(item, ("quantity", "qty"), place, said, money.quantity)
        price = _figure(item, ("price", "unit_price"), place, said, money.amount)
        lines.append(
            Line(
                product_id=product_id,
                quantity=Decimal(1) if count is None else count,
                variant=_text(item.get("variant")),
                name=_text(item.get("name")) or _text(item.get("title")),
                price=price,
            )
        )
    return lines


def _products(payload: Payload, said: Said, *, is_full: bool) -> Iterator[ProductSaid]:
    items = _items(payload)
    if items is None:
        items = [("", payload)] if _id_of_product(payload) else []
    for _, item in items[:LINES_MAX]:
        product_id = _id_of_product(item) if isinstance(item, dict) else None
        if product_id is None:
            continue
        name = _text(item.get("name")) or _text(item.get("title"))
        yield ProductSaid(
            product_id=product_id,
            is_full=is_full and bool(name),
            name=name,
            price=_figure(item, ("price", "unit_price"), "", Said(), money.amount),
            currency=_text(item.get("currency")).upper()[:3] or said.currency,
            brand=_text(item.get("brand")),
            category=_text(item.get("category")),
            url=_text(item.get("url"), URL_MAX),
            image_url=_text(item.get("image_url"), URL_MAX),
        )


def _figure(
    item: Payload,
    names: tuple[str, ...],
    place: str,
    said: Said,
    read_figure: Callable[[object], Decimal | None],
) -> Decimal | None:
    """Return the first of these members that holds a figure."""
    for name in names:
        try:
            found = read_figure(item.get(name))
        except ValueError as fault:
            said.warnings.append(f"{place or 'payload.'}{name} {fault}: ignored")
            continue
        if found is not None:
            return found
    return None


def _currency(payload: Payload, said: Said) -> str:
    text = _text(payload.get("currency")).upper()
    if text and not (len(text) == 3 and text.isascii() and text.isalpha()):
        said.warnings.append("payload.currency is no ISO code: ignored")
        return ""
    return text


def _id(payload: Payload, name: str, said: Said) -> str | None:
    value = payload.get(name)
    text = _id_text(value)
    if text is None and value not in (None, ""):
        said.warnings.append(f"payload.{name} is no text or number of {ID_MAX} characters: ignored")
    return text


def _id_of_product(item: Payload) -> str | None:
    # `id` is a product's only inside a list: a payload's own may be anything.
    names = _PRODUCT_ID if "order_id" not in item else ("product_id", "sku")
    return next((text for name in names if (text := _id_text(item.get(name)))), None)


def _id_text(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= ID_MAX else None


def _text(value: object, most: int = TEXT_MAX) -> str:
    return value.strip()[:most] if isinstance(value, str) else ""
