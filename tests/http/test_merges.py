"""`POST /v1/merges` and `/v1/merges/{id}/undo`: people bring people together, and take it back."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest
from django.test import Client

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import CannotLink, Merge, Profile, ProfileWork
from keystone.models import ApiKey
from tests.db.people import work_off
from tests.http.stored import MORNING, get, store_profile
from tests.make import make_key, make_organization

COOKIE, ANA = Identifier(ANONYMOUS_ID, "cookie-1"), Identifier(EMAIL, "ana@example.com")


def post(key, path, body=None):
    return Client().post(
        path,
        json.dumps(body) if body is not None else b"",
        content_type="application/json",
        headers={"X-API-Key": key},
    )


def merge(key, winner, loser):
    return post(key, "/v1/merges", {"winner": str(winner.id), "loser": str(loser.id)})


@pytest.fixture
def ana(organization):
    return store_profile(organization, ANA, kind="anchor", attributes={})


@pytest.fixture
def visitor(organization):
    return store_profile(organization, COOKIE)


def test_a_merge_answers_itself_and_can_be_read(organization, keys, ana, visitor):
    answer = merge(keys.admin, ana, visitor)
    said = answer.json()
    assert (answer.status_code, said["status"]) == (201, "done")
    assert (said["winner"], said["loser"]) == (str(ana.id), str(visitor.id))
    assert said["identifiers"] == [{"kind": "anonymous_id", "value": "cookie-1"}]
    key = ApiKey.objects.get(organization=organization, scopes__contains=["admin"])
    by = f"key {key.display}"
    assert said["evidence"] == {"event_id": None, "source": None, "rule": "staff", "by": by}
    assert get(keys.integration, f"/v1/merges/{said['id']}").json() == said
    person = get(keys.integration, f"/v1/profiles/{visitor.id}").json()
    assert (person["id"], person["merged_from"]) == (str(ana.id), [str(visitor.id)])


def test_an_undo_answers_what_moved(organization, keys, ana, visitor):
    said = merge(keys.admin, ana, visitor).json()
    answer = post(keys.admin, f"/v1/merges/{said['id']}/undo")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": said["id"],
        "status": "done",
        "dry_run": False,
        "winner": str(ana.id),
        "loser": str(visitor.id),
        "identifiers": [{"kind": "anonymous_id", "value": "cookie-1"}],
        "identifier_count": 1,
        "attribute_changes": {"winner": 0, "loser": 0},
    }
    read = get(keys.integration, f"/v1/merges/{said['id']}").json()
    assert (read["status"], read["undone_by"]) == ("undone", said["evidence"]["by"])
    assert get(keys.integration, f"/v1/profiles/{visitor.id}").json()["id"] == str(visitor.id)
    assert CannotLink.objects.get(organization_id=organization.id).by == said["evidence"]["by"]


def test_a_dry_run_only_says_so(organization, keys, ana, visitor):
    said = merge(keys.admin, ana, visitor).json()
    answer = post(keys.admin, f"/v1/merges/{said['id']}/undo?dry_run=1").json()
    assert (answer["dry_run"], answer["status"], answer["identifier_count"]) == (True, "done", 1)
    assert get(keys.integration, f"/v1/merges/{said['id']}").json()["status"] == "done"
    assert not CannotLink.objects.filter(organization_id=organization.id).exists()


def test_an_undo_sent_again_is_told_so(keys, ana, visitor):
    said = merge(keys.admin, ana, visitor).json()
    first, again = [post(keys.admin, f"/v1/merges/{said['id']}/undo") for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert (again.json()["status"], again.json()["identifiers"]) == ("already_undone", [])


def test_what_is_much_is_done_a_moment_later(keys, ana, visitor, monkeypatch):
    monkeypatch.setattr("identity.unite.LARGE", 0)
    monkeypatch.setattr("identity.undo.LARGE", 0)
    answer = merge(keys.admin, ana, visitor)
    said = answer.json()
    assert (answer.status_code, said["status"], said["identifiers"]) == (202, "pending", [])
    path = f"/v1/merges/{said['id']}"
    assert get(keys.integration, path).json() == said
    assert post(keys.admin, f"{path}/undo").status_code == 404
    work_off()
    assert get(keys.integration, path).json()["status"] == "done"
    undone = post(keys.admin, f"{path}/undo")
    assert (undone.status_code, undone.json()["status"]) == (202, "pending")
    assert undone.json()["identifier_count"] is None
    assert undone.json()["attribute_changes"] is None
    work_off()
    assert get(keys.integration, path).json()["status"] == "undone"


def test_an_id_that_was_merged_away_stands_for_the_survivor(organization, keys, ana, visitor):
    other = store_profile(organization)
    merge(keys.admin, ana, visitor)
    said = merge(keys.admin, visitor, other).json()
    assert (said["winner"], said["loser"]) == (str(ana.id), str(other.id))


def test_two_who_are_one_are_refused(keys, ana, visitor):
    merge(keys.admin, ana, visitor)
    for winner, loser in ((ana, visitor), (visitor, ana), (ana, ana)):
        answer = merge(keys.admin, winner, loser)
        assert (answer.status_code, answer.json()["code"]) == (409, "same_person")


def test_an_anchor_never_becomes_part_of_a_shadow(keys, ana, visitor):
    answer = merge(keys.admin, visitor, ana)
    assert (answer.status_code, answer.json()["code"]) == (422, "anchor_into_shadow")
    assert not Merge.objects.filter(winner_id=visitor.id).exists()


def test_what_is_not_ours_reads_like_what_is_not_there(organization, keys, ana, visitor):
    foreign = store_profile(make_organization(), ANA)
    erased = store_profile(organization, erased_at=MORNING)
    answers = [merge(keys.admin, ana, other) for other in (foreign, erased, Profile(id=uuid4()))]
    merged = merge(keys.admin, ana, visitor).json()
    _, stranger = make_key(make_organization(), scopes=("editor",))
    answers += [post(stranger, f"/v1/merges/{merged['id']}/undo")]
    answers += [post(keys.admin, f"/v1/merges/{id_}/undo") for id_ in (uuid4(), "17")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_a_merge_with_somebody_erased_stays(keys, ana, visitor):
    said = merge(keys.admin, ana, visitor).json()
    Profile.objects.filter(id__in=[ana.id, visitor.id]).update(erased_at=MORNING)
    for tail in ("", "?dry_run=1"):
        answer = post(keys.admin, f"/v1/merges/{said['id']}/undo{tail}")
        assert (answer.status_code, answer.json()["code"]) == (409, "erased")
    assert not ProfileWork.objects.filter(organization_id=ana.organization_id).exists()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, []),
        ({"winner": "x", "loser": str(uuid4())}, ["winner"]),
        ({"winner": str(uuid4()), "loser": 1}, ["loser"]),
    ],
)
def test_a_body_that_names_nobody_says_where(keys, body, place):
    answer = post(keys.admin, "/v1/merges", body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, place)


def test_a_flag_is_a_flag(keys, ana, visitor):
    said = merge(keys.admin, ana, visitor).json()
    answer = post(keys.admin, f"/v1/merges/{said['id']}/undo?dry_run=maybe")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_choice")
    assert answer.json()["errors"][0]["loc"] == ["query", "dry_run"]


@pytest.mark.parametrize("path", ["/v1/merges", f"/v1/merges/{UUID(int=7)}/undo"])
def test_only_editors_decide(organization, keys, path):
    _, editor = make_key(organization, scopes=("editor",))
    statuses = {key: post(key, path, {}).status_code for key in (keys.integration, editor)}
    assert statuses[keys.integration] == 403
    assert statuses[editor] in (404, 422)
    assert get(editor, path).status_code == 405
