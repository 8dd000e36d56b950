"""docs/orders.md says of names, states and totals what the code does."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from keystone.clock import from_ms
from orders import names
from orders.lifecycle import STATUSES, Operation, State, fold, operation
from orders.names import Effect, effect_of, tells_of_products
from orders.says import read

DOC = (Path(__file__).parent.parent / "docs/orders.md").read_text()
Event = tuple[str, dict[str, Any]]


def section(title: str) -> str:
    return DOC.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table(title: str) -> list[list[str]]:
    """Return the rows of the first table of a section, the head too."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [head, *rows]


def folded(events: list[Event]) -> State:
    """An order of a backend's events, a minute apart."""
    return fold(_operation(number, *event) for number, event in enumerate(events))


def _operation(number: int, name: str, payload: dict[str, Any]) -> Operation:
    return operation(
        read("track", name, {"order_id": 1, **payload}),
        event_id=UUID(int=number),
        occurred_at=from_ms(0) + timedelta(minutes=number),
        actor_key=UUID(int=7),
        trusted=True,
    )


NAMES = {row[0].strip("`"): row[1].split(", ") for row in table("What makes an order")[1:]}
PRODUCT_NAMES = " ".join(section("Products").split("\n\n")[1].rstrip(".").split()).split(", ")


@pytest.mark.parametrize(
    ("effect", "name"), [(effect, name) for effect in NAMES for name in NAMES[effect]]
)
def test_every_name_of_an_event_does_what_is_documented(effect: str, name: str) -> None:
    assert effect_of(name) == effect


@pytest.mark.parametrize("name", PRODUCT_NAMES)
def test_every_documented_event_about_products_is_one(name: str) -> None:
    assert tells_of_products(name)


def test_every_name_that_has_an_effect_is_documented() -> None:
    documented = {names._plain(name) for said in NAMES.values() for name in said}
    assert documented == names._BY_NAME.keys()
    assert {names._plain(name) for name in PRODUCT_NAMES} == names._PRODUCT_NAMES
    assert NAMES.keys() == set(Effect) - {Effect.NONE}


PAID: Event = ("Order Completed", {"total": 100})
#: What makes an order that is in a state.
BEFORE: dict[str, list[Event]] = {
    "new": [],
    "incomplete": [("Cart Updated", {})],
    "completed": [PAID],
    "partially_refunded": [PAID, ("Order Refunded", {"total": 10})],
    "refunded": [PAID, ("Order Refunded", {})],
    "cancelled": [("Cart Updated", {}), ("Order Cancelled", {})],
}
#: What the words beside an effect mean.
SAID: dict[str, dict[str, Any]] = {"paid": {"status": "paid"}, "a part": {"total": "10"}}

HEAD, *ROWS = table("The states")


@pytest.mark.parametrize(
    ("state", "column", "next_state"),
    [(row[0], HEAD[number], cell) for row in ROWS for number, cell in enumerate(row) if number],
)
def test_every_state_is_followed_by_the_documented_one(
    state: str, column: str, next_state: str
) -> None:
    effects = re.findall(r"`(\w+)`", column)
    word = column.rpartition("`, ")[2] if "`, " in column else ""
    for name in (name for effect in effects for name in NAMES[effect]):
        assert folded([*BEFORE[state], (name, SAID.get(word, {}))]).status == next_state


def test_every_state_is_in_the_table() -> None:
    assert {row[0] for row in ROWS} == {"new", *STATUSES} == BEFORE.keys()
    effects = {effect for column in HEAD for effect in re.findall(r"`(\w+)`", column)}
    assert effects == set(NAMES)


@pytest.mark.parametrize(("payload", "total"), table("Money")[1:])
def test_every_total_of_the_documentation_is_right(payload: str, total: str) -> None:
    state = folded([("Order Completed", json.loads(payload.strip("`")))])
    assert state.total == Decimal(total)


def test_totals_are_tried_in_the_documented_order() -> None:
    said: dict[str, Any] = {}
    for number, (payload, _) in enumerate(reversed(table("Money")[1:])):
        amounts = json.loads(payload.strip("`"))
        before = folded([("Order Completed", said)]).total
        said = {**said, **{name: _raised(value, number) for name, value in amounts.items()}}
        assert folded([("Order Completed", said)]).total != before


def _raised(value: object, number: int) -> object:
    return value if isinstance(value, list) else float(str(value)) + number
