"""What is still to be done, who was erased, what waits for a decision: lists for who runs the place."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.models import Erasure, Merge, ProfileWork, Refusal
from identity.models import Identifier as IdentifierRow
from keystone import clock
from tests.http.staffed import make_client, make_house, make_user, refuse, text, url


@pytest.fixture
def house():
    return make_house()


@pytest.fixture
def viewer(house):
    return make_client(viewer=house)


def listed(client, row, **asked):
    return url(type(row), "change", row.pk) in text(client.get(url(type(row)), asked))


def statement_of(client, model, asked):
    with CaptureQueriesContext(connection) as captured:
        text(client.get(url(model), asked))
    table = f'FROM "{model._meta.db_table}"'
    return [query["sql"] for query in captured.captured_queries if table in query["sql"]][-1]


def plan_of(statement):
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    return plan


def test_work_that_is_open_is_shown_until_something_else_is_asked_for(house, viewer):
    work = house.rows[ProfileWork]
    assert listed(viewer, work)
    assert not listed(viewer, work, state="failed")
    ProfileWork.objects.filter(pk=work.pk).update(error="LostRace")
    assert listed(viewer, work)
    assert listed(viewer, work, state="failed")
    ProfileWork.objects.filter(pk=work.pk).update(done_at=clock.now())
    assert not listed(viewer, work)
    assert listed(viewer, work, state="failed")
    assert listed(viewer, work, state="done")


def test_open_work_is_found_by_its_index(viewer):
    # On a table of a few rows its other index is as good.
    plan = plan_of(statement_of(viewer, ProfileWork, {}))
    assert "profile_work_open" in plan or "profile_work_by_org" in plan
    assert "Seq Scan" not in plan


def test_open_suggestions_are_found_by_their_index(viewer):
    plan = plan_of(statement_of(viewer, Refusal, {"suggestion": "open"}))
    assert "refusal_suggested" in plan
    assert "Sort  (" not in plan


def test_a_superuser_looks_for_suggestions_among_the_newest_refusals(house):
    client, refusal = make_client(make_user(is_superuser=True)), house.rows[Refusal]
    assert re.search(
        r">= '[-0-9a-f]{36}'|LIMIT", statement_of(client, Refusal, {"suggestion": "open"})
    )
    assert listed(client, refusal, suggestion="open")
    assert listed(client, refusal, suggestion="open", organization=house.organization.pk)


def test_refusals_are_filtered_by_reason_and_found_by_either_identifier(house, viewer):
    row = house.rows[IdentifierRow]
    refusal = refuse(row, other_key=row.key, subject_key=row.home_id, reason="untrusted")
    assert listed(viewer, refusal, reason="untrusted")
    assert not listed(viewer, refusal, reason="limit")
    for found in (refusal, house.rows[Refusal]):
        assert listed(viewer, found, q=row.value)


def test_an_erasure_shows_its_counts(house, viewer):
    page = text(viewer.get(url(Erasure, "change", house.rows[Erasure].pk)))
    assert "&quot;event&quot;: 3" in page


def test_a_confirmation_costs_the_same_however_much_there_is(house):
    client, row = make_client(editor=house), house.rows[IdentifierRow]
    refusal = refuse(row, other_key=row.key)
    addresses = [
        url(Refusal, "change", refusal.pk),
        url(Refusal, "accept", refusal.pk),
        url(Merge, "undo", house.rows[Merge].pk),
    ]

    def cost():
        with CaptureQueriesContext(connection) as captured:
            for address in addresses:
                text(client.get(address))
        return len(captured)

    before = [cost() for _ in range(2)][1]
    for _ in range(5):
        refuse(row, other_key=row.key)
    assert cost() == before
