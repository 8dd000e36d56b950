"""Pure: amounts and quantities as shops write them. Money is Decimal(20, 4) (keystone.md §7)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

#: Beyond these a figure is a mistake: Decimal(20, 4) holds no more.
AMOUNT_MAX = Decimal(10) ** 16
_PLACES = Decimal("0.0001")
_TEXT_MAX = 40


def amount(value: object) -> Decimal | None:
    """Read an amount, rounded to four places; None for what is absent or empty.

    Raises `ValueError` with a sentence for what is no amount.

    >>> amount("19.90"), amount(5), amount(0.1), amount(" "), amount(None)
    (Decimal('19.9000'), Decimal('5.0000'), Decimal('0.1000'), None, None)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = _number(value)
    if abs(number) >= AMOUNT_MAX:
        raise ValueError("is larger than any amount of money")
    return number.quantize(_PLACES)


def quantity(value: object) -> Decimal | None:
    """Read a quantity as `amount` does; a negative one is none.

    >>> quantity("2"), quantity(1.5)
    (Decimal('2.0000'), Decimal('1.5000'))
    """
    number = amount(value)
    if number is not None and number < 0:
        raise ValueError("is negative")
    return number


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is no number")
    text = str(value).strip()
    try:
        number = Decimal(text) if len(text) <= _TEXT_MAX else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise ValueError("is no number")
    return number
