"""Any arrival of the same events, in any batches and more than once, gives the same orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders import abandonment
from orders.apply import Fact
from tests.db.shop import ADA, BOB, Orders, arrive, fact, stored, told

_NAMES = """
    Cart Viewed, Product Added, Product Removed, Order Placed, Order Completed, Order Updated,
    Order Refunded, Order Cancelled, Product Viewed, Clicked"""
_IDS = {"order_id": ("o1", "o2", "o3"), "checkout_id": ("k1", "k2"), "cart_id": ("c1", "c2")}
_LINES = st.lists(
    st.fixed_dictionaries(
        {"product_id": st.sampled_from(["p1", "p2"])},
        optional={"quantity": st.integers(0, 3), "price": st.sampled_from([2, "3.5", "x"])},
    ),
    max_size=3,
)
_SAID = st.fixed_dictionaries(
    {},
    optional={
        "products": _LINES,
        "product_id": st.sampled_from(["p1", "p2"]),
        "total": st.sampled_from([0, 5, "7.50", 1e40]),
        "revenue": st.sampled_from([4, "-4"]),
        "tax": st.integers(0, 2),
        "paid": st.booleans(),
        "currency": st.sampled_from(["eur", "usd"]),
    },
)


@st.composite
def _named(draw: st.DrawFn) -> dict[str, str]:
    """Mostly one id; sometimes two or three, or none."""
    kinds = draw(st.lists(st.sampled_from([*_IDS]), max_size=3, unique=True))
    return {kind: draw(st.sampled_from(_IDS[kind])) for kind in kinds}


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What happened within five minutes, some of it at the same moment."""
    return [
        {
            "minute": draw(st.integers(0, 5)),
            "name": draw(st.sampled_from(_NAMES.split(","))).strip(),
            "payload": {**draw(_named()), **draw(_SAID)},
            "kind": draw(st.sampled_from(["track", "track", "track", "page"])),
            "actor_key": draw(st.sampled_from([ADA, BOB])),
            "trusted": draw(st.sampled_from([True, True, False])),
            "event_id": UUID(int=id_),
        }
        for id_ in draw(st.permutations(range(1, draw(st.integers(2, 12)))))
    ]


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[int]]:
    """Of twelve events each at least once, in any order and any batches."""
    order = draw(st.permutations([*range(12), *draw(st.lists(st.integers(0, 11), max_size=4))]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def happened(log: Sequence[dict[str, Any]]) -> list[Fact]:
    shop = uuid4()
    return [fact(shop, **each) for each in log]


def come_in(facts: Sequence[Fact], batches: Sequence[Sequence[int]]) -> Orders:
    for batch in batches:
        arrive(*[facts[number] for number in batch if number < len(facts)])
    return stored(facts[0].organization_id)


@given(logs(), arrivals())
@settings(max_examples=150, deadline=None)
def test_any_arrival_gives_the_orders_that_the_events_tell_of(
    log: list[dict[str, Any]], batches: list[list[int]]
) -> None:
    facts = happened(log)
    assert come_in(facts, batches) == told(facts)


@pytest.fixture
def _short_histories(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr("orders.apply.HISTORY_MAX", 3)
        patched.setattr("orders.apply.BATCH_MAX", 6)
        yield


@pytest.mark.usefixtures("_short_histories")
@given(logs(), arrivals())
@settings(max_examples=60, deadline=None)
def test_histories_too_long_for_a_request_come_to_the_same_in_the_end(
    log: list[dict[str, Any]], batches: list[list[int]]
) -> None:
    facts = happened(log)
    come_in(facts, batches)
    abandonment.refold_stale()
    assert stored(facts[0].organization_id) == told(facts)


@given(logs())
@settings(max_examples=30, deadline=None)
def test_what_comes_in_order_needs_no_second_look(log: list[dict[str, Any]]) -> None:
    facts = sorted(happened(log), key=lambda each: (each.occurred_at, each.event_id))
    assert come_in(facts, [[number] for number in range(len(facts))]) == told(facts)
