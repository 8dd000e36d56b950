"""`GET /v1/events` and `/v1/events/{id}`."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keystone import bounded
from keystone.paging import encode
from tests.http.stored import (
    COOKIE,
    MORNING,
    after,
    get,
    pages,
    store_events,
    store_profile,
)
from tests.make import make_organization


def ids(results):
    return [each["id"] for each in results]


def test_an_event_is_answered_whole(organization, keys):
    store_profile(organization, COOKIE)
    (id_,) = store_events(
        organization,
        MORNING,
        url="https://shop.example/",
        payload={"price": 12},
        context={"locale": "en"},
        session_id=UUID(int=7),
    )
    assert get(keys.integration, f"/v1/events/{id_}").json() == {
        "id": str(id_),
        "type": "track",
        "kind": "track",
        "name": "Tested",
        "url": "https://shop.example/",
        "occurred_at": "2026-11-20T09:00:00.000Z",
        "received_at": "2026-11-20T09:00:00.000Z",
        "session_id": str(UUID(int=7)),
        "source": str(UUID(int=1)),
        "context": {"locale": "en"},
        "payload": {"price": 12},
        "identifier": {"kind": "anonymous_id", "value": "cookie-1"},
    }


def test_an_event_whose_identifier_is_erased_has_none(organization, keys):
    (id_,) = store_events(organization, MORNING)
    assert get(keys.integration, f"/v1/events/{id_}").json()["identifier"] is None


def test_numbers_beyond_what_python_or_a_double_can_hold_survive(organization, keys):
    (id_,) = store_events(organization, MORNING)
    payload = b'{"n": 12345678901234567890123456789.5, "one": 1.0}'
    with connection.cursor() as cursor:
        cursor.execute("UPDATE event SET payload = %s WHERE id = %s", [payload.decode(), id_])
    assert b'"payload":' + payload in get(keys.integration, f"/v1/events/{id_}").content


def test_another_organizations_event_reads_like_one_that_does_not_exist(keys):
    (foreign,) = store_events(make_organization(), MORNING)
    answers = [get(keys.integration, f"/v1/events/{id_}") for id_ in (foreign, uuid4())]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_an_id_that_is_no_uuid_is_not_found(keys):
    assert get(keys.integration, "/v1/events/17").status_code == 404


def test_only_the_organizations_own_events_are_listed(organization, keys):
    store_events(make_organization(), MORNING)
    own = store_events(organization, MORNING)
    (results,) = pages(keys.integration, "/v1/events")
    assert ids(results) == [str(each) for each in own]


def test_events_are_listed_by_their_own_time_newest_first(organization, keys):
    second, third, first = store_events(organization, after(2), after(3), after(1))
    (results,) = pages(keys.integration, "/v1/events")
    assert ids(results) == [str(third), str(second), str(first)]


def test_the_pages_join_without_gap_or_overlap(organization, keys):
    stored = store_events(organization, *(after(each // 3) for each in range(11)))
    found = pages(keys.integration, "/v1/events", limit=4)
    assert [len(page) for page in found] == [4, 4, 3]
    newest_first = sorted(map(str, stored), reverse=True)
    assert [id_ for page in found for id_ in ids(page)] == newest_first


def test_a_full_last_page_has_no_next(organization, keys):
    store_events(organization, MORNING, after(1))
    assert get(keys.integration, "/v1/events", limit=2).json()["next"] is None


def test_next_is_a_whole_url_that_keeps_the_question(organization, keys):
    store_events(organization, MORNING, after(1), name="A b+c")
    asked = {"limit": 1, "name": "A b+c"}
    next_url = get(keys.integration, "/v1/events", **asked).json()["next"]
    assert next_url.startswith("http://testserver/v1/events?")
    assert len(get(keys.integration, next_url).json()["results"]) == 1


def test_fifty_are_listed_unless_asked_otherwise(organization, keys):
    store_events(organization, *(after(each) for each in range(51)))
    assert [len(page) for page in pages(keys.integration, "/v1/events")] == [50, 1]


@pytest.mark.parametrize("field", ["type", "name", "source"])
def test_events_are_filtered(organization, keys, field):
    wanted = {"type": "click", "name": "Signed Up", "source": str(UUID(int=2))}[field]
    stored = {"source_id" if field == "source" else field: wanted}
    store_events(organization, MORNING, after(2))
    (id_,) = store_events(organization, after(1), **stored)
    (results,) = pages(keys.integration, "/v1/events", **{field: wanted})
    assert ids(results) == [str(id_)]


def test_a_filtered_list_is_complete_though_each_page_looks_at_few_rows(
    organization, keys, monkeypatch
):
    monkeypatch.setattr(bounded, "REACH", 3)
    store_events(organization, *(after(each) for each in range(20)))
    rare = store_events(organization, after(0.5), after(9.5), after(18.5), name="Rare")
    found = pages(keys.integration, "/v1/events", name="Rare", limit=2)
    assert [id_ for page in found for id_ in ids(page)] == [str(each) for each in reversed(rare)]
    assert [] in found


def test_from_is_inclusive_and_to_exclusive(organization, keys):
    stored = store_events(organization, *(after(each) for each in range(4)))
    bounds = {"from": "2026-11-20T09:01:00.000Z", "to": "2026-11-20T09:03:00.000Z"}
    (results,) = pages(keys.integration, "/v1/events", **bounds)
    assert ids(results) == [str(stored[2]), str(stored[1])]


def test_bounds_hold_across_pages(organization, keys):
    store_events(organization, *(after(each) for each in range(10)))
    bounds = {"from": "2026-11-20T09:02:00Z", "to": "2026-11-20T09:07:00Z"}
    found = pages(keys.integration, "/v1/events", limit=2, **bounds)
    assert [len(page) for page in found] == [2, 2, 1]


@pytest.mark.parametrize(
    "said",
    [
        "2026-11-20T09:01:00+00:00",
        "2026-11-20T10:01:00+01:00",
        "2026-11-20 09:01",
        "20261120T0901Z",
    ],
)
def test_bounds_are_taken_in_any_iso_form(organization, keys, said):
    store_events(organization, MORNING, after(2))
    (results,) = pages(keys.integration, "/v1/events", **{"from": said})
    assert len(results) == 1


@pytest.mark.parametrize("said", ["0001-01-01", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_no_bound_is_too_far_away(organization, keys, said):
    store_events(organization, MORNING)
    for bound in ("from", "to"):
        assert get(keys.integration, "/v1/events", **{bound: said}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "201"),
        ("limit", "many"),
        ("limit", "1.5"),
        ("limit", "9" * 5_000),
        ("from", "yesterday"),
        ("from", "0001-01-01T00:00:00+14:00"),
        ("to", "9999-12-31T23:59:59-14:00"),
        ("to", "10000-01-01"),
        ("source", "17"),
        ("name", "a\0b"),
        ("type", "\0"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(keys, name, value):
    answer = get(keys.integration, "/v1/events", **{name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", name]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "=",
        "ü",
        "a b",
        "\0",
        "AAAA",
        "bnVsbA",
        encode("no uuid"),
        encode(17),
        encode([]),
        encode(UUID(int=1)) + "A",
        encode(UUID(int=1))[:-1],
        "A" * 10_000,
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(keys, cursor):
    answer = get(keys.integration, "/v1/events", cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_empty_parameters_count_as_absent(organization, keys):
    store_events(organization, MORNING)
    empty = dict.fromkeys(("limit", "cursor", "from", "to", "type", "name", "source"), "")
    (results,) = pages(keys.integration, "/v1/events", **empty)
    assert len(results) == 1


def test_one_event_and_two_hundred_cost_the_same_statements(organization, keys):
    store_profile(organization, COOKIE)
    store_events(organization, *(after(each) for each in range(201)))
    counts = []
    for limit in (1, 200):
        with CaptureQueriesContext(connection) as queries:
            get(keys.integration, "/v1/events", limit=limit)
        counts.append(len(queries))
    assert counts == [2, 2]
