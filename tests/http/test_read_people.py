"""`GET /v1/profiles`; and that nobody finds who was erased, or is another organization's."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE, Identifier
from keystone import bounded
from keystone.people import listing
from tests.http.stored import (
    COOKIE,
    MORNING,
    after,
    get,
    pages,
    store_identifier,
    store_profile,
)
from tests.make import make_organization

ANA = Identifier(EMAIL, "ana@example.com")


def ids(results):
    return [each["id"] for each in results]


def listed(key, **params):
    return [id_ for page in pages(key, "/v1/profiles", **params) for id_ in ids(page)]


def found(key, text):
    return get(key, "/v1/profiles", q=text).json()


def test_people_are_listed_with_what_they_are_best_known_by(organization, keys):
    ana = store_profile(organization, COOKIE, ANA, kind="anchor")
    (page,) = pages(keys.integration, "/v1/profiles")
    assert page == [
        {
            "id": str(ana.id),
            "kind": "anchor",
            "identifiers": [
                {"kind": "email", "value": "ana@example.com"},
                {"kind": "anonymous_id", "value": "cookie-1"},
            ],
            "first_seen": "2026-11-20T09:00:00.000Z",
            "last_seen": "2026-11-20T09:00:00.000Z",
        }
    ]


def test_of_many_identifiers_the_strongest_and_newest_are_shown(organization, keys):
    ana = store_profile(organization, ANA)
    for each in range(8):
        device = store_identifier(organization, ana, Identifier(ANONYMOUS_ID, f"cookie-{each}"))
        device.linked_at = after(each)
        device.save()
    (page,) = pages(keys.integration, "/v1/profiles")
    shown = [each["value"] for each in page[0]["identifiers"]]
    assert shown == ["ana@example.com", "cookie-7", "cookie-6", "cookie-5", "cookie-4"]


def test_the_pages_of_people_join_without_gap_or_overlap(organization, keys):
    people = [store_profile(organization) for _ in range(9)]
    found = pages(keys.integration, "/v1/profiles", limit=4)
    assert [len(page) for page in found] == [4, 4, 1]
    newest_first = sorted((str(each.id) for each in people), reverse=True)
    assert [id_ for page in found for id_ in ids(page)] == newest_first


def test_only_living_people_of_the_organization_are_listed(organization, keys):
    ana = store_profile(organization, ANA)
    store_profile(organization, merged_into=ana.id)
    store_profile(organization, erased_at=MORNING)
    store_profile(make_organization(), ANA)
    assert listed(keys.integration) == [str(ana.id)]
    assert listed(keys.integration, q="ana") == [str(ana.id)]


@pytest.mark.parametrize("params", [{"kind": "anchor"}, {"seen_after": "2026-11-20T09:30:00Z"}])
def test_a_filtered_list_is_complete_though_each_page_looks_at_few_rows(
    organization, keys, monkeypatch, params
):
    monkeypatch.setattr(bounded, "REACH", 3)
    wanted = []
    for each in range(20):
        rare = {"kind": "anchor", "last_seen": after(60)} if each % 7 == 0 else {}
        profile = store_profile(organization, **rare)
        wanted += [str(profile.id)] if rare else []
    assert listed(keys.integration, limit=1, **params) == wanted[::-1]


def test_seen_after_is_exclusive(organization, keys):
    store_profile(organization, last_seen=after(1))
    assert listed(keys.integration, seen_after=after(1).isoformat()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (ANA, "ana@"),
        (ANA, " Ana@EXAMPLE.com "),
        (Identifier(CRM_ID, "Customer-7"), "Customer"),
        (Identifier(PHONE, "+442079460958"), "+44 20 7946 0958"),
        (Identifier(PHONE, "+442079460958"), "+4420"),
        (Identifier(CRM_ID, "100%_x\\"), "100%_x\\"),
        (Identifier(CRM_ID, "żółć"), "żó"),
    ],
)
def test_a_person_is_found_by_how_an_identifier_begins(organization, keys, name, text):
    profile = store_profile(organization, name)
    store_profile(organization, Identifier(CRM_ID, "1000y"))
    assert ids(found(keys.integration, text)["results"]) == [str(profile.id)]


@pytest.mark.parametrize("text", ["%", "_na", "na@example.com", "ANA@example.org", "a\\"])
def test_what_no_identifier_begins_with_finds_nobody(organization, keys, text):
    store_profile(organization, ANA)
    assert found(keys.integration, text) == {"results": [], "next": None}


def test_whoever_has_several_such_identifiers_is_found_once_and_in_their_place(organization, keys):
    people = [
        store_profile(organization, *(Identifier(CRM_ID, f"x{one}-{more}") for more in range(3)))
        for one in range(5)
    ]
    newest_first = [str(each.id) for each in reversed(people)]
    assert listed(keys.integration, q="x", limit=2) == newest_first


def test_a_search_takes_the_filters_too(organization, keys):
    store_profile(organization, Identifier(CRM_ID, "x1"))
    anchor = store_profile(organization, Identifier(CRM_ID, "x2"), kind="anchor")
    assert listed(keys.integration, q="x", kind="anchor") == [str(anchor.id)]


def test_a_search_that_very_much_answers_is_capped(organization, keys, monkeypatch):
    monkeypatch.setattr(listing, "MATCHES_MAX", 2)
    for each in range(3):
        store_profile(organization, Identifier(CRM_ID, f"x{each}"))
    answer = found(keys.integration, "x")
    assert (len(answer["results"]), answer["capped"]) == (3, True)
    assert "capped" not in found(keys.integration, "x1")


def test_what_was_erased_is_not_shown_and_not_found(organization, keys):
    profile = store_profile(organization, ANA)
    store_identifier(organization, profile, COOKIE, status="erased")
    (result,) = found(keys.integration, "ana")["results"]
    assert [each["kind"] for each in result["identifiers"]] == ["email"]
    assert found(keys.integration, "cookie")["results"] == []
    whole = get(keys.integration, f"/v1/profiles/{profile.id}").json()
    assert [each["kind"] for each in whole["identifiers"]] == ["email"]
    assert get(keys.integration, "/v1/profiles/by/anonymous_id/cookie-1").status_code == 404


@pytest.mark.parametrize("tail", ["", "/attributes", "/events", "/lineage", "/merges"])
def test_an_erased_person_reads_like_one_who_never_was(organization, keys, tail):
    erased = store_profile(organization, erased_at=MORNING)
    part = store_profile(organization, merged_into=erased.id)
    answers = [
        get(keys.integration, f"/v1/profiles/{id_}{tail}") for id_ in (erased.id, part.id, uuid4())
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].content == answers[1].content == answers[2].content


def test_an_erased_person_is_not_found_by_an_identifier(organization, keys):
    store_profile(organization, ANA, erased_at=MORNING)
    assert get(keys.integration, "/v1/profiles/by/email/ana@example.com").status_code == 404


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"kind": "robot"}, "invalid_choice"),
        ({"seen_after": "soon"}, "invalid_time"),
        ({"q": "a\0"}, "invalid_text"),
        ({"limit": 0}, "invalid_number"),
    ],
)
def test_a_list_with_a_parameter_that_makes_no_sense_is_refused(keys, params, code):
    answer = get(keys.integration, "/v1/profiles", **params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["loc"] == ["query", next(iter(params))]


@pytest.mark.parametrize("tail", ["attributes", "lineage", "merges"])
def test_another_organizations_person_reads_like_one_that_does_not_exist(keys, tail):
    foreign = store_profile(make_organization(), ANA)
    answers = [
        get(keys.integration, f"/v1/profiles/{id_}/{tail}") for id_ in (foreign.id, uuid4(), "17")
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].content == answers[1].content == answers[2].content


@pytest.mark.parametrize("query", ["?limit=1", "?q=x", "?kind=anchor"])
def test_the_number_of_statements_does_not_depend_on_how_many_people_there_are(
    organization, keys, query
):
    counts = []
    for more in (1, 20):
        for each in range(more):
            name = Identifier(CRM_ID, f"x{more}-{each}")
            store_profile(organization, name, kind="anchor")
        with CaptureQueriesContext(connection) as queries:
            assert get(keys.integration, f"/v1/profiles{query}").json()["results"]
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 3
