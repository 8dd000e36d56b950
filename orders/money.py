"""Pure: amounts and quantities as shops write them. Money is Decimal(20, 4) (keystone.md §7)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

#: Beyond these a figure is a mistake. What is added up and multiplied still fits Decimal(24, 4).
AMOUNT_MAX, QUANTITY_MAX = Decimal(10) ** 16, Decimal(10) ** 9
_SUM_MAX = Decimal(10) ** 20 - 1
_PLACES = Decimal("0.0001")
_TEXT_MAX = 40


def amount(value: object, limit: Decimal = AMOUNT_MAX) -> Decimal | None:
    """Read an amount, rounded to four places; None for what is absent or empty.

    Raises `ValueError` with a sentence for what is no amount.

    >>> amount("19.90"), amount(5), amount(0.1), amount(" "), amount(None)
    (Decimal('19.9000'), Decimal('5.0000'), Decimal('0.1000'), None, None)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is no number")
    text = str(value)
    try:
        number = Decimal(text) if len(text) <= _TEXT_MAX else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise ValueError("is no number")
    if not -limit < number < limit or abs(rounded := number.quantize(_PLACES)) >= limit:
        raise ValueError("is larger than any that is meant")
    return rounded


def quantity(value: object) -> Decimal | None:
    """Read a quantity as `amount` does; a negative one is none.

    >>> quantity("2"), quantity(1.5)
    (Decimal('2.0000'), Decimal('1.5000'))
    """
    number = amount(value, QUANTITY_MAX)
    if number is not None and number < 0:
        raise ValueError("is negative")
    return number


def stored(figure: Decimal) -> Decimal:
    """Return what was added up or multiplied as columns hold it: four places, no more than fits.

    >>> stored(Decimal("1.5") * Decimal("0.3333")), stored(Decimal("1e32"))
    (Decimal('0.5000'), Decimal('99999999999999999999.0000'))
    """
    return max(-_SUM_MAX, min(figure, _SUM_MAX)).quantize(_PLACES)
