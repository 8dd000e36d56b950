"""Products, which editors fill in, and the rules of orders, which admins set."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keystone import clock
from keystone.models import Membership
from orders.keys import PRODUCT, key_of
from orders.models import OrderPolicy, Product
from tests.http.bought import buy, tell
from tests.http.staffed import make_client, make_user, text, url
from tests.http.stored import MORNING
from tests.make import make_organization

BOOTS = {
    "name": "Winter boots",
    "brand": "Nord",
    "category": "Shoes",
    "price": "79.9",
    "currency": "eur",
    "url": "https://shop.example/boots",
    "image_url": "",
}


@pytest.fixture
def shop(organization):
    """Some boots were bought: a skeleton."""
    buy(organization, "o", products=[{"product_id": "boots", "price": "5.5"}])
    return SimpleNamespace(organization=organization)


@pytest.fixture
def editor(shop):
    return make_client(editor=shop)


def known(shop, external_id="boots"):
    return Product.objects.get(pk=key_of(shop.organization.pk, PRODUCT, external_id))


def fill_in(client, shop, **changed):
    return client.post(url(Product, "change", known(shop).pk), {**BOOTS, **changed})


def describe(shop, name, at):
    """Let an event tell of the boots at this time."""
    minute = (at - MORNING) / timedelta(minutes=1)
    said = {"product_id": "boots", "name": name, "category": "Told", "image_url": "/told.png"}
    tell(shop.organization, "Product Viewed", said, minute=minute)


def listed(client, shop, **asked):
    page = text(client.get(url(Product), asked))
    links = re.findall(r"/admin/orders/product/([-0-9a-f]{36})/change/", page)
    named = {str(each.pk): each.external_id for each in Product.objects.filter(pk__in=links)}
    return [named[link] for link in dict.fromkeys(links)]


def test_skeletons_come_first_then_those_first_seen_last(shop, editor):
    tell(shop.organization, "Product Viewed", {"product_id": "coat", "name": "Coat"}, minute=9)
    buy(shop.organization, "p", minute=5, products=[{"product_id": "hat"}, {"product_id": "cap"}])
    ids = sorted(("hat", "cap"), key=lambda id_: known(shop, id_).pk, reverse=True)
    assert listed(editor, shop) == [*ids, "boots", "coat"]
    assert listed(editor, shop, skeleton="yes") == [*ids, "boots"]
    assert listed(editor, shop, skeleton="no") == ["coat"]
    assert listed(editor, shop, q=" coat ") == ["coat"]
    assert listed(editor, shop, q="Coat") == []


@pytest.mark.parametrize("asked", [{}, {"skeleton": "yes"}, {"skeleton": "no"}])
@pytest.mark.parametrize("is_superuser", [False, True])
def test_the_list_runs_down_an_index(asked, is_superuser, shop):
    client = make_client(make_user(is_superuser=is_superuser), viewer=shop)
    with CaptureQueriesContext(connection) as captured:
        text(client.get(url(Product), asked))
    (statement,) = [each["sql"] for each in captured if 'FROM "product"' in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan; RESET enable_sort")
    assert "product_skeletons" in plan
    assert "Sort  (" not in plan


@pytest.mark.parametrize("role", ["editor", "admin"])
def test_who_may_fills_in_a_skeleton(role, shop):
    before, started = known(shop), clock.now()
    assert fill_in(make_client(**{role: shop}), shop).status_code == 302
    row = known(shop)
    assert (row.name, row.price, row.currency) == ("Winter boots", Decimal("79.9"), "EUR")
    assert (row.brand, row.category, row.url) == ("Nord", "Shoes", BOOTS["url"])
    assert not row.is_skeleton
    assert started <= row.described_at <= clock.now()
    assert (row.external_id, row.first_seen) == (before.external_id, before.first_seen)


def test_older_events_do_not_overwrite_what_was_filled_in_but_fill_what_was_left_empty(
    shop, editor
):
    fill_in(editor, shop)
    describe(shop, "Old boots", MORNING)
    row = known(shop)
    assert (row.name, row.category, row.image_url) == ("Winter boots", "Shoes", "/told.png")
    describe(shop, "New boots", clock.now())
    assert (known(shop).name, known(shop).category) == ("New boots", "Told")


def test_what_staff_may_not_write_stays_as_it_is(shop, editor):
    before = known(shop)
    fill_in(editor, shop, external_id="x", first_seen="2000-01-01", organization_id="x", id="x")
    after = known(shop)
    for field in ("external_id", "first_seen", "organization_id"):
        assert getattr(after, field) == getattr(before, field)


def test_a_viewer_looks_only(shop):
    client, before = make_client(viewer=shop), known(shop)
    assert "boots" in text(client.get(url(Product, "change", before.pk)))
    assert fill_in(client, shop).status_code == 403
    assert known(shop).is_skeleton


def test_an_editor_of_another_organization_fills_in_nothing(shop):
    other = SimpleNamespace(organization=make_organization())
    assert fill_in(make_client(editor=other), shop).headers["Location"] == "/admin/"
    assert fill_in(make_client(editor=other, viewer=shop), shop).status_code == 403
    assert known(shop).is_skeleton


@pytest.mark.parametrize("role", Membership.Role.values)
def test_nobody_adds_or_deletes_a_product(role, shop):
    client = make_client(**{role: shop})
    for address in (url(Product, "add"), url(Product, "delete", known(shop).pk)):
        assert client.post(address, BOOTS).status_code == 403


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("name", " ", "This field is required"),
        ("currency", "€", "Three letters"),
        ("currency", "EU1", "Three letters"),
        ("price", "-1", "greater than or equal to 0"),
        ("price", "1e40", "no more than 20 digits"),
        ("price", "free", "Enter a number"),
        ("url", "x" * 2_049, "at most 2048 characters"),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(field, value, fault, shop, editor):
    assert fault in text(fill_in(editor, shop, **{field: value}))
    assert known(shop).is_skeleton


def test_the_form_shows_a_price_as_people_write_it(shop, editor):
    page = text(editor.get(url(Product, "change", known(shop).pk)))
    assert re.search(
        r'<input[^>]*name="price"[^>]*value="5.50"|value="5.50"[^>]*name="price"', page
    )


def test_the_history_says_who_filled_in_what_but_no_values(shop, editor):
    fill_in(editor, shop, name="Engraved for Anna")
    (entry,) = LogEntry.objects.filter(object_id=str(known(shop).pk))
    assert entry.change_message.startswith("Filled in: name, ")
    assert "Anna" not in entry.change_message + entry.object_repr
    history = text(editor.get(url(Product, "history", known(shop).pk)))
    assert "Filled in: name, " in history


def set_hours(client, shop, hours):
    said = {"abandoned_after_hours": hours}
    return client.post(url(OrderPolicy, "change", shop.organization.pk), said)


def hours_of(shop):
    rows = OrderPolicy.objects.filter(pk=shop.organization.pk)
    return rows.values_list("abandoned_after_hours", flat=True).first()


@pytest.mark.parametrize("role", Membership.Role.values)
def test_without_rules_of_their_own_the_defaults_are_shown_and_none_are_made(role, shop):
    client = make_client(**{role: shop})
    page = text(client.get(url(OrderPolicy)))
    assert "defaults" in page
    assert "24 hours" in page
    shown = text(client.get(url(OrderPolicy, "change", shop.organization.pk)))
    assert shop.organization.name in shown
    assert hours_of(shop) is None


def test_an_admin_says_when_a_cart_is_abandoned(shop):
    client = make_client(admin=shop)
    for hours in (48, 1):
        assert set_hours(client, shop, hours).status_code == 302
        assert hours_of(shop) == hours


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_is_no_admin_sets_no_rules(role, shop):
    assert set_hours(make_client(**{role: shop}), shop, 48).status_code == 403
    both = make_client(admin=SimpleNamespace(organization=make_organization()), viewer=shop)
    assert set_hours(both, shop, 48).status_code == 403
    assert hours_of(shop) is None


@pytest.mark.parametrize("hours", ["0", "-1", "876001", "99999999999", "x", "", "1.5"])
def test_hours_are_a_number_that_time_can_be_reckoned_with(hours, shop):
    text(set_hours(make_client(admin=shop), shop, hours))
    assert hours_of(shop) is None
