"""`GET /v1/tally`."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from ingest.read_views import TallyView
from keystone.paging import encode
from tests.http.stored import MORNING, get, pages, store_tally
from tests.make import make_organization

HOUR = timedelta(hours=1)


def test_received_is_the_sum_of_what_became_of_it(organization, keys):
    for outcome in ("stored", "duplicate", "failed", "dropped:late", "dropped:bot"):
        store_tally(organization, MORNING, outcome, 2)
    store_tally(organization, MORNING, "stored", 5)  # another flush of the same hour
    (results,) = pages(keys.integration, "/v1/tally")
    assert results == [
        {
            "hour": "2026-11-20T09:00:00.000Z",
            "key": str(UUID(int=1)),
            "door": "ingest",
            "received": 15,
            "stored": 7,
            "duplicate": 2,
            "dropped": {"bot": 2, "late": 2},
            "failed": 2,
        }
    ]


def test_keys_and_doors_are_counted_apart(organization, keys):
    store_tally(organization, MORNING, "stored", 1)
    store_tally(organization, MORNING, "stored", 2, door="tenant_batch")
    store_tally(organization, MORNING, "stored", 3, source_id=UUID(int=2))
    (results,) = pages(keys.integration, "/v1/tally")
    assert [each["received"] for each in results] == [3, 2, 1]


def test_one_key_can_be_asked_for(organization, keys):
    store_tally(organization, MORNING, "stored", 1)
    store_tally(organization, MORNING, "stored", 3, source_id=UUID(int=2))
    (results,) = pages(keys.integration, "/v1/tally", key=str(UUID(int=2)))
    assert [each["received"] for each in results] == [3]


def test_another_organizations_tally_is_not_listed(organization, keys):
    store_tally(make_organization(), MORNING, "stored", 1)
    assert pages(keys.integration, "/v1/tally") == [[]]


def test_the_hour_of_from_counts_and_that_of_to_does_not(organization, keys):
    for number in range(4):
        store_tally(organization, MORNING + number * HOUR, "stored", number)
    bounds = {"from": "2026-11-20T10:30:00Z", "to": "2026-11-20T12:00:00Z"}
    (results,) = pages(keys.integration, "/v1/tally", **bounds)
    assert [each["received"] for each in results] == [2, 1]


def test_the_pages_join_without_gap_or_overlap(organization, keys):
    for number in range(3):
        for door in ("ingest", "tenant_batch", "v2"):
            store_tally(organization, MORNING + number * HOUR, "stored", 1, door=door)
    found = pages(keys.integration, "/v1/tally", limit=2)
    assert [len(page) for page in found] == [2, 2, 2, 2, 1]
    seen = [(each["hour"], each["door"]) for page in found for each in page]
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        encode(UUID(int=1)),
        encode(["2026-11-20T09:00:00", UUID(int=1), "ingest"]),
        encode(["2026-11-20T09:00:00Z", UUID(int=1), "a\0b"]),
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(keys, cursor):
    answer = get(keys.integration, "/v1/tally", cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(("name", "value"), [("key", "17"), ("from", "now"), ("limit", "0")])
def test_a_parameter_that_makes_no_sense_is_named(keys, name, value):
    answer = get(keys.integration, "/v1/tally", **{name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", name]


def test_a_database_that_does_not_answer_is_503_before_long(keys, monkeypatch):
    monkeypatch.setattr(TallyView, "seconds", 0.3)
    with connection.copy().cursor() as elsewhere:
        elsewhere.execute("BEGIN; LOCK TABLE tally IN ACCESS EXCLUSIVE MODE")
        answer = get(keys.integration, "/v1/tally")
        elsewhere.execute("ROLLBACK")
        elsewhere.connection.close()
    connection.close()  # as the end of a request does; the test client keeps it
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer["Retry-After"]) >= 1
