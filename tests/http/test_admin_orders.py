"""The page of orders, and the orders on the page of a person: read-only, at the same cost always."""

from __future__ import annotations

import re
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import Identifier as IdentifierRow
from identity.models import Profile
from ingest.models import Event
from keystone.models import Organization
from orders.admin.buyers import ORDERS_SHOWN, newest_orders
from orders.keys import PRODUCT, key_of
from orders.models import Order, Product
from tests.http.bought import buy
from tests.http.staffed import make_client, make_user, text, url
from tests.http.stored import after, store_identifier, store_profile

EVA, PHONE = Identifier(EMAIL, "eva@example.com"), Identifier(ANONYMOUS_ID, "phone-7")
BOOTS = {"product_id": "boots", "name": "Boots", "price": "79.90", "quantity": 2}


@pytest.fixture
def shop(organization):
    """A house that is empty but for Eva."""
    eva = store_profile(organization, EVA, PHONE)
    return SimpleNamespace(organization=organization, eva=eva)


@pytest.fixture
def viewer(shop):
    return make_client(viewer=shop)


def order_of(shop, external_id):
    return Order.objects.get(organization_id=shop.organization.pk, external_id=external_id)


def page_of(client, shop, external_id):
    return text(client.get(url(Order, "change", order_of(shop, external_id).pk)))


def listed(client, **asked):
    """Return the ids of the rows of the list, in their order."""
    page = text(client.get(url(Order), asked))
    table = page.partition('id="result_list"')[2].partition("</table>")[0]
    links = re.findall(r"/admin/orders/order/([-0-9a-f]{36})/change/", table)
    named = dict(Order.objects.filter(pk__in=links).values_list("pk", "external_id"))
    return [external_id for link in links for pk, external_id in named.items() if str(pk) == link]


def statements(client, address, **asked):
    with CaptureQueriesContext(connection) as captured:
        text(client.get(address, asked))
    return [query["sql"] for query in captured.captured_queries]


def plan_of(statement):
    with connection.cursor() as cursor:
        # A small table is rather read whole and sorted; a large one must not need it.
        cursor.execute(
            "SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off"
        )
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan; RESET enable_sort; RESET enable_bitmapscan")
    return plan


def test_the_list_has_status_total_and_person_newest_first(shop, viewer):
    buy(shop.organization, "old", minute=0, who=PHONE)
    buy(shop.organization, "new", minute=9, who=EVA, total="1239.9", currency="EUR")
    buy(shop.organization, "old", "Order Refunded", minute=20, who=PHONE)
    assert listed(viewer) == ["new", "old"]
    page = text(viewer.get(url(Order)))
    for shown in ("1,239.90 EUR", "completed", "refunded"):
        assert shown in page
    person = url(Profile, "change", shop.eva.pk)
    assert page.count(f'href="{person}">eva@example.com<') == 2


def test_an_order_follows_its_identifier_to_another_person(shop, viewer):
    buy(shop.organization, "o", who=PHONE)
    other = store_profile(shop.organization, Identifier(EMAIL, "max@example.com"))
    key = PHONE.key(bytes(shop.organization.secret))
    IdentifierRow.objects.filter(pk=key).update(profile=other)
    assert url(Profile, "change", other.pk) in page_of(viewer, shop, "o")


def test_an_order_of_who_was_erased_is_nobodys(shop, viewer):
    buy(shop.organization, "o", who=PHONE)
    buy(shop.organization, "o", "Order Updated", minute=1, who=EVA)
    IdentifierRow.objects.filter(organization_id=shop.organization.pk).update(
        status="erased", value=""
    )
    page = page_of(viewer, shop, "o")
    assert "of nobody any more" in page
    assert "and 1 who is nobody any more" in page
    assert "nobody any more" in text(viewer.get(url(Order)))
    Order.objects.filter(pk=order_of(shop, "o").pk).update(actor_key=None)
    assert "of nobody any more" in page_of(viewer, shop, "o")


def test_an_order_is_found_by_its_id_exactly(shop, viewer):
    for external_id in ("E-1", "E-12", "12"):
        buy(shop.organization, external_id)
    assert listed(viewer, q=" E-1 ") == ["E-1"]
    assert listed(viewer, q="12") == ["12"]
    assert listed(viewer, q="e-1") == listed(viewer, q="E") == listed(viewer, q=" ") == []


def test_a_search_finds_ones_own_organizations_only(shop, viewer):
    other = Organization.objects.create(name="Other")
    buy(other, "same")
    assert listed(viewer, q="same") == []
    buy(shop.organization, "same")
    assert listed(viewer, q="same") == ["same"]
    assert listed(viewer, q="same", organization=other.pk) == []
    superuser = make_client(make_user(is_superuser=True))
    for organization in (other, shop.organization):
        assert listed(superuser, q="same", organization=organization.pk) == ["same"]
    both = make_client(viewer=shop, admin=SimpleNamespace(organization=other))
    assert listed(both, q="same") == ["same", "same"]
    assert listed(both) == ["same"]  # a list is of one organization


def test_orders_are_filtered_by_status_and_by_the_day_they_began(shop, viewer):
    buy(shop.organization, "cart", "Product Added", product_id="boots")
    buy(shop.organization, "paid")
    buy(shop.organization, "tomorrow", minute=24 * 60)
    assert listed(viewer, status="incomplete") == ["cart"]
    assert sorted(listed(viewer, until=f"{after(0):%Y-%m-%d}")) == ["cart", "paid"]
    assert listed(viewer, until=f"{after(0):%Y-%m-%d}", status="completed") == ["paid"]
    for odd in ({"status": "odd"}, {"until": "9999-12-31"}, {"until": "x"}, {"q": "\0"}):
        assert viewer.get(url(Order), odd).status_code in {200, 302}


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "order_by_org"),
        ({"until": "2026-11-20"}, "order_by_org"),
        ({"status": "completed"}, "order_by_"),
        ({"status": "completed", "until": "2026-11-20"}, "order_by_"),
        ({"q": "\0"}, "order_by_org"),
    ],
)
@pytest.mark.parametrize("who", ["viewer", "superuser"])
def test_the_list_runs_down_an_index(asked, index, who, shop):
    user = make_user(is_superuser=True) if who == "superuser" else None
    client = make_client(user, viewer=shop)
    (statement,) = [s for s in statements(client, url(Order), **asked) if 'FROM "order"' in s]
    assert re.search(r"LIMIT \d+", statement)
    assert '"order"."state"' not in statement
    plan = plan_of(statement)
    assert index in plan
    assert "Sort  (" not in plan


def test_a_page_costs_the_same_however_much_is_bought(shop, viewer):
    other = store_profile(shop.organization, Identifier(EMAIL, "max@example.com"))
    buy(shop.organization, "o", "Order Placed", who=PHONE, products=[BOOTS])
    buy(shop.organization, "o", minute=1, who=EVA)
    addresses = [
        url(Order),
        url(Order, "change", order_of(shop, "o").pk),
        url(Profile, "change", shop.eva.pk),
    ]

    def cost():
        return [len(statements(viewer, address)) for address in addresses]

    before = [cost() for _ in range(2)][1]
    for number in range(8):
        who = Identifier(ANONYMOUS_ID, f"device-{number}")
        store_identifier(shop.organization, other, who)
        lines = [{**BOOTS, "product_id": f"p{n}"} for n in range(number)]
        buy(shop.organization, "o", "Order Updated", minute=2 + number, who=who, products=lines)
        buy(shop.organization, f"more-{number}", who=PHONE, products=lines)
    assert cost() == before


def test_the_page_has_figures_lines_and_what_became_of_it(shop, viewer):
    said = {"total": "180", "tax": "20", "shipping": "0.2", "currency": "EUR", "products": [BOOTS]}
    placed = buy(shop.organization, "o", "Order Placed", who=PHONE, **said)
    paid = buy(shop.organization, "o", minute=5, who=EVA)
    back = buy(shop.organization, "o", "Order Refunded", minute=9, who=EVA, total=10)
    page = page_of(viewer, shop, "o")
    for amount in ("180.00 EUR", "20.00 EUR", "0.20 EUR", "10.00 EUR", "159.80"):
        assert amount in page
    boots = key_of(shop.organization.pk, PRODUCT, "boots")
    assert f'href="{url(Product, "change", boots)}">Boots<' in page
    timeline = page.partition('class="ks-timeline"')[2].partition("</ol>")[0]
    marks = re.findall(r"\n\s*(incomplete|placed|completed|partially refunded)\n", timeline)
    assert marks == ["incomplete", "placed", "completed", "partially refunded"]
    events = [url(Event, "change", id_) for id_ in (placed, paid, back)]
    assert re.findall(r'href="([^"]+)', timeline) == events
    spoke = page.partition("Who spoke of it")[2]
    assert [who in spoke for who in ("phone-7", "eva@example.com")] == [True, True]


def test_the_page_says_what_is_abandoned_and_what_is_not_added_up_yet(shop, viewer):
    buy(shop.organization, "o", "Product Added", product_id="boots")
    assert "abandoned" not in page_of(viewer, shop, "o").partition("ks-refusal")[2]
    own = Order.objects.filter(organization_id=shop.organization.pk)
    own.update(abandoned_at=after(60 * 24), is_stale=True)
    page = page_of(viewer, shop, "o")
    assert "Nobody went on with this cart" in page
    assert "added up again in the background" in page
    own.update(is_stale=False)  # no worker looks for it


def test_nobody_changes_an_order(shop):
    buy(shop.organization, "o")
    order = order_of(shop, "o")
    for role in ("viewer", "editor", "admin"):
        client = make_client(**{role: shop})
        for view in ("change", "delete"):
            assert client.post(url(Order, view, order.pk), {"status": "x"}).status_code == 403
    assert order_of(shop, "o").state == order.state
    assert not LogEntry.objects.filter(object_id=str(order.pk)).exists()


def test_what_shops_call_things_is_text_not_markup(shop, viewer):
    evil = "<script>alert(1)</script>"
    buy(shop.organization, evil, products=[{"product_id": evil, "name": evil, "variant": evil}])
    product = key_of(shop.organization.pk, PRODUCT, evil)
    order = order_of(shop, evil)
    addresses = [url(Order), url(Order, "change", order.pk), url(Product)]
    for address in (*addresses, url(Product, "change", product)):
        assert "<script>alert(1)" not in text(viewer.get(address))


def test_the_page_of_a_person_has_the_newest_orders_of_all_their_identifiers(shop, viewer):
    buy(shop.organization, "foreign", who=Identifier(ANONYMOUS_ID, "kiosk"))
    for number in range(ORDERS_SHOWN + 2):
        who = (PHONE, EVA)[number % 2]
        buy(shop.organization, f"o-{number}", minute=number, who=who, total=5, currency="EUR")
    page = text(viewer.get(url(Profile, "change", shop.eva.pk)))
    card = page.partition("<h3>Orders</h3>")[2].partition("</section>")[0]
    found = re.findall(r">(o-\d+|foreign)</a>", card)
    assert found == [f"o-{number}" for number in reversed(range(2, ORDERS_SHOWN + 2))]
    assert "5.00 EUR" in card


def test_the_orders_of_a_person_are_one_statement_that_reads_some_of_each_identifier(shop):
    actors = [uuid4(), PHONE.key(bytes(shop.organization.secret))]
    with CaptureQueriesContext(connection) as captured:
        newest_orders(actors)
    (statement,) = [query["sql"] for query in captured.captured_queries]
    plan = plan_of(statement)
    assert "order_by_actor" in plan
    assert plan.count("Limit  (") == 2
