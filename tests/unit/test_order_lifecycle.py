"""An order is the fold of its operations: status, lines, money, history and whose it is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystone.clock import from_ms
from orders.lifecycle import HISTORY_MAX, OTHERS_MAX, Operation, State, apply, fold, is_next
from orders.names import Effect
from orders.says import LINES_MAX, Line, Money

NOON = from_ms(1_790_000_000_000)
ADA, BOB = UUID(int=7), UUID(int=8)


def told(effect: str, minute: int = 0, **said: Any) -> Operation:
    given = {"event_id": UUID(int=1_000 + minute), "actor_key": ADA, **said}
    return Operation(occurred_at=NOON + timedelta(minutes=minute), effect=Effect(effect), **given)


def after(*said: tuple[str, dict[str, Any]] | str) -> State:
    """Return an order of events a minute apart."""
    events = [(each, {}) if isinstance(each, str) else each for each in said]
    return fold(told(effect, minute, **more) for minute, (effect, more) in enumerate(events))


def money(**figures: float | str) -> dict[str, Money]:
    return {"money": Money(**{name: Decimal(str(value)) for name, value in figures.items()})}


def lines(*items: Line) -> dict[str, list[Line]]:
    return {"lines": [*items]}


def of(product: str, quantity: float = 1, price: float | None = None, **more: str) -> Line:
    amount = None if price is None else Decimal(str(price))
    return Line(product, Decimal(str(quantity)), price=amount, **more)


NEW = {
    **dict.fromkeys(("none", "cart", "add", "remove", "placed", "updated"), "incomplete"),
    **{"completed": "completed", "refunded": "refunded", "cancelled": "cancelled"},
}
#: Before, what comes, after: where it is not as it was. A refund is of all.
MOVES = {
    "cart": {each: each for each in ("completed", "refunded", "cancelled")},
    "placed": {each: each for each in ("completed", "refunded", "cancelled")},
    "completed": {"refunded": "refunded", "cancelled": "cancelled"},
    "refunded": {"cancelled": "cancelled"},
    "cancelled": {"completed": "completed", "refunded": "refunded"},
}


@pytest.mark.parametrize("effect", [*Effect])
def test_a_new_order_is_what_its_first_event_makes_of_it(effect: Effect) -> None:
    assert after(effect.value).status == NEW[effect.value]


@pytest.mark.parametrize("effect", [*Effect])
@pytest.mark.parametrize("before", [*MOVES])
def test_what_comes_next_moves_the_order_or_does_not(before: str, effect: Effect) -> None:
    moved = MOVES[before].get(effect.value, NEW[before])
    assert after(before, effect.value).status == moved


def test_a_paid_order_that_is_placed_is_completed() -> None:
    state = after("cart", ("placed", {"is_paid": True}))
    assert (state.status, state.placed_at, state.completed_at) == (
        "completed",
        *[state.last[0]] * 2,
    )


def test_times_are_those_of_the_first_placing_and_completion_and_the_last_cancellation() -> None:
    state = after("cart", "placed", "placed", "completed", "completed", "cancelled", "cancelled")
    found = (state.created_at, state.placed_at, state.completed_at, state.cancelled_at)
    assert [(each - NOON) // timedelta(minutes=1) for each in found] == [0, 1, 3, 6]


def test_a_completion_after_a_cancellation_takes_it_back_only_when_later() -> None:
    cancelled, completed = told("cancelled", 5), told("completed", 6)
    assert fold([cancelled, completed]).cancelled_at is None
    same = told("completed", 5, event_id=UUID(int=2_000))
    assert (fold([cancelled, same]).status, fold([cancelled, same]).completed_at) == (
        "cancelled",
        None,
    )
    assert fold([cancelled, told("completed", 4)]).status == "cancelled"


def test_a_refund_is_not_forgotten_over_a_cancellation_that_is_taken_back() -> None:
    part = ("refunded", money(total=3))
    state = after(("completed", money(total=9)), part, "cancelled", "completed")
    assert (state.status, state.refunded_total) == ("partially_refunded", 3)


@pytest.mark.parametrize(
    ("refunds", "status", "refunded"),
    [
        ([{}], "refunded", 20),
        ([money(total=20)], "refunded", 20),
        ([money(total=25)], "refunded", 25),
        ([money(total=5)], "partially_refunded", 5),
        ([money(value=-5)], "partially_refunded", 5),
        ([money(total=5), money(revenue="14.99")], "partially_refunded", "19.99"),
        ([money(total=5), money(revenue=15)], "refunded", 20),
        ([money(total=5), {}], "refunded", 20),
        ([money(total=0)], "partially_refunded", 0),
        ([lines(of("p", 2, 3))], "partially_refunded", 6),
        ([lines(of("p", 2))], "partially_refunded", 16),
        ([lines(of("q"))], "partially_refunded", 0),
        ([lines()], "refunded", 20),
    ],
)
def test_refunds_add_up(refunds: list[dict[str, Any]], status: str, refunded: Any) -> None:
    sold = {**money(total=20), **lines(of("p", 2, 8))}
    state = after(("completed", sold), *(("refunded", each) for each in refunds))
    assert (state.status, state.refunded_total) == (status, Decimal(str(refunded)))
    assert (state.lines, state.total) == (sold["lines"], 20)


def test_a_part_becomes_all_once_the_total_is_known() -> None:
    refund, sale = told("refunded", 5, **money(total=5)), told("completed", 0, **money(total=5))
    assert fold([refund]).status == "partially_refunded"
    assert fold([refund, sale]).status == "refunded"


@pytest.mark.parametrize(
    ("said", "total"),
    [
        (money(total="19.90", revenue=1, value=2), "19.90"),
        (money(revenue=10, tax=2, shipping=3, value=99), "15"),
        (money(revenue=10), "10"),
        (money(value=7, tax=2), "7"),
        ({**money(tax=2), **lines(of("p", 2, 1.5), of("q", 3, 2), of("r"))}, "9"),
        (lines(of("p", 1.25, "0.0001")), "0.0001"),
        ({**money(total=0), **lines(of("p", 2, 1.5))}, "0"),
        (lines(of("p", 999_999_999, 9e15)), "99999999999999999999"),  # what fits its column
    ],
)
def test_the_total_is_the_first_figure_there_is(said: dict[str, Any], total: str) -> None:
    assert after(("completed", said)).total == Decimal(total)


def test_without_any_figure_there_is_no_total() -> None:
    assert after(("completed", lines(of("p", 2)))).total is None


def test_a_total_that_was_said_of_other_lines_counts_no_more() -> None:
    said = {**money(total=50), **lines(of("p", 1, 5))}
    assert after(("cart", said), ("add", lines(of("q", 1, 2)))).total == 7
    assert after(("cart", said), ("remove", lines(of("p")))).total is None
    assert after(("cart", said), ("updated", lines(of("q", 3, 2)))).total == 6
    assert after(("cart", said), "completed").total == 50
    assert after(("cart", said), ("completed", money(tax=1))).total == 50


def test_tax_and_the_like_are_each_as_last_said() -> None:
    state = after(("cart", money(tax=1, shipping=2)), ("completed", money(revenue=5, tax=3)))
    assert (state.money, state.total) == (money(tax=3, shipping=2)["money"], 10)


def test_a_refunds_figures_are_not_the_orders() -> None:
    state = after(("completed", money(total=9, tax=1)), ("refunded", money(total=2, tax=5)))
    assert (state.total, state.money.tax) == (9, 1)


def test_adding_and_removing_change_quantities_of_one_product_and_variant() -> None:
    red, blue = of("p", 1, 5, variant="red"), of("p", 1, 6, variant="blue")
    state = after(("add", lines(red)), ("add", lines(blue)), ("add", lines(red, red)))
    assert [(each.variant, each.quantity) for each in state.lines] == [("red", 3), ("blue", 1)]
    fewer = [told("remove", 9, **lines(msgspec.structs.replace(red, quantity=Decimal(2))))]
    apply(state, fewer[0])
    assert [(each.variant, each.quantity) for each in state.lines] == [("red", 1), ("blue", 1)]
    apply(state, told("remove", 10, **lines(red, of("q"))))
    assert [each.variant for each in state.lines] == ["blue"]


def test_what_is_removed_before_it_is_added_is_not_owed() -> None:
    assert after(("remove", lines(of("p", 5))), ("add", lines(of("p")))).lines == [of("p")]


def test_the_newest_name_and_price_of_a_line_stand() -> None:
    state = after(("add", lines(of("p", 1, 5, name="Tea"))), ("add", lines(of("p", 1, 4))))
    assert state.lines == [of("p", 2, 4, name="Tea")]


def test_lines_of_nothing_are_none() -> None:
    assert after(("completed", lines(of("p", 0), of("q", 2), of("q", 1)))).lines == [of("q", 3)]


def test_a_list_in_a_refund_or_cancellation_is_not_the_orders() -> None:
    for effect in ("refunded", "cancelled"):
        state = after(("completed", lines(of("p"))), (effect, lines(of("q"))))
        assert state.lines == [of("p")]


def test_lines_have_a_bound_however_they_come() -> None:
    many = [told("add", n, **lines(of(f"p{n}"))) for n in range(LINES_MAX + 5)]
    assert len(fold(many).lines) == LINES_MAX


def test_history_says_when_the_status_became_another() -> None:
    state = after("cart", "add", "completed", "cart", ("refunded", money(total=1)), "cancelled")
    minutes = [((each.occurred_at - NOON).seconds // 60, each.status) for each in state.history]
    assert minutes == [
        (0, "incomplete"),
        (2, "completed"),
        (4, "partially_refunded"),
        (5, "cancelled"),
    ]


def test_history_and_the_people_who_spoke_of_an_order_have_a_bound() -> None:
    turns = [
        told("cancelled" if n % 2 else "completed", n, actor_key=UUID(int=n + 1))
        for n in range(3 * HISTORY_MAX)
    ]
    state = fold(turns)
    assert (len(state.history), len(state.others)) == (HISTORY_MAX, OTHERS_MAX)
    assert state.owner == UUID(int=1)


def test_an_order_whose_maker_was_erased_is_nobodys() -> None:
    state = fold([told("cart", 0, actor_key=None), told("completed", 1, actor_key=BOB)])
    assert (state.owner, state.others) == (None, [BOB])


@pytest.mark.parametrize(
    ("effects", "is_shopping"),
    [
        (["none"], False),
        (["cart"], True),
        (["add", "none"], True),
        (["cart", "updated"], False),
        (["completed", "remove"], True),
        (["cart", "placed", "none"], False),
    ],
)
def test_whoever_last_had_to_do_with_a_cart_is_shopping(
    effects: list[str], *, is_shopping: bool
) -> None:
    assert after(*effects).is_shopping is is_shopping


amounts = st.decimals(0, 99, places=2)
operations = st.builds(
    Operation,
    event_id=st.uuids(),
    occurred_at=st.integers(0, 5).map(lambda minute: NOON + timedelta(minutes=minute)),
    actor_key=st.sampled_from([None, ADA, BOB]),
    effect=st.sampled_from(Effect),
    is_paid=st.booleans(),
    lines=st.none()
    | st.lists(
        st.builds(
            Line,
            product_id=st.sampled_from("pq"),
            quantity=amounts,
            variant=st.sampled_from(["", "red"]),
            price=st.none() | amounts,
        ),
        max_size=3,
    ),
    money=st.builds(Money, total=st.none() | amounts, revenue=st.none() | amounts),
    currency=st.sampled_from(["", "EUR"]),
)
logs = st.lists(operations, max_size=12, unique_by=lambda each: each.event_id)


@given(logs, st.randoms())
@settings(deadline=None)
def test_any_order_of_arrival_gives_the_same_order(log: list[Operation], random: Any) -> None:
    shuffled = random.sample(log, len(log))
    assert fold(shuffled) == fold(log)


@given(logs, st.integers(0, 12))
@settings(deadline=None)
def test_a_stored_state_goes_on_as_if_it_had_never_been_stored(
    log: list[Operation], cut: int
) -> None:
    in_order = sorted(log, key=lambda each: each.place)
    state = fold(in_order[:cut])
    state = msgspec.json.decode(msgspec.json.encode(state), type=State)
    for each in in_order[cut:]:
        assert is_next(state, each)
        apply(state, each)
    assert state == fold(log)
