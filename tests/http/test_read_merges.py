"""`GET /v1/merges/{id}` and `/v1/profiles/{id}/merges`."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity import read_merges
from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import Merge, ProfileWork
from ingest.isolation import process_isolated
from keystone import clock
from keystone.ids import new_id
from tests.http.stored import (
    MORNING,
    after,
    get,
    pages,
    store_identifier,
    store_merge,
    store_profile,
)
from tests.make import make_organization, make_record

COOKIE, ANA = Identifier(ANONYMOUS_ID, "cookie-1"), Identifier(EMAIL, "ana@example.com")


def ids(results):
    return [each["id"] for each in results]


def store_work(winner, loser, **fields):
    """Store a merge that is still to be done; return its id."""
    merge_id = new_id()
    ProfileWork.objects.create(
        organization_id=winner.organization_id,
        kind="merge",
        profile_id=winner.id,
        other_id=loser.id,
        merge_id=merge_id,
        rule="staff",
        by="staff ada",
        seen_at=MORNING,
        created_at=MORNING,
        next_attempt_at=MORNING,
        **fields,
    )
    return merge_id


@pytest.fixture
def winner(organization):
    return store_profile(organization, ANA, kind="anchor")


def merged(organization, winner, **fields):
    """Store a profile that became part of another, and the merge."""
    loser = store_profile(organization, merged_into=winner.id)
    return loser, store_merge(winner, loser, **fields)


def test_a_merge_is_answered_whole(organization, keys, winner):
    loser = store_profile(organization, merged_into=winner.id)
    moved = store_identifier(organization, winner, COOKIE)
    merge = store_merge(winner, loser, moved.key)
    assert get(keys.integration, f"/v1/merges/{merge.id}").json() == {
        "id": str(merge.id),
        "status": "done",
        "winner": str(winner.id),
        "loser": str(loser.id),
        "identifiers": [{"kind": "anonymous_id", "value": "cookie-1"}],
        "identifier_count": 1,
        "evidence": {
            "event_id": str(UUID(int=7)),
            "source": str(UUID(int=8)),
            "rule": "identified",
            "by": "",
        },
        "at": "2026-11-20T09:00:00.000Z",
        "undone_at": None,
        "undone_by": "",
    }


def test_a_merge_that_was_taken_back_says_when_and_by_whom(organization, keys, winner):
    _, merge = merged(organization, winner, undone_at=after(1), undone_by="staff ada")
    answer = get(keys.integration, f"/v1/merges/{merge.id}").json()
    told = [answer[name] for name in ("status", "undone_at", "undone_by")]
    assert told == ["undone", "2026-11-20T09:01:00.000Z", "staff ada"]


def test_a_merge_that_is_still_to_be_done_is_pending(organization, keys, winner):
    loser = store_profile(organization)
    answer = get(keys.integration, f"/v1/merges/{store_work(winner, loser)}").json()
    told = [answer[name] for name in ("status", "winner", "loser", "identifiers", "undone_at")]
    assert told == ["pending", str(winner.id), str(loser.id), [], None]
    assert answer["evidence"] == {
        "event_id": None,
        "source": None,
        "rule": "staff",
        "by": "staff ada",
    }


def test_a_merge_that_came_to_nothing_says_why(organization, keys, winner):
    loser = store_profile(organization)
    merge_id = store_work(winner, loser, done_at=after(1), error="same_person")
    answer = get(keys.integration, f"/v1/merges/{merge_id}").json()
    assert (answer["status"], answer["error"]) == ("failed", "same_person")


def test_why_an_attempt_failed_is_not_told_while_there_are_more(organization, keys, winner):
    merge_id = store_work(winner, store_profile(organization), error="LostRace")
    answer = get(keys.integration, f"/v1/merges/{merge_id}").json()
    assert (answer["status"], "error" in answer) == ("pending", False)


def test_a_merge_that_has_been_done_is_not_pending_any_more(organization, keys, winner):
    loser = store_profile(organization, merged_into=winner.id)
    merge_id = store_work(winner, loser, done_at=after(1))
    store_merge(winner, loser, id=merge_id)
    assert get(keys.integration, f"/v1/merges/{merge_id}").json()["status"] == "done"


def test_of_very_many_identifiers_some_are_listed_and_all_are_counted(
    organization, keys, winner, monkeypatch
):
    monkeypatch.setattr(read_merges, "IDENTIFIERS_MAX", 2)
    monkeypatch.setattr(read_merges, "LISTED_MAX", 1)
    devices = [Identifier(ANONYMOUS_ID, f"cookie-{each}") for each in range(3)]
    moved = [store_identifier(organization, winner, each).key for each in devices]
    _, merge = merged(organization, winner)
    Merge.objects.filter(id=merge.id).update(identifiers=moved)
    answer = get(keys.integration, f"/v1/merges/{merge.id}").json()
    ((listed,),) = pages(keys.integration, f"/v1/profiles/{winner.id}/merges")
    assert (len(answer["identifiers"]), answer["identifier_count"]) == (2, 3)
    assert (len(listed["identifiers"]), listed["identifier_count"]) == (1, 3)


def test_an_erased_identifier_is_not_listed(organization, keys, winner):
    device = store_identifier(organization, winner, COOKIE, status="erased")
    loser = store_profile(organization, merged_into=winner.id)
    merge = store_merge(winner, loser, device.key)
    answer = get(keys.integration, f"/v1/merges/{merge.id}").json()
    assert (answer["identifiers"], answer["identifier_count"]) == ([], 1)


def test_another_organizations_merge_reads_like_one_that_does_not_exist(keys):
    stranger = make_organization()
    theirs = store_profile(stranger, ANA)
    _, foreign = merged(stranger, theirs)
    pending = store_work(theirs, store_profile(stranger))
    answers = [
        get(keys.integration, f"/v1/merges/{id_}") for id_ in (foreign.id, pending, uuid4(), "17")
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert len({answer.content for answer in answers}) == 1


def test_a_merge_by_the_pipeline_names_its_event_and_what_moved(source, keys):
    now = clock.now()
    (visit,) = process_isolated([make_record(source, identifiers=(COOKIE,))], now)
    (login,) = process_isolated([make_record(source, identifiers=(ANA, COOKIE))], now)
    ((merge,),) = pages(keys.integration, f"/v1/profiles/{visit.profile_id}/merges")
    assert (merge["winner"], merge["loser"]) == (str(login.profile_id), str(visit.profile_id))
    assert merge["identifiers"] == [{"kind": "anonymous_id", "value": "cookie-1"}]
    assert merge["evidence"]["event_id"] == str(login.event_id)
    assert merge == get(keys.integration, f"/v1/merges/{merge['id']}").json()


def test_the_merges_of_a_person_are_those_of_all_its_parts(organization, keys, winner):
    part, first = merged(organization, winner)
    deep, second = store_profile(organization, merged_into=winner.id), None
    second = store_merge(part, deep, at=after(1))  # before `part` itself was merged
    gone = store_profile(organization)
    third = store_merge(winner, gone, undone_at=after(3))
    former = store_profile(organization)
    fourth = store_merge(former, part, undone_at=after(4))
    merged(organization, store_profile(organization))
    expected = [str(each.id) for each in (fourth, third, second, first)]
    for asked in (winner, part, deep):
        (found,) = pages(keys.integration, f"/v1/profiles/{asked.id}/merges")
        assert ids(found) == expected
    (theirs,) = pages(keys.integration, f"/v1/profiles/{gone.id}/merges")
    assert ids(theirs) == [str(third.id)]


def test_the_pages_of_merges_join_without_gap_or_overlap(organization, keys, winner):
    stored = []
    for _ in range(3):
        part, merge = merged(organization, winner)
        deep = store_profile(organization, merged_into=winner.id)
        stored += [merge, store_merge(part, deep), store_merge(deep, part, undone_at=MORNING)]
    found = pages(keys.integration, f"/v1/profiles/{winner.id}/merges", limit=4)
    assert [len(page) for page in found] == [4, 4, 1]
    newest_first = sorted((str(each.id) for each in stored), reverse=True)
    assert [id_ for page in found for id_ in ids(page)] == newest_first


def test_the_number_of_statements_does_not_depend_on_how_many_there_are(organization, keys, winner):
    other = store_profile(organization)
    merged(organization, other)
    for _ in range(20):
        merged(organization, winner)
    counts = []
    for profile in (other, winner):
        with CaptureQueriesContext(connection) as queries:
            get(keys.integration, f"/v1/profiles/{profile.id}/merges")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 4


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [({"limit": 0}, 422, "invalid_number"), ({"cursor": "mine"}, 400, "invalid_cursor")],
)
def test_a_page_that_cannot_be_is_refused(keys, winner, params, status, code):
    answer = get(keys.integration, f"/v1/profiles/{winner.id}/merges", **params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
