"""Pure: how admin pages write amounts, quantities and the status of an order."""

from __future__ import annotations

from decimal import Decimal

from orders.read_money import amount_text

#: The theme's colours.
STATUS_LABELS = {
    "incomplete": "info",
    "completed": "success",
    "cancelled": "danger",
    "refunded": "warning",
    "partially_refunded": "warning",
}


def with_currency(amount: Decimal | None, currency: str = "") -> str:
    """Write an amount for people; "" where there is none.

    >>> with_currency(Decimal("1234.5000"), "EUR"), with_currency(Decimal("-0.1250"))
    ('1,234.50 EUR', '-0.125')
    """
    return "" if amount is None else f"{Decimal(amount_text(amount)):,f} {currency}".strip()


def quantity_text(quantity: Decimal) -> str:
    """Write a quantity.

    >>> quantity_text(Decimal("1000.0000")), quantity_text(Decimal("0.5000"))
    ('1,000', '0.5')
    """
    whole, dot, decimals = f"{quantity:,f}".partition(".")
    return f"{whole}{dot}{decimals}".rstrip("0").rstrip(".") if dot else whole
