"""Pure: an order's lines, as what events put in, take out or say anew (keystone.md §7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import structs

from orders.money import stored
from orders.names import Effect
from orders.says import LINES_MAX, Line

#: Of these a list is what the order now holds; a refund's or a cancellation's is not.
REPLACES = frozenset({Effect.NONE, Effect.CART, Effect.PLACED, Effect.COMPLETED, Effect.UPDATED})


def after(lines: list[Line], effect: Effect, said: Sequence[Line]) -> list[Line]:
    """Return the lines that there are after an event that named some.

    >>> tea, mugs = Line("tea"), Line("mug", Decimal(2))
    >>> [(each.product_id, int(each.quantity)) for each in after([tea, mugs], Effect.ADD, [tea])]
    [('tea', 2), ('mug', 2)]
    >>> after([tea, mugs], Effect.REMOVE, [tea]) == after([tea], Effect.UPDATED, [mugs]) == [mugs]
    True
    """
    if effect in REPLACES:
        return _summed(said)
    if effect is Effect.ADD:
        return _summed([*lines, *said])
    if effect is Effect.REMOVE:
        return _summed([*lines, *_taken(lines, said)])
    return lines


def value_of(lines: Iterable[Line]) -> Decimal | None:
    """Return what the lines with a price come to; None where none has one."""
    prices = [line.price * line.quantity for line in lines if line.price is not None]
    return stored(sum(prices, Decimal(0))) if prices else None


def priced(said: Iterable[Line], lines: Iterable[Line]) -> list[Line]:
    """Give lines without a price the one that the order knows."""
    known = {_article(line): line.price for line in lines}
    return [
        line if line.price is not None else structs.replace(line, price=known.get(_article(line)))
        for line in said
    ]


def _taken(lines: Iterable[Line], said: Iterable[Line]) -> list[Line]:
    present = {_article(line) for line in lines}
    return [
        structs.replace(line, quantity=-line.quantity) for line in said if _article(line) in present
    ]


def _article(line: Line) -> tuple[str, str]:
    return line.product_id, line.variant


def _summed(lines: Iterable[Line]) -> list[Line]:
    """Bring lines of one article together; the newest name and price stand; none at 0 or below."""
    summed: dict[tuple[str, str], Line] = {}
    for line in lines:
        known = summed.get(_article(line))
        if known is not None:
            line = structs.replace(
                line,
                quantity=known.quantity + line.quantity,
                name=line.name or known.name,
                price=known.price if line.price is None else line.price,
            )
        summed[_article(line)] = line
    return [line for line in summed.values() if line.quantity > 0][:LINES_MAX]
