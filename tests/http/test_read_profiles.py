"""`GET /v1/profiles/{id}`, `/by/{kind}/{value}`, `/{id}/events`."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE, Identifier
from keystone import bounded
from keystone.people import profiles
from tests.http.stored import (
    COOKIE,
    MORNING,
    after,
    get,
    pages,
    store_events,
    store_identifier,
    store_profile,
)
from tests.make import make_key, make_organization

ANA = Identifier(EMAIL, "ana@example.com")


def ids(results):
    return [each["id"] for each in results]


def test_a_profile_is_answered_whole(organization, keys):
    profile = store_profile(organization, ANA, kind="anchor", attributes={"city": "Miami"})
    store_events(organization, MORNING, who=ANA)
    assert get(keys.integration, f"/v1/profiles/{profile.id}").json() == {
        "id": str(profile.id),
        "kind": "anchor",
        "attributes": {"city": "Miami"},
        "identifiers": [
            {
                "kind": "email",
                "value": "ana@example.com",
                "first_seen": "2026-11-20T09:00:00.000Z",
                "last_seen": "2026-11-20T09:00:00.000Z",
                "status": "active",
            }
        ],
        "first_seen": "2026-11-20T09:00:00.000Z",
        "last_seen": "2026-11-20T09:00:00.000Z",
        "event_count": 1,
        "session_count": 0,
        "order_count": 0,
        "merged_from": [],
    }


def test_the_id_of_a_merged_away_profile_answers_the_survivor(organization, keys):
    survivor = store_profile(organization, ANA, kind="anchor")
    loser = store_profile(organization, merged_into=survivor.id)
    answer = get(keys.integration, f"/v1/profiles/{loser.id}").json()
    assert answer["id"] == str(survivor.id)
    assert answer["requested_id"] == str(loser.id)
    assert answer["merged_from"] == [str(loser.id)]


def test_attributes_come_back_exactly_as_stored(organization, keys):
    profile = store_profile(organization, ANA)
    big = b'{"big": 123456789012345678901234567890.125, "nought": 1.0}'
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE profile SET attributes = %s WHERE id = %s", [big.decode(), profile.id]
        )
    assert b'"attributes":' + big in get(keys.integration, f"/v1/profiles/{profile.id}").content


@pytest.mark.parametrize("route", ["/v1/profiles/{}", "/v1/profiles/{}/events"])
def test_another_organizations_profile_reads_like_one_that_does_not_exist(keys, route):
    foreign = store_profile(make_organization(), ANA)
    answers = [get(keys.integration, route.format(id_)) for id_ in (foreign.id, uuid4())]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("route", ["/v1/profiles/{}", "/v1/profiles/{}/events"])
def test_an_id_that_is_no_uuid_is_not_found(keys, route):
    answer = get(keys.integration, route.format("17"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (ANA, "ana@example.com"),
        (ANA, " Ana@Example.COM "),
        (Identifier(PHONE, "+442079460958"), "+44 20 7946 0958"),
        (Identifier(CRM_ID, "a/b//c?d#e%2F"), "a/b//c?d#e%2F"),
        (Identifier(CRM_ID, "events"), "events"),
        (Identifier(ANONYMOUS_ID, "żółć/ü"), "żółć/ü"),
    ],
)
def test_a_person_is_found_by_any_identifier(organization, keys, name, asked):
    profile = store_profile(organization, name)
    answer = get(keys.integration, f"/v1/profiles/by/{name.kind}/{quote(asked, safe='')}")
    assert (answer.status_code, answer.json().get("id")) == (200, str(profile.id))


def test_slashes_and_signs_in_a_value_need_no_encoding(organization, keys):
    profile = store_profile(organization, Identifier(CRM_ID, "a/b+c@d"))
    answer = get(keys.integration, "/v1/profiles/by/crm_id/a/b+c@d")
    assert answer.json()["id"] == str(profile.id)


@pytest.mark.parametrize(
    "path", ["email/nobody@example.com", "email/nonsense", "shoe/42", "crm_id/null", "crm_id/%00"]
)
def test_what_names_nobody_is_not_found(keys, path):
    assert get(keys.integration, f"/v1/profiles/by/{path}").status_code == 404


def test_the_identifiers_of_another_organization_find_nobody(keys):
    store_profile(make_organization(), ANA)
    assert get(keys.integration, "/v1/profiles/by/email/ana@example.com").status_code == 404


def test_events_beyond_the_bound_are_counted_as_capped(organization, keys, monkeypatch):
    monkeypatch.setattr(profiles, "EVENTS_MAX", 3)
    profile = store_profile(organization, ANA, COOKIE)
    store_events(organization, MORNING, after(1), who=ANA)
    store_events(organization, MORNING, after(1))
    answer = get(keys.integration, f"/v1/profiles/{profile.id}").json()
    assert (answer["event_count"], answer["capped"]) == (3, True)


def test_a_person_with_very_many_identifiers_is_capped(organization, keys, monkeypatch):
    monkeypatch.setattr(profiles, "IDENTIFIERS_MAX", 1)
    profile = store_profile(organization, COOKIE)
    store_identifier(organization, profile, ANA, last_seen=after(1))
    answer = get(keys.integration, f"/v1/profiles/{profile.id}").json()
    assert [each["kind"] for each in answer["identifiers"]] == ["email"]
    assert answer["capped"] is True


def test_a_timeline_is_made_of_the_events_of_all_identifiers(organization, keys):
    profile = store_profile(organization, ANA, COOKIE)
    first, third = store_events(organization, after(1), after(3))
    second, fourth = store_events(organization, after(2), after(4), who=ANA)
    store_events(organization, after(5), who=Identifier(EMAIL, "bob@example.com"))
    (results,) = pages(keys.integration, f"/v1/profiles/{profile.id}/events")
    assert ids(results) == [str(each) for each in (fourth, third, second, first)]
    assert results[0]["identifier"] == {"kind": "email", "value": "ana@example.com"}


def test_the_timeline_of_a_merged_away_profile_is_the_survivors(organization, keys):
    survivor = store_profile(organization, COOKIE)
    loser = store_profile(organization, merged_into=survivor.id)
    (event,) = store_events(organization, MORNING)
    (results,) = pages(keys.integration, f"/v1/profiles/{loser.id}/events")
    assert ids(results) == [str(event)]


def test_a_person_without_identifiers_has_an_empty_timeline(organization, keys):
    profile = store_profile(organization)
    assert pages(keys.integration, f"/v1/profiles/{profile.id}/events") == [[]]


def test_the_pages_of_a_timeline_join_without_gap_or_overlap(organization, keys):
    profile = store_profile(organization, ANA, COOKIE)
    cookies = store_events(organization, *(after(each) for each in range(0, 8)))
    emails = store_events(organization, *(after(each / 3) for each in range(0, 9)), who=ANA)
    found = pages(keys.integration, f"/v1/profiles/{profile.id}/events", limit=4)
    assert [len(page) for page in found] == [4, 4, 4, 4, 1]
    newest_first = sorted(map(str, cookies + emails), reverse=True)
    assert [id_ for page in found for id_ in ids(page)] == newest_first


def test_a_filtered_timeline_is_complete_though_each_page_looks_at_few_rows(
    organization, keys, monkeypatch
):
    monkeypatch.setattr(bounded, "REACH", 2)
    profile = store_profile(organization, ANA, COOKIE)
    store_events(organization, *(after(each) for each in range(20)))
    store_events(organization, *(after(each + 7) for each in range(5)), who=ANA)
    rare = [
        *store_events(organization, after(2.5), after(9.5), name="Rare"),
        *store_events(organization, after(0.5), name="Rare", who=ANA),
    ]
    found = pages(keys.integration, f"/v1/profiles/{profile.id}/events", name="Rare", limit=1)
    newest_first = sorted(map(str, rare), reverse=True)
    assert [id_ for page in found for id_ in ids(page)] == newest_first


def test_a_timeline_is_bounded_by_time_and_type(organization, keys):
    profile = store_profile(organization, COOKIE)
    store_events(organization, MORNING, after(3))
    store_events(organization, after(1), type="page")
    (wanted,) = store_events(organization, after(2))
    (results,) = pages(
        keys.integration,
        f"/v1/profiles/{profile.id}/events",
        **{"from": "2026-11-20T09:01:00Z", "to": "2026-11-20T09:03:00Z", "type": "track"},
    )
    assert ids(results) == [str(wanted)]


@pytest.mark.parametrize("tail", ["", "/events", "/events?name=Tested"])
def test_the_number_of_statements_does_not_depend_on_how_much_there_is(organization, keys, tail):
    little = store_profile(organization, ANA)
    store_events(organization, MORNING, who=ANA)
    names = [Identifier(ANONYMOUS_ID, f"cookie-{each}") for each in range(20)]
    much = store_profile(organization, *names)
    for name in names:
        store_events(organization, *(after(each) for each in range(5)), who=name)
    counts = []
    for profile in (little, much):
        with CaptureQueriesContext(connection) as queries:
            assert get(keys.integration, f"/v1/profiles/{profile.id}{tail}").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 4


def test_a_key_that_may_only_write_cannot_read(organization, keys):
    profile = store_profile(organization, ANA)
    answer = get(keys.tracker, f"/v1/profiles/{profile.id}")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_key_is_also_taken_as_bearer(organization):
    profile = store_profile(organization, ANA)
    _, raw = make_key(organization, scopes=("viewer",))
    answer = Client().get(f"/v1/profiles/{profile.id}", headers={"Authorization": f"Bearer {raw}"})
    assert answer.status_code == 200


def test_without_a_key_nothing_is_answered():
    answer = Client().get(f"/v1/profiles/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
