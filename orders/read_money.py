"""Pure: how answers write money: as text, so that nobody's floating point rounds it.

As stored, with two to four decimals: what is beyond the second is left out where it is nought.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

#: An amount of money, as `amount_text` writes it.
Amount = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": r"^-?\d+\.\d{2,4}$"})]

_PLACES = Decimal("0.0001")  # as it is stored


def amount_text(amount: Decimal) -> str:
    """Write an amount.

    >>> [amount_text(Decimal(each)) for each in ("19.9000", "5", "-0.1250", "1E+19")]
    ['19.90', '5.00', '-0.125', '10000000000000000000.00']
    """
    whole, _, decimals = str(amount.quantize(_PLACES)).partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def amount_or_none(amount: Decimal | None) -> str | None:
    """Write an amount where there is one."""
    return None if amount is None else amount_text(amount)
