"""Pure: how what events say adds up to an order, whatever the order of arrival (keystone.md §7).

An order is the fold of its operations in the order (event time, event id).

| operation | status | lines |
|---|---|---|
| cart, none | incomplete if new | a list replaces |
| add, remove | incomplete if new | that line: quantity + or −, gone at 0 |
| placed | incomplete, completed if paid; `placed_at` | a list replaces |
| completed | completed, but not after a refund; after a cancellation only when later | a list replaces |
| updated | incomplete if new | a list replaces |
| refunded | refunded, or partially_refunded below the total | kept |
| cancelled | cancelled | kept |

What each makes of a new order, and which move one that is incomplete, completed …:

>>> def after(*effects, **said):
...     return fold(
...         Operation(event_id=UUID(int=n), occurred_at=datetime(2026, 1, n), effect=each, **said)
...         for n, each in enumerate(map(Effect, effects), 1))
>>> def moves(*effects):
...     moved = ((each.value, after(*effects, each).status) for each in Effect)
...     return {effect: status for effect, status in moved if status != after(*effects).status}
>>> [each.value for each in Effect if after(each).status == "incomplete"]
['none', 'cart', 'add', 'remove', 'placed', 'updated']
>>> moves("cart") == moves("placed") == {e: e for e in ("completed", "refunded", "cancelled")}
True
>>> moves("completed"), moves("refunded")
({'refunded': 'refunded', 'cancelled': 'cancelled'}, {'cancelled': 'cancelled'})
>>> moves("cancelled")
{'completed': 'completed', 'refunded': 'refunded'}
>>> moves("refunded", "cancelled")
{'completed': 'refunded', 'refunded': 'refunded'}
>>> after("placed", is_paid=True).status, after("placed").placed_at.day
('completed', 1)
>>> five = Money(total=Decimal(5))
>>> after("completed", "refunded", money=five).status, after("refunded", money=five).status
('refunded', 'partially_refunded')
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from orders import lines, money
from orders.names import Effect
from orders.says import Line, Money, Said

INCOMPLETE, COMPLETED, CANCELLED = "incomplete", "completed", "cancelled"
REFUNDED, PARTIALLY_REFUNDED = "refunded", "partially_refunded"
STATUSES = (INCOMPLETE, COMPLETED, CANCELLED, REFUNDED, PARTIALLY_REFUNDED)

HISTORY_MAX, OTHERS_MAX = 100, 20
#: An order takes no more; those that happened first stand, whatever came in first.
OPERATIONS_MAX = 10_000
ZERO = Decimal(0)
#: After one of these somebody who does not go on has abandoned a cart.
_SHOPPING = frozenset({Effect.CART, Effect.ADD, Effect.REMOVE})
#: What a page's source must not do (DESIGN §5, Protection).
_NEEDS_TRUST = frozenset({Effect.REFUNDED, Effect.CANCELLED})


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one event said of an order or cart, and its place in the fold."""

    event_id: UUID
    occurred_at: datetime
    actor_key: UUID | None = None  # None: of somebody who was erased
    effect: Effect = Effect.NONE
    is_paid: bool = False
    lines: list[Line] | None = None
    money: Money = Money()
    currency: str = ""

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Return what the fold goes by."""
        return self.occurred_at, self.event_id


class Touched(msgspec.Struct, frozen=True):
    """What an event's sender hears of the order that it named."""

    order_id: str
    status: str
    created: bool


class Step(msgspec.Struct, frozen=True):
    """The order's status became another."""

    status: str
    occurred_at: datetime
    event_id: UUID


class State(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An order as its operations say; plain JSON when stored."""

    operations: int = 0  # how many it is the fold of
    stage: str = ""  # incomplete, completed, cancelled, refunded; partly or not is in the figures
    lines: list[Line] = []
    #: Of the last operation that gave any of total, revenue, value.
    basis: Money = Money()
    money: Money = Money()  # subtotal, tax, shipping, discount: each as last given
    currency: str = ""
    refunded: Decimal = ZERO
    is_refunded_whole: bool = False
    created_at: datetime | None = None
    placed_at: datetime | None = None
    completed_at: datetime | None = None
    cancelled_at: datetime | None = None
    owner: UUID | None = None  # the actor key that made it; None: of somebody who was erased
    others: list[UUID] = []  # who else spoke of it
    history: list[Step] = []
    last: tuple[datetime, UUID] | None = None
    is_shopping: bool = False  # nothing but looks came after what was a cart's or checkout's

    @property
    def total(self) -> Decimal | None:
        """Return the total given, else revenue + shipping + tax, else value, else Σ lines."""
        if self.basis.total is not None:
            return self.basis.total
        if self.basis.revenue is not None:
            return self.basis.revenue + (self.money.shipping or ZERO) + (self.money.tax or ZERO)
        if self.basis.value is not None:
            return self.basis.value
        return lines.value_of(self.lines)

    @property
    def refunded_total(self) -> Decimal:
        """Return what was given back: for a refund without an amount everything."""
        return (self.total or self.refunded) if self.is_refunded_whole else self.refunded

    @property
    def status(self) -> str:
        """Return the status as people see it."""
        if self.stage != REFUNDED or self.is_refunded_whole:
            return self.stage
        total = self.total
        return REFUNDED if total is not None and self.refunded >= total else PARTIALLY_REFUNDED


def operation(
    said: Said, *, event_id: UUID, occurred_at: datetime, actor_key: UUID, trusted: bool
) -> Operation:
    """Make an operation of what an event said.

    What is said by a page neither cancels nor refunds: `said.warnings` tells so.
    """
    effect = said.effect
    if effect in _NEEDS_TRUST and not trusted:
        said.warnings.append(f"an order is not {effect.value} by a public key: ignored")
        return Operation(event_id=event_id, occurred_at=occurred_at, actor_key=actor_key)
    return Operation(
        event_id=event_id,
        occurred_at=occurred_at,
        actor_key=actor_key,
        effect=effect,
        is_paid=said.is_paid,
        lines=said.lines,
        money=said.money,
        currency=said.currency,
    )


def fold(operations: Iterable[Operation]) -> State:
    """Return the order that the operations add up to, whatever order they come in."""
    state = State()
    for each in sorted(operations, key=lambda each: each.place):
        apply(state, each)
    return state


def is_next(state: State, operation: Operation) -> bool:
    """Say whether an operation comes after everything in `state`; else fold all of them again."""
    return state.last is None or state.last < operation.place


def apply(state: State, operation: Operation) -> None:
    """Add the next operation, in place."""
    if state.operations >= OPERATIONS_MAX:
        return
    before = state.status
    if state.last is None:
        state.created_at, state.owner = operation.occurred_at, operation.actor_key
    _hear(state, operation.actor_key)
    _take_money(state, operation)
    _move(state, operation)
    if operation.lines is not None:
        state.lines = lines.after(state.lines, operation.effect, operation.lines)
    if operation.effect is not Effect.NONE:
        state.is_shopping = operation.effect in _SHOPPING
    state.last = operation.place
    state.operations += 1
    if state.status != before and len(state.history) < HISTORY_MAX:
        step = Step(state.status, operation.occurred_at, operation.event_id)
        state.history = [*state.history, step]


def _hear(state: State, actor_key: UUID | None) -> None:
    if actor_key and actor_key != state.owner and actor_key not in state.others:
        state.others = [*state.others, actor_key][:OTHERS_MAX]


def _take_money(state: State, operation: Operation) -> None:
    state.currency = operation.currency or state.currency
    if operation.effect in (Effect.REFUNDED, Effect.ADD, Effect.REMOVE):
        # Its figures are those of the refund, or of one product.
        if operation.effect is not Effect.REFUNDED:
            state.basis = Money()
        return
    said = operation.money
    if (said.total, said.revenue, said.value) != (None, None, None):
        state.basis = Money(total=said.total, revenue=said.revenue, value=said.value)
    elif operation.lines is not None and operation.effect in lines.REPLACES:
        state.basis = Money()  # it was that of other lines
    state.money = Money(
        subtotal=_newer(said.subtotal, state.money.subtotal),
        tax=_newer(said.tax, state.money.tax),
        shipping=_newer(said.shipping, state.money.shipping),
        discount=_newer(said.discount, state.money.discount),
    )


def _newer(said: Decimal | None, known: Decimal | None) -> Decimal | None:
    return known if said is None else said


def _move(state: State, operation: Operation) -> None:
    at, effect = operation.occurred_at, operation.effect
    if effect is Effect.PLACED:
        state.placed_at = state.placed_at or at
    if effect is Effect.COMPLETED or (effect is Effect.PLACED and operation.is_paid):
        _complete(state, at)
    elif effect is Effect.REFUNDED:
        _refund(state, operation)
    elif effect is Effect.CANCELLED:
        state.stage, state.cancelled_at = CANCELLED, at
    elif not state.stage:
        state.stage = INCOMPLETE


def _complete(state: State, at: datetime) -> None:
    if state.cancelled_at is not None and state.stage == CANCELLED:
        if at <= state.cancelled_at:
            return
        # It counts no more, but what was given back before it does.
        state.cancelled_at = None
        state.stage = REFUNDED if state.is_refunded_whole or state.refunded else COMPLETED
    elif state.stage != REFUNDED:
        state.stage = COMPLETED
    state.completed_at = state.completed_at or at


def _refund(state: State, operation: Operation) -> None:
    """Give back an amount, or lines, or all of it. Some shops write an amount with a minus."""
    state.stage = REFUNDED
    said = operation.money
    given = (amount for amount in (said.total, said.revenue, said.value) if amount is not None)
    amount = next(given, None)
    if amount is None and operation.lines:
        amount = lines.value_of(lines.priced(operation.lines, state.lines)) or ZERO
    state.is_refunded_whole = state.is_refunded_whole or amount is None
    state.refunded = money.stored(state.refunded + abs(amount or ZERO))
