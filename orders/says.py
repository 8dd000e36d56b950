"""Pure: what one event says of an order, its lines and its products (keystone.md §7).

Whatever is wrong with a figure is a warning: the event is kept, the figure is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from identity.identifiers import is_placeholder
from orders import money
from orders.names import Effect, effect_of, matters, tells_of_products

#: More lines than these are no order that a person made.
LINES_MAX = 1_000
ID_MAX, TEXT_MAX, URL_MAX = 255, 255, 2_048
#: Nobody reads more.
WARNINGS_MAX = 20

Payload = Mapping[str, Any]
#: Where in the payload a line or product is (`products.0.`), itself, and what is said of it.
Article = tuple[str, Payload, "ProductSaid"]

#: Identify, group and alias never speak of orders.
_KINDS = frozenset({"track", "page", "screen"})
#: Without a list, these change no lines: whatever product they name is only looked at.
_NEEDS_LIST = frozenset({Effect.NONE, Effect.CART})
#: A product in their payload is what they are about, so that its `id` is the product's.
_OF_ONE_PRODUCT = frozenset({Effect.ADD, Effect.REMOVE})

_LISTS = ("products", "line_items", "items", "cart")
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

    @property
    def is_silent(self) -> bool:
        """Say whether nothing follows from it, but that what it names exists."""
        return self.effect is Effect.NONE and self.lines is None and self.money == _NO_MONEY


_NO_MONEY = Money()


def is_about_orders(kind: str, name: str, payload: bytes) -> bool:
    """Say cheaply whether an event can matter here; most do not."""
    if kind not in _KINDS:
        return False
    if kind == "track" and matters(name):
        return True
    return b'"order_id"' in payload or b'"cart_id"' in payload or b'"checkout_id"' in payload


def read(kind: str, name: str, payload: Payload) -> Said:
    """Read an event of kind track, page or screen; only a track's name has an effect.

    An event about products says nothing of an order's lines and figures, even if it names one:
    a list of products that was looked at is no cart.
    """
    is_track = kind == "track"
    said = Said(effect=effect_of(name) if is_track else Effect.NONE)
    said.order_id = _id(payload, "order_id", said)
    said.cart_id = _id(payload, "cart_id", said)
    said.checkout_id = _id(payload, "checkout_id", said)
    said.currency = _currency(payload, said)
    if is_track and tells_of_products(name):
        said.products = [article[2] for article in _articles(payload, said, is_full=True)]
    elif said.order_id or said.cart_id or said.checkout_id:
        _read_figures(payload, said)
        _read_lines(payload, said)
    elif said.effect is not Effect.NONE:
        _read_lines(payload, said)
    del said.warnings[WARNINGS_MAX:]
    return said


def _read_figures(payload: Payload, said: Said) -> None:
    said.is_paid = payload.get("paid") is True or any(
        _text(payload.get(each)).lower() in _PAID
        for each in ("status", "payment_status", "financial_status")
    )
    said.money = Money(
        total=_figure(payload, ("total", "total_price", "amount"), "", said),
        revenue=_figure(payload, ("revenue",), "", said),
        value=_figure(payload, ("value",), "", said),
        subtotal=_figure(payload, ("subtotal",), "", said),
        tax=_figure(payload, ("tax",), "", said),
        shipping=_figure(payload, ("shipping",), "", said),
        discount=_figure(payload, ("discount",), "", said),
    )


def _read_lines(payload: Payload, said: Said) -> None:
    articles = _articles(payload, said)
    said.products = [article[2] for article in articles]
    if _list(payload) or (articles and said.effect not in _NEEDS_LIST):
        said.lines = [_line(*article, said) for article in articles]


def _articles(payload: Payload, said: Said, *, is_full: bool = False) -> list[Article]:
    """Return what is in the first list there is; without one, the payload's own product."""
    if found := _list(payload):
        return _listed(*found, said, is_full=is_full)
    # An order's own `id` may be anything.
    names = _PRODUCT_ID if is_full or said.effect in _OF_ONE_PRODUCT else ("product_id", "sku")
    product_id = _product_id(payload, names)
    product = _product(payload, product_id, "", said, is_full=is_full) if product_id else None
    return [("", payload, product)] if product else []


def _listed(place: str, items: list[Any], said: Said, *, is_full: bool) -> list[Article]:
    if len(items) > LINES_MAX:
        said.warnings.append(f"only the first {LINES_MAX} of {len(items)} lines are kept")
    articles = []
    for index, item in enumerate(items[:LINES_MAX]):
        here = f"{place}.{index}."
        product_id = _product_id(item, _PRODUCT_ID) if isinstance(item, dict) else None
        if product_id is None:
            said.warnings.append(f"payload.{here}product_id is missing: the line is ignored")
            continue
        articles.append((here, item, _product(item, product_id, here, said, is_full=is_full)))
    return articles


def _list(payload: Payload) -> tuple[str, list[Any]] | None:
    for name in _LISTS:
        found = payload.get(name)
        if name == "cart" and isinstance(found, dict):
            name, found = "cart.items", found.get("items")
        if isinstance(found, list):
            return name, found
    return None


def _line(place: str, item: Payload, product: ProductSaid, said: Said) -> Line:
    count = _figure(item, ("quantity", "qty"), place, said, money.quantity)
    return Line(
        product_id=product.product_id,
        quantity=_ONE if count is None else count,
        variant=_text(item.get("variant")),
        name=product.name,
        price=product.price,
    )


def _product(
    item: Payload, product_id: str, place: str, said: Said, *, is_full: bool
) -> ProductSaid:
    name = _text(item.get("name")) or _text(item.get("title"))
    return ProductSaid(
        product_id=product_id,
        is_full=is_full and bool(name),
        name=name,
        price=_figure(item, ("price", "unit_price"), place, said),
        currency=_code(item.get("currency")) or said.currency,
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
    read_figure: Callable[[object], Decimal | None] = money.amount,
) -> Decimal | None:
    """Return the first of these members that holds a figure."""
    for name in names:
        if (value := item.get(name)) is None:
            continue
        try:
            found = read_figure(value)
        except ValueError as fault:
            said.warnings.append(f"payload.{place}{name} {fault}: ignored")
            continue
        if found is not None:
            return found
    return None


def _currency(payload: Payload, said: Said) -> str:
    value = payload.get("currency")
    code = _code(value)
    if not code and _text(value):
        said.warnings.append("payload.currency is no ISO code: ignored")
    return code


def _code(value: object) -> str:
    text = _text(value)
    return text.upper() if len(text) == 3 and text.isascii() and text.isalpha() else ""


def _id(payload: Payload, name: str, said: Said) -> str | None:
    """Read an id; what stands for nothing ("undefined", 0) would gather what strangers buy."""
    if (value := payload.get(name)) is None or value == "":
        return None
    text = _id_text(value)
    if text is None:
        said.warnings.append(f"payload.{name} is no text or number of {ID_MAX} characters: ignored")
    elif is_placeholder(text):
        said.warnings.append(f"payload.{name} {text!r} names nothing: ignored")
        return None
    return text


def _product_id(item: Payload, names: Sequence[str]) -> str | None:
    for name in names:
        if text := _id_text(item.get(name)):
            return text
    return None


def _id_text(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= ID_MAX else None


def _text(value: object, most: int = TEXT_MAX) -> str:
    return value.strip()[:most] if isinstance(value, str) else ""


_ONE = Decimal(1)
