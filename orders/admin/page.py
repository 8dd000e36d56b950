"""One order as staff look at it: its figures, its lines, what became of it, who spoke of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from orders.admin.amounts import STATUS_LABELS, quantity_text, with_currency
from orders.admin.buyers import Buyer, buyers_of
from orders.keys import PRODUCT, key_of
from orders.lifecycle import HISTORY_MAX, State
from orders.lines import value_of
from orders.models import Order
from orders.says import Line

_ICONS = {
    "incomplete": "shopping_cart",
    "completed": "check_circle",
    "cancelled": "cancel",
    "refunded": "undo",
    "partially_refunded": "undo",
}
#: At one instant an order is begun, then placed, then the rest.
_FIRST = {"incomplete": 0, "placed": 1}


class Figure(NamedTuple):
    """An amount, by its name."""

    name: str
    amount: str


class Item(NamedTuple):
    """A line of the order, and which product it is about."""

    line: Line
    product_key: UUID
    quantity: str
    price: str
    total: str


class Mark(NamedTuple):
    """Something that became of the order, and by which event where one says so."""

    title: str
    label: str
    icon: str
    at: datetime
    event_id: UUID | None = None


class Shown(NamedTuple):
    """Everything that the page shows besides the row itself."""

    figures: Sequence[Figure]
    items: Sequence[Item]
    items_total: str
    marks: Sequence[Mark]
    #: There may be more changes than a state keeps.
    is_cut: bool
    events: int
    others: Sequence[Buyer]
    #: Others who were erased.
    nobodies: int


def shown(order: Order) -> Shown:
    """Read an order's page off its state. Statements: those of `buyers_of`."""
    state = msgspec.convert(order.state, State)
    others = buyers_of(state.others)
    return Shown(
        figures=_figures(order, state),
        items=[_item(order, line) for line in state.lines],
        items_total=with_currency(value_of(state.lines), order.currency),
        marks=_marks(order, state),
        is_cut=len(state.history) >= HISTORY_MAX,
        events=state.operations,
        others=[others[key] for key in state.others if key in others],
        nobodies=sum(key not in others for key in state.others),
    )


def _figures(order: Order, state: State) -> list[Figure]:
    """Write what is known; the total always."""
    money = state.money
    rest = (
        ("Subtotal", money.subtotal),
        ("Tax", money.tax),
        ("Shipping", money.shipping),
        ("Discount", money.discount),
        ("Refunded", order.refunded_total or None),
    )
    said = [Figure(name, with_currency(amount, order.currency)) for name, amount in rest]
    total = with_currency(order.total, order.currency) or "unknown"
    return [Figure("Total", total), *(figure for figure in said if figure.amount)]


def _item(order: Order, line: Line) -> Item:
    return Item(
        line=line,
        product_key=key_of(order.organization_id, PRODUCT, line.product_id),
        quantity=quantity_text(line.quantity),
        price=with_currency(line.price),
        total=with_currency(value_of([line])),
    )


def _marks(order: Order, state: State) -> list[Mark]:
    """Tell in the order of time what became of the order."""
    steps = [
        Mark(
            step.status.replace("_", " "),
            STATUS_LABELS[step.status],
            _ICONS[step.status],
            step.occurred_at,
            step.event_id,
        )
        for step in state.history
    ]
    if order.placed_at:
        steps.append(Mark("placed", "info", "receipt_long", order.placed_at))
    if order.abandoned_at:
        steps.append(Mark("abandoned", "danger", "remove_shopping_cart", order.abandoned_at))
    return sorted(steps, key=lambda mark: (mark.at, _FIRST.get(mark.title, len(_FIRST))))
