"""The admin's pages: one's own organizations only, and at the same cost on tables of any size."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from identity.models import AttributeChange, Merge, Profile
from identity.models import Identifier as IdentifierRow
from ingest.models import Event, Tally
from keystone.models import ApiKey, Application, Membership, Organization
from tests.http.staffed import (
    BIG,
    PAGES,
    make_client,
    make_house,
    make_user,
    text,
    url,
    visit,
)

every_page = pytest.mark.parametrize("model", PAGES, ids=lambda model: model.__name__)
every_big_page = pytest.mark.parametrize("model", BIG, ids=lambda model: model.__name__)


@pytest.fixture(scope="module")
def mine():
    return make_house()


@pytest.fixture(scope="module")
def theirs():
    return make_house()


@pytest.fixture(scope="module")
def member(mine):
    """Somebody who may do everything in `mine`, and nothing elsewhere."""
    return make_client(admin=mine)


@pytest.fixture(scope="module")
def superuser():
    return make_client(make_user(is_superuser=True))


def row_address(house, model, view="change"):
    return url(model, view, house.rows[model].pk)


def shows(house, page, model):
    return house.mark in page or str(house.rows[model].pk) in page


def test_everything_that_belongs_to_organizations_has_a_page():
    assert {*BIG, Organization, Membership, Application} < set(PAGES)


@every_page
def test_a_list_shows_ones_own_rows_only(model, mine, theirs, member):
    page = text(member.get(url(model)))
    assert row_address(mine, model) in page
    assert not shows(theirs, page, model)


@every_page
def test_a_superuser_sees_every_organization(model, mine, theirs, superuser):
    for house in (mine, theirs):
        page = text(superuser.get(url(model), _of(house, model)))
        assert row_address(house, model) in page


@every_page
def test_a_row_of_another_organization_does_not_exist(model, mine, theirs, member):
    assert shows(mine, text(member.get(row_address(mine, model))), model)
    for view in ("change", "history"):
        nowhere = member.get(url(model, view, uuid4()))
        foreign = member.get(row_address(theirs, model, view))
        assert (foreign.status_code, foreign.headers["Location"]) == (302, "/admin/")
        assert nowhere.status_code == 302
    assert theirs.mark not in text(member.get("/admin/"))


@every_page
def test_deleting_a_row_of_another_organization_is_no_other_than_deleting_nothing(
    model, theirs, member
):
    nothing, foreign = url(model, "delete", uuid4()), row_address(theirs, model, "delete")
    for method in (member.get, member.post):
        assert method(foreign).status_code == method(nothing).status_code
    assert model._default_manager.filter(pk=theirs.rows[model].pk).exists()


@pytest.mark.parametrize("model", [Profile, IdentifierRow, Event, AttributeChange, Merge])
def test_search_finds_a_person_by_identifier_in_ones_own_organizations(model, mine, theirs, member):
    found = text(member.get(url(model), {"q": f"  {mine.mark.upper()}@example.com"}))
    hidden = text(member.get(url(model), {"q": f"{theirs.mark}@example.com"}))
    assert row_address(mine, model) in found
    assert row_address(theirs, model) not in hidden


@pytest.mark.parametrize("model", [Profile, Event])
def test_search_finds_ids_in_ones_own_organizations(model, mine, theirs, member):
    for house, seen in ((mine, True), (theirs, False)):
        page = text(member.get(url(model), {"q": str(house.rows[model].pk)}))
        assert (row_address(house, model) in page) is seen


def test_organizations_are_searched_by_name(mine, theirs, member):
    page = text(member.get(url(Organization), {"q": "House"}))
    assert mine.mark in page
    assert theirs.mark not in page


@every_page
def test_picking_another_organization_shows_nothing_of_it(model, mine, theirs):
    looking = make_client(viewer=mine, editor=make_house())
    if model is Organization:
        return
    page = text(looking.get(url(model), {"organization": theirs.organization.pk}))
    assert row_address(theirs, model) not in page
    assert theirs.mark not in page


def test_the_filter_offers_the_organizations_one_sees(mine, theirs):
    second = make_house()
    page = text(make_client(viewer=mine, editor=second).get(url(Event)))
    assert mine.organization.name in page
    assert second.organization.name in page
    assert theirs.mark not in page


def test_a_member_of_two_organizations_looks_at_one_at_a_time(mine):
    second = make_house()
    looking = make_client(viewer=mine, editor=second)
    for house, other in ((mine, second), (second, mine)):
        page = text(looking.get(url(Event), {"organization": house.organization.pk}))
        assert row_address(house, Event) in page
        assert row_address(other, Event) not in page


def test_completions_name_the_organizations_one_sees(mine, theirs, member):
    asked = {"app_label": "keystone", "model_name": "application", "field_name": "organization"}
    found = member.get("/admin/autocomplete/", {**asked, "term": "House"}).json()["results"]
    assert [each["text"] for each in found] == [mine.organization.name]
    assert member.get("/admin/autocomplete/", {**asked, "term": "\0"}).status_code == 200


@pytest.mark.parametrize(
    ("model", "guess"),
    [
        (Organization, {"secret__gte": "x"}),
        (Application, {"organization__name__startswith": "H"}),
        (Profile, {"attributes__city": "Rome"}),
        (Event, {"payload__said__startswith": "a"}),
        (IdentifierRow, {"profile__kind": "anchor"}),
    ],
)
def test_what_no_filter_declares_cannot_be_asked(model, guess, member):
    assert member.get(url(model), guess).status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        *({"until": "2026-13-45"}, {"until": "0001-01-01"}, {"until": "9999-12-31"}),
        *({"name": "\0"}, {"q": "\0"}, {"q": "' OR 1=1 --"}, {"organization": "x"}),
        *({"p": "99999999"}, {"p": "-1"}, {"p": "x"}, {"o": "1.-2.x"}, {"all": ""}),
    ],
)
def test_odd_questions_are_answered(asked, superuser):
    assert superuser.get(url(Event), asked).status_code in {200, 302}


@every_page
def test_whoever_has_not_logged_in_is_asked_to(model, mine):
    for address in (url(model), row_address(mine, model), row_address(mine, model, "history")):
        answer = Client().get(address)
        assert answer.headers["Location"].startswith("/admin/login/"), address


def test_secrets_are_on_no_page(mine, superuser):
    hidden = [
        mine.raw,
        *_spellings(mine.organization.secret),
        *_spellings(mine.rows[ApiKey].digest),
    ]
    for model in PAGES:
        for address in (url(model), row_address(mine, model)):
            page = text(superuser.get(address, _of(mine, model) if address == url(model) else {}))
            assert not [secret for secret in hidden if secret in page], address


@every_page
def test_a_page_costs_the_same_however_many_rows_there_are(model):
    house = make_house()
    looking = make_client(viewer=house)
    before = [_cost(looking, house, model) for _ in range(2)][1]
    for _ in range(4):
        visit(house.source, f"{house.mark}-more")
        Application.objects.create(organization=house.organization, name="More")
        Membership.objects.create(organization=house.organization, user=make_user())
    assert _cost(looking, house, model) == before


@every_big_page
def test_big_tables_are_neither_counted_nor_joined_nor_read_whole(model, mine, superuser):
    for asked in ({}, {"organization": mine.organization.pk}, {"q": f"{mine.mark}@example.com"}):
        for statement in _statements(superuser, url(model), asked):
            assert "COUNT(" not in statement
            assert not re.search(r"(INNER|LEFT OUTER|RIGHT|FULL) JOIN", statement), statement
            if f'FROM "{model._meta.db_table}"' in statement:
                assert re.search(r"LIMIT \d+|\bIN \(", statement), statement


@pytest.mark.parametrize(("who", "index"), [("member", "org_id_id_idx"), ("superuser", "pkey")])
def test_the_list_of_events_runs_down_an_index(who, index, request):
    client = request.getfixturevalue(who)
    statement = next(sql for sql in _statements(client, url(Event), {}) if 'FROM "event"' in sql)
    with connection.cursor() as cursor:
        # A small table is rather read whole and sorted; a large one must not need it.
        cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan; RESET enable_sort")
    assert index in plan
    assert "Sort  (" not in plan


def test_no_address_changes_the_order_of_a_list(mine, member):
    orders = [
        re.search(r"ORDER BY (.*?) LIMIT", statement)[1]
        for statement in _statements(member, url(Event), {"o": "1.-2.3"})
        if 'FROM "event"' in statement
    ]
    assert orders == ['"event"."id" DESC']


def test_a_filter_without_an_index_looks_at_the_newest_rows_only(mine, member):
    statements = list(_statements(member, url(Event), {"kind": "identify"}))
    assert any(re.search(r"LIMIT 1 OFFSET 9999", statement) for statement in statements)
    page = text(member.get(url(Event), {"kind": "page"}))
    assert row_address(mine, Event) not in page  # that is the identify


def test_the_tally_is_in_the_order_of_its_hours(mine, member):
    (statement,) = [s for s in _statements(member, url(Tally), {}) if 'FROM "tally"' in s]
    assert 'ORDER BY "tally"."hour" DESC' in statement


def _of(house, model):
    return {} if model is Organization else {"organization": house.organization.pk}


def _spellings(secret):
    return [bytes(secret).hex(), repr(bytes(secret)), str(bytes(secret))]


def _cost(client, house, model):
    return [
        len(list(_statements(client, address, {})))
        for address in (url(model), row_address(house, model))
    ]


def _statements(client, address, asked):
    with CaptureQueriesContext(connection) as captured:
        text(client.get(address, asked))
    return [query["sql"] for query in captured.captured_queries]
