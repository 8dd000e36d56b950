"""Orders through the whole pipeline: one transaction with the event, one person, each event once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from identity.identifiers import EMAIL, Identifier
from identity.models import Identifier as IdentifierRow
from identity.models import Merge
from ingest.isolation import process_isolated
from ingest.models import Event, FailedEvent
from ingest.record import Outcome, Record
from keystone import clock
from keystone.source import Source
from orders.models import Order, OrderOp
from tests.db.people import undo
from tests.db.shop import lines_of, the_order
from tests.make import COOKIE, make_record

EVA = Identifier(EMAIL, "eva@example.com")
START = clock.now() - timedelta(days=1)


def told(
    source: Source, minute: float, name: str, payload: Mapping[str, Any], *who: Identifier
) -> Record:
    return make_record(
        source,
        name=name,
        occurred_at=START + timedelta(minutes=minute),
        payload=json.dumps(payload).encode(),
        identifiers=who or (COOKIE,),
    )


def arrive(*records: Record) -> list[Outcome]:
    results = process_isolated(records, clock.now())
    assert all(isinstance(each, Outcome) for each in results)
    return results


def owner(order: Order) -> UUID:
    return IdentifierRow.objects.get(key=order.actor_key).profile_id


def test_a_cart_on_one_device_and_its_completion_from_a_backend_are_one_order(
    source: Source, public_source: Source
) -> None:
    shop = source.organization_id
    done = {"order_id": "E-1", "total": "79.90", "products": [{"product_id": "boots"}]}
    arrive(told(source, 20, "Order Completed", done, EVA))
    late = {"order_id": "E-1", "products": [{"product_id": "socks"}]}
    arrive(told(public_source, 5, "Cart Updated", late))
    shadow = owner(the_order(shop))
    assert (the_order(shop).status, lines_of(the_order(shop))) == ("completed", [("boots", 1)])
    arrive(told(source, 30, "Signed In", {}, EVA, COOKIE))
    anchor = IdentifierRow.objects.get(organization_id=shop, kind=EMAIL).profile_id
    assert owner(the_order(shop)) == anchor != shadow
    undo(Merge.objects.get(organization_id=shop).id, shop)
    assert owner(the_order(shop)) == shadow


def test_a_sender_hears_of_its_order_and_a_repeat_does_not(source: Source) -> None:
    record = told(source, 0, "Order Completed", {"order_id": 12, "total": "x"})
    first, repeat = arrive(record)[0], arrive(record)[0]
    assert first.order is not None
    assert (first.order.order_id, first.order.status, first.order.created) == (
        "12",
        "completed",
        True,
    )
    assert first.warnings == ("payload.total is no number: ignored",)
    assert (repeat.status, repeat.order) == ("duplicate", None)


def test_an_event_that_comes_again_in_any_batch_has_no_second_effect(source: Source) -> None:
    added = told(source, 0, "Product Added", {"order_id": 1, "product_id": "p"})
    arrive(added, added)
    arrive(told(source, 1, "Product Added", {"order_id": 1, "product_id": "p"}), added)
    assert lines_of(the_order(source.organization_id)) == [("p", 2)]


def test_figures_that_fit_nowhere_never_cost_an_event_or_its_neighbours(source: Source) -> None:
    absurd = [{"id": 1, "quantity": 999_999_999, "price": "9999999999999999"}] * 3
    records = [
        told(source, 0, "Product Added", {"order_id": 1, "products": absurd}),
        told(source, 1, "Order Refunded", {"order_id": 1, "products": absurd, "tax": 1e308}),
        told(source, 2, "Order Completed", {"order_id": 2, "total": 5}),
    ]
    assert [each.status for each in arrive(*records)] == ["stored"] * 3
    assert not FailedEvent.objects.filter(organization_id=source.organization_id).exists()
    refunded = Order.objects.get(organization_id=source.organization_id, external_id="1")
    assert refunded.refunded_total == Decimal(10) ** 20 - 1


def test_identify_group_and_alias_never_speak_of_orders(source: Source) -> None:
    arrive(
        *[
            make_record(source, kind=kind, name="Order Completed", payload=b'{"order_id": 1}')
            for kind in ("identify", "group", "alias")
        ]
    )
    assert not OrderOp.objects.filter(organization_id=source.organization_id).exists()
    assert Event.objects.filter(organization_id=source.organization_id).count() == 3


def test_a_public_key_completes_and_does_not_refund(public_source: Source) -> None:
    arrive(told(public_source, 0, "Order Completed", {"order_id": 1}))
    (heard,) = arrive(told(public_source, 1, "Order Refunded", {"order_id": 1}))
    assert heard.warnings == ("an order is not refunded by a public key: ignored",)
    assert the_order(public_source.organization_id).status == "completed"
