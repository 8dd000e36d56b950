"""Amounts and quantities: text and numbers, and what is neither."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.money import AMOUNT_MAX, QUANTITY_MAX, amount, quantity, stored


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("19.90", "19.9"),
        (" 19.9 ", "19.9"),
        (19.9, "19.9"),
        (0.1 + 0.2, "0.3"),
        (5, "5"),
        (-5, "-5"),
        ("1e3", "1000"),
        ("+7", "7"),
        (".5", "0.5"),
        ("0", "0"),
        (1e-40, "0"),
        ("0.00005", "0"),
        ("0.00015", "0.0002"),
        ("9999999999999999.9999", "9999999999999999.9999"),
    ],
)
def test_amounts_come_as_text_or_number(said: Any, meant: str) -> None:
    assert amount(said) == Decimal(meant)


@pytest.mark.parametrize("said", [None, "", "  "])
def test_what_is_empty_says_nothing(said: Any) -> None:
    assert amount(said) is None


@pytest.mark.parametrize(
    "said",
    [
        *("free", "€5", "5 EUR", "1,50", "NaN", "-nan", "sNaN", "Infinity", "1" * 41, "0x10"),
        *(float("nan"), float("inf"), True, False, [], {}, [5], {"amount": 5}, "1e", "--1"),
    ],
)
def test_what_is_no_number_is_refused(said: Any) -> None:
    with pytest.raises(ValueError, match="is no number"):
        amount(said)


@pytest.mark.parametrize(
    "said", ["1e40", 1e40, 10**16, -(10**16), "9999999999999999.99999", "1e999999999"]
)
def test_what_no_column_holds_is_refused(said: Any) -> None:
    with pytest.raises(ValueError, match="is larger than any that is meant"):
        amount(said)


@pytest.mark.parametrize("said", [-1, "-0.5"])
def test_a_quantity_is_not_negative(said: Any) -> None:
    with pytest.raises(ValueError, match="is negative"):
        quantity(said)


def test_a_quantity_has_a_limit_of_its_own() -> None:
    assert quantity("999999999") == 999_999_999
    with pytest.raises(ValueError, match="is larger"):
        quantity(int(QUANTITY_MAX))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_what_is_added_up_always_fits_its_column(figure: Decimal) -> None:
    assert abs(stored(figure)) < 10**20
    assert stored(stored(figure)) == stored(figure)


@given(st.one_of(st.floats(), st.integers(), st.text(max_size=50)))
def test_anything_is_an_amount_with_four_places_or_refused(said: Any) -> None:
    try:
        meant = amount(said)
    except ValueError:
        return
    if meant is not None:
        assert abs(meant) < AMOUNT_MAX
        assert meant.as_tuple().exponent == -4
