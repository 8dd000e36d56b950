"""`GET /v1/profiles/{id}/lineage`."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import AttributeChange
from ingest.isolation import process_isolated
from keystone import bounded, clock
from tests.http.stored import MORNING, after, get, pages, store_profile
from tests.make import make_record

COOKIE, ANA = Identifier(ANONYMOUS_ID, "cookie-1"), Identifier(EMAIL, "ana@example.com")
CITY = ["address", "city"]


def ids(results):
    return [each["id"] for each in results]


def store_changes(profile, *paths, **fields):
    """Store a change of each path; return their ids."""
    said = {"op": "change", "old": "Chicago", "new": "Miami", "event_id": None, "merge_id": None}
    times = {"occurred_at": MORNING, "recorded_at": MORNING}
    changes = [
        AttributeChange.objects.create(
            organization_id=profile.organization_id,
            profile_id=profile.id,
            path=path,
            **{**said, **times, **fields},
        )
        for path in paths
    ]
    return [str(change.id) for change in changes]


def lineage(key, profile, **params):
    found = pages(key, f"/v1/profiles/{profile.id}/lineage", **params)
    return [change for page in found for change in page]


def test_a_change_is_answered_whole(organization, keys):
    profile = store_profile(organization)
    (id_,) = store_changes(
        profile,
        CITY,
        occurred_at=after(1),
        event_id=UUID(int=2),
        source_id=UUID(int=3),
        merge_id=UUID(int=4),
    )
    assert lineage(keys.integration, profile) == [
        {
            "id": id_,
            "path": ["address", "city"],
            "op": "change",
            "old": "Chicago",
            "new": "Miami",
            "occurred_at": "2026-11-20T09:01:00.000Z",
            "recorded_at": "2026-11-20T09:00:00.000Z",
            "event_id": str(UUID(int=2)),
            "source": str(UUID(int=3)),
            "merge_id": str(UUID(int=4)),
        }
    ]


def test_values_come_back_exactly_as_stored(organization, keys):
    profile = store_profile(organization)
    store_changes(profile, ["balance"])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE attribute_change SET old = NULL, new = '1234567890123456789.50'"
            " WHERE profile_id = %s",
            [profile.id],
        )
    answer = get(keys.integration, f"/v1/profiles/{profile.id}/lineage").content
    assert b'"old":null,"new":1234567890123456789.50' in answer


def test_moving_from_chicago_to_miami_is_exactly_one_change(source, keys):
    now = clock.now()
    chicago, miami = (
        make_record(source, identifiers=(ANA,), attributes={"address": {"city": city, "zip": "1"}})
        for city in ("Chicago", "Miami")
    )
    (first,), (second,) = process_isolated([chicago], now), process_isolated([miami], now)
    path = f"/v1/profiles/{first.profile_id}/lineage"
    newest, *_ = get(keys.integration, path).json()["results"]
    told = [newest[name] for name in ("path", "op", "old", "new", "event_id")]
    assert told == [CITY, "change", "Chicago", "Miami", str(second.event_id)]
    assert len(get(keys.integration, path).json()["results"]) == 3  # two were new before


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("address.city", [0]),
        ("address", [0, 1]),
        ('["address","city"]', [0]),
        ('["a.b"]', [3]),
        ("a.b", [4]),
        ("addr", []),
        ("address.city.district", []),
        ("[]", [0, 1, 2, 3, 4]),
        ("", [0, 1, 2, 3, 4]),
        ("%", []),
    ],
)
def test_a_path_leads_to_what_changed_at_it_or_below(organization, keys, path, found):
    profile = store_profile(organization)
    stored = store_changes(
        profile, CITY, ["address", "zip"], ["addresses"], ["a.b", "c"], ["a", "b"]
    )
    assert ids(lineage(keys.integration, profile, path=path)) == [
        stored[each] for each in reversed(found)
    ]


@pytest.mark.parametrize("path", ["[", '["a", 1]', "[a]", '["\\ud800"'])
def test_a_path_that_is_none_is_refused(organization, keys, path):
    profile = store_profile(organization)
    answer = get(keys.integration, f"/v1/profiles/{profile.id}/lineage", path=path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_path")


def test_what_was_logged_on_profiles_that_became_part_of_a_person_is_theirs(organization, keys):
    survivor = store_profile(organization)
    loser = store_profile(organization, merged_into=survivor.id)
    stranger = store_profile(organization)
    logged = [*store_changes(loser, CITY), *store_changes(survivor, ["plan"])]
    store_changes(stranger, CITY)
    assert ids(lineage(keys.integration, survivor)) == logged[::-1]
    assert ids(lineage(keys.integration, loser)) == logged[::-1]


def test_the_pages_of_a_lineage_join_without_gap_or_overlap(organization, keys):
    survivor = store_profile(organization)
    losers = [store_profile(organization, merged_into=survivor.id) for _ in range(2)]
    logged = [
        id_
        for _ in range(3)
        for profile in (survivor, *losers)
        for id_ in store_changes(profile, CITY)
    ]
    found = pages(keys.integration, f"/v1/profiles/{survivor.id}/lineage", limit=4)
    assert [len(page) for page in found] == [4, 4, 1]
    assert [id_ for page in found for id_ in ids(page)] == sorted(logged, reverse=True)


def test_a_filtered_lineage_is_complete_though_each_page_looks_at_few_rows(
    organization, keys, monkeypatch
):
    monkeypatch.setattr(bounded, "REACH", 4)
    survivor = store_profile(organization)
    loser = store_profile(organization, merged_into=survivor.id)
    rare = []
    for each in range(8):
        for profile in (survivor, loser):
            store_changes(profile, *[["plan"]] * 3)
            rare += store_changes(profile, CITY) if each % 3 == 0 else []
    found = lineage(keys.integration, survivor, path=json.dumps(CITY), limit=1)
    assert ids(found) == sorted(rare, reverse=True)


def test_the_number_of_statements_does_not_depend_on_how_much_there_is(organization, keys):
    little, much = store_profile(organization), store_profile(organization)
    store_changes(little, CITY)
    for _ in range(20):
        store_changes(store_profile(organization, merged_into=much.id), CITY, ["plan"])
    counts = []
    for profile in (little, much):
        with CaptureQueriesContext(connection) as queries:
            get(keys.integration, f"/v1/profiles/{profile.id}/lineage", path="address")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 3


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [({"limit": 201}, 422, "invalid_number"), ({"cursor": "mine"}, 400, "invalid_cursor")],
)
def test_a_page_that_cannot_be_is_refused(organization, keys, params, status, code):
    profile = store_profile(organization)
    answer = get(keys.integration, f"/v1/profiles/{profile.id}/lineage", **params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_nobody_is_not_found(keys):
    assert get(keys.integration, f"/v1/profiles/{uuid4()}/lineage").status_code == 404
