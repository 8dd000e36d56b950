"""`GET /v1/orders`, `/v1/orders/{id}`, `/v1/profiles/{id}/orders`."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import Identifier as IdentifierRow
from keystone.paging import encode
from keystone.people import profiles
from orders.models import Order
from tests.http.bought import buy
from tests.http.stored import (
    COOKIE,
    after,
    get,
    pages,
    store_profile,
)
from tests.make import make_organization

ANA = Identifier(EMAIL, "ana@example.com")
BOOTS = {"product_id": "boots", "name": "Boots", "variant": "42", "price": "79.90", "quantity": 2}


def ids(results):
    return [each["order_id"] for each in results]


def order(key, order_id):
    return get(key, f"/v1/orders/{order_id}").json()


def test_an_order_is_answered_whole(organization, keys):
    profile = store_profile(organization, ANA)
    begun = buy(organization, "A-17", "Cart Updated", who=ANA, products=[BOOTS])
    paid = buy(
        organization,
        "A-17",
        minute=2,
        who=ANA,
        products=[{**BOOTS, "price": 79.9}, {"sku": "laces", "quantity": 0.5}],
        revenue=159.8,
        tax=30,
        shipping="4.9",
        subtotal="159.80",
        discount="0.125",
        currency="eur",
    )
    assert order(keys.integration, "A-17") == {
        "order_id": "A-17",
        "status": "completed",
        "profile_id": str(profile.id),
        "currency": "EUR",
        "total": "194.70",
        "subtotal": "159.80",
        "tax": "30.00",
        "shipping": "4.90",
        "discount": "0.125",
        "refunded_total": "0.00",
        "lines": [
            {
                "product_id": "boots",
                "name": "Boots",
                "variant": "42",
                "quantity": 2,
                "price": "79.90",
                "total": "159.80",
            },
            {
                "product_id": "laces",
                "name": "",
                "variant": "",
                "quantity": 0.5,
                "price": None,
                "total": None,
            },
        ],
        "created_at": "2026-11-20T09:00:00.000Z",
        "completed_at": "2026-11-20T09:02:00.000Z",
        "cancelled_at": None,
        "abandoned_at": None,
        "updated_at": "2026-11-20T09:02:00.000Z",
        "history": [
            {
                "status": "incomplete",
                "occurred_at": "2026-11-20T09:00:00.000Z",
                "event_id": str(begun),
            },
            {
                "status": "completed",
                "occurred_at": "2026-11-20T09:02:00.000Z",
                "event_id": str(paid),
            },
        ],
    }


def test_an_order_of_which_nobody_said_a_price_has_no_total(organization, keys):
    buy(organization, 1, "Cart Updated")
    found = order(keys.integration, 1)
    assert (found["total"], found["currency"], found["lines"]) == (None, "", [])


def test_refunds_and_cancellations_are_told(organization, keys):
    buy(organization, 1, total=10)
    buy(organization, 1, "Order Refunded", minute=1, total="2.50")
    buy(organization, 2, "Order Cancelled", minute=1)
    first, second = order(keys.integration, 1), order(keys.integration, 2)
    assert (first["status"], first["refunded_total"]) == ("partially_refunded", "2.50")
    assert (second["status"], second["cancelled_at"]) == ("cancelled", "2026-11-20T09:01:00.000Z")


def test_an_abandoned_cart_says_since_when(organization, keys):
    buy(organization, 1, "Cart Updated")
    Order.objects.filter(organization_id=organization.id).update(abandoned_at=after(60))
    found = order(keys.integration, 1)
    assert (found["status"], found["abandoned_at"]) == ("incomplete", "2026-11-20T10:00:00.000Z")


def test_amounts_beyond_what_a_double_can_hold_keep_their_digits(organization, keys):
    buy(organization, 1, products=[{"id": "p", "price": "9007199254740993.01", "quantity": 3}])
    found = order(keys.integration, 1)
    assert found["total"] == found["lines"][0]["total"] == "27021597764222979.03"


@pytest.mark.parametrize("id_", ["2026/11/20-7", "a//b", "ü ø", "50%", "A?b#c", "12.50"])
def test_a_shops_own_id_may_be_anything(organization, keys, id_):
    buy(organization, id_)
    answer = get(keys.integration, f"/v1/orders/{quote(id_, safe='')}")
    assert (answer.status_code, answer.json().get("order_id")) == (200, id_)


def test_slashes_in_an_id_need_no_encoding(organization, keys):
    buy(organization, "2026/11/7")
    assert order(keys.integration, "2026/11/7")["order_id"] == "2026/11/7"


def test_an_id_that_was_sent_as_a_number_is_found(organization, keys):
    buy(organization, 1234567890123)
    assert order(keys.integration, "1234567890123")["order_id"] == "1234567890123"


@pytest.mark.parametrize("id_", ["b", "%00", "%20", "a" * 300])
def test_an_order_that_never_was_is_not_found(organization, keys, id_):
    buy(organization, "a")
    assert get(keys.integration, f"/v1/orders/{id_}").status_code == 404


def test_another_organizations_order_reads_like_one_that_does_not_exist(keys):
    buy(make_organization(), "theirs")
    answers = [get(keys.integration, f"/v1/orders/{id_}") for id_ in ("theirs", "nobodys")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_an_order_follows_its_identifier_to_another_person(organization, keys):
    store_profile(organization, COOKIE)
    buy(organization, 1)
    other = store_profile(organization, ANA)
    IdentifierRow.objects.filter(organization_id=organization.id).update(profile=other)
    assert order(keys.integration, 1)["profile_id"] == str(other.id)


def test_an_order_of_an_erased_person_is_nobodys(organization, keys):
    store_profile(organization, COOKIE)
    buy(organization, "by key")
    buy(organization, "by identifier")
    IdentifierRow.objects.filter(organization_id=organization.id).update(status="erased")
    Order.objects.filter(external_id="by key").update(actor_key=None)
    (results,) = pages(keys.integration, "/v1/orders")
    assert [each["profile_id"] for each in results] == [None, None]


def test_only_the_organizations_own_orders_are_listed(organization, keys):
    buy(make_organization(), "theirs")
    buy(organization, "ours")
    (results,) = pages(keys.integration, "/v1/orders")
    assert ids(results) == ["ours"]


def test_orders_are_listed_by_when_they_were_begun_newest_first(organization, keys):
    for minute in (2, 3, 1):
        buy(organization, minute, minute=minute)
    buy(organization, 1, "Order Refunded", minute=9)
    (results,) = pages(keys.integration, "/v1/orders")
    assert ids(results) == ["3", "2", "1"]


def test_orders_are_filtered_by_status(organization, keys):
    for each in (1, 2, 3):
        buy(organization, each, "Cart Updated", minute=each)
    buy(organization, 2, minute=5)
    (done,) = pages(keys.integration, "/v1/orders", status="completed")
    (begun,) = pages(keys.integration, "/v1/orders", status="incomplete")
    (every,) = pages(keys.integration, "/v1/orders", status="")
    assert (ids(done), ids(begun), len(every)) == (["2"], ["3", "1"], 3)


@pytest.mark.parametrize(
    ("name", "value"), [("status", "paid"), ("status", "\0"), ("limit", "0"), ("limit", "x")]
)
def test_a_parameter_that_makes_no_sense_is_named(keys, name, value):
    answer = get(keys.integration, "/v1/orders", **{name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", name]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        encode(UUID(int=7)),
        encode(("2026-11-20T09:00:00Z",)),
        encode(("2026-11-20T09:00:00", UUID(int=7))),
        encode(("infinity", UUID(int=7))),
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(keys, cursor):
    answer = get(keys.integration, "/v1/orders", cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_no_cursor_is_too_far_away(keys, at):
    assert get(keys.integration, "/v1/orders", cursor=encode((at, uuid4()))).status_code == 200


@pytest.mark.parametrize("asked", [{}, {"status": "completed"}])
def test_the_pages_join_without_gap_or_overlap(organization, keys, asked):
    for each in range(1, 10):  # two or three of each minute
        buy(organization, each, minute=each // 3)
    found = pages(keys.integration, "/v1/orders", limit=2, **asked)
    assert [len(page) for page in found] == [2, 2, 2, 2, 1]
    listed = [int(id_) for page in found for id_ in ids(page)]
    assert sorted(listed) == list(range(1, 10))
    assert [each // 3 for each in listed] == [3, 2, 2, 2, 1, 1, 1, 0, 0]


def test_one_order_and_many_cost_the_same_statements(organization, keys):
    for each in range(1, 13):
        who = Identifier(ANONYMOUS_ID, f"cookie-{each}")
        profile = store_profile(organization, who)
        buy(organization, each, who=who, products=[BOOTS])
    counts = []
    for path, limit in (("orders", 1), ("orders", 200), (f"profiles/{profile.id}/orders", 200)):
        with CaptureQueriesContext(connection) as queries:
            assert get(keys.integration, f"/v1/{path}", limit=limit).json()["results"]
        counts.append(len(queries))
    assert counts == [2, 2, 4]


def test_a_persons_orders_are_those_of_all_identifiers(organization, keys):
    profile = store_profile(organization, ANA, COOKIE)
    for each in range(1, 10):
        buy(organization, each, minute=each, who=(ANA, COOKIE)[each % 2])
    buy(organization, "bobs", who=Identifier(EMAIL, "bob@example.com"))
    found = pages(keys.integration, f"/v1/profiles/{profile.id}/orders", limit=4)
    assert [ids(page) for page in found] == [["9", "8", "7", "6"], ["5", "4", "3", "2"], ["1"]]
    assert {each["profile_id"] for page in found for each in page} == {str(profile.id)}


def test_the_orders_of_a_merged_away_profile_are_the_survivors(organization, keys):
    survivor = store_profile(organization, COOKIE)
    loser = store_profile(organization, merged_into=survivor.id)
    buy(organization, 1)
    (results,) = pages(keys.integration, f"/v1/profiles/{loser.id}/orders")
    assert ids(results) == ["1"]


def test_a_person_without_identifiers_has_no_orders(organization, keys):
    profile = store_profile(organization)
    assert pages(keys.integration, f"/v1/profiles/{profile.id}/orders") == [[]]


@pytest.mark.parametrize("id_", [UUID(int=1), "17", None])
def test_the_orders_of_nobody_are_not_found(keys, id_):
    foreign = store_profile(make_organization(), COOKIE)
    assert get(keys.integration, f"/v1/profiles/{id_ or foreign.id}/orders").status_code == 404


def test_a_profile_counts_its_orders(organization, keys, monkeypatch):
    profile = store_profile(organization, ANA, COOKIE)
    for each, who in enumerate((ANA, COOKIE, COOKIE), 1):
        buy(organization, each, who=who)
    path = f"/v1/profiles/{profile.id}"
    assert get(keys.integration, path).json()["order_count"] == 3
    monkeypatch.setattr(profiles, "EVENTS_MAX", 2)
    answer = get(keys.integration, path).json()
    assert (answer["order_count"], answer["capped"]) == (2, True)
