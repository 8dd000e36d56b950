"""`GET /v1/products` and `/v1/products/{id}`."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keystone.paging import encode
from tests.http.bought import buy, tell
from tests.http.stored import get, pages
from tests.make import make_organization


def ids(results):
    return [each["product_id"] for each in results]


def see(organization, product_id, minute=0, **said):
    tell(organization, "Product Viewed", {"product_id": product_id, **said}, minute=minute)


def test_a_product_is_answered_whole(organization, keys):
    see(
        organization,
        "boots",
        name="Boots",
        price=79.9,
        currency="EUR",
        brand="Alp",
        category="Shoes",
        url="https://shop.example/boots",
        image_url="https://shop.example/boots.jpg",
    )
    assert get(keys.integration, "/v1/products/boots").json() == {
        "product_id": "boots",
        "name": "Boots",
        "price": "79.90",
        "currency": "EUR",
        "brand": "Alp",
        "category": "Shoes",
        "url": "https://shop.example/boots",
        "image_url": "https://shop.example/boots.jpg",
        "is_skeleton": False,
        "first_seen": "2026-11-20T09:00:00.000Z",
    }


def test_what_only_an_order_named_is_a_skeleton(organization, keys):
    buy(organization, 1, products=[{"product_id": "boots"}])
    product = get(keys.integration, "/v1/products/boots").json()
    assert (product["is_skeleton"], product["name"], product["price"]) == (True, "", None)


@pytest.mark.parametrize("id_", ["boots/42", "ü ø", "50%", "A?b#c"])
def test_a_shops_own_id_may_be_anything(organization, keys, id_):
    see(organization, id_, name="Boots")
    answer = get(keys.integration, f"/v1/products/{quote(id_, safe='')}")
    assert (answer.status_code, answer.json().get("product_id")) == (200, id_)


def test_another_organizations_product_reads_like_one_that_does_not_exist(keys):
    see(make_organization(), "theirs", name="Theirs")
    answers = [get(keys.integration, f"/v1/products/{id_}") for id_ in ("theirs", "nobodys")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert pages(keys.integration, "/v1/products") == [[]]


def test_products_are_listed_by_when_they_were_first_seen(organization, keys):
    for minute in (2, 3, 1):
        see(organization, f"p{minute}", minute, name="Boots")
    see(organization, "p1", 9, name="Renamed")
    (results,) = pages(keys.integration, "/v1/products")
    assert ids(results) == ["p3", "p2", "p1"]


@pytest.mark.parametrize("asked", [{}, {"skeleton": "false"}])
def test_the_pages_join_without_gap_or_overlap(organization, keys, asked):
    for each in range(5):
        see(organization, f"p{each}", name="Boots")
    found = pages(keys.integration, "/v1/products", limit=2, **asked)
    assert sorted(id_ for page in found for id_ in ids(page)) == ["p0", "p1", "p2", "p3", "p4"]


def test_skeletons_are_listed_apart(organization, keys):
    see(organization, "full", name="Boots")
    buy(organization, 1, products=[{"product_id": "bare"}])
    (bare,) = pages(keys.integration, "/v1/products", skeleton="true")
    (full,) = pages(keys.integration, "/v1/products", skeleton="false")
    assert (ids(bare), ids(full)) == (["bare"], ["full"])


def test_a_parameter_that_makes_no_sense_is_named(keys):
    answer = get(keys.integration, "/v1/products", skeleton="maybe")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "skeleton"]


def test_a_cursor_that_is_none_of_ours_is_refused(keys):
    answer = get(keys.integration, "/v1/products", cursor=encode(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_one_product_and_many_cost_the_same_statements(organization, keys):
    for each in range(5):
        see(organization, f"p{each}", name="Boots")
    for limit in (1, 200):
        with CaptureQueriesContext(connection) as queries:
            get(keys.integration, "/v1/products", limit=limit)
        assert len(queries) == 1
