"""Suggestions: two who may be one person, side by side, accepted or dismissed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import Identifier as IdentifierRow
from identity.models import Merge, Refusal
from tests.http.deciding import appear, state_of, two_people, warned
from tests.http.staffed import make_client, make_house, refuse, text, url


@pytest.fixture
def house():
    return make_house()


@pytest.fixture
def editor(house):
    return make_client(editor=house)


def test_a_suggestion_shows_both_people_and_which_one_stays(house, editor):
    older, younger, refusal = two_people(house)
    for address in (url(Refusal, "change", refusal.pk), url(Refusal, "accept", refusal.pk)):
        page = text(editor.get(address))
        stays, goes = page.split('class="ks-side')[2:]
        assert str(older.profile_id) in stays
        assert "old@example.com" in stays
        assert "Rome" in stays
        assert str(younger.profile_id) in goes
        assert "Oslo" in goes


def test_an_accepted_suggestion_merges_the_younger_into_the_older(house, editor):
    older, younger, refusal = two_people(house)
    page = text(editor.post(url(Refusal, "accept", refusal.pk), follow=True))
    merge = Merge.objects.get(loser_id=younger.profile_id)
    younger.refresh_from_db()
    refusal.refresh_from_db()
    assert not warned(page)
    assert (merge.winner_id, merge.rule) == (older.profile_id, "suggestion")
    assert merge.by == refusal.decided_by
    assert refusal.decided_by.startswith("staff user-")
    assert younger.profile_id == older.profile_id
    assert refusal.suggestion == "accepted"
    assert refusal.decided_at is not None


def test_an_anchor_stays_although_the_shadow_is_older(house, editor):
    cookie = appear(house, Identifier(ANONYMOUS_ID, "older"))
    email = appear(house, Identifier(EMAIL, "younger@example.com"))
    refusal = refuse(cookie, other_key=email.key)
    editor.post(url(Refusal, "accept", refusal.pk))
    assert Merge.objects.get(loser_id=cookie.profile_id).winner_id == email.profile_id


def test_a_suggestion_is_accepted_once(house, editor):
    _, younger, refusal = two_people(house)
    editor.post(url(Refusal, "accept", refusal.pk))
    before = state_of(house)
    assert warned(text(editor.post(url(Refusal, "accept", refusal.pk), follow=True)))
    assert warned(text(editor.post(url(Refusal, "dismiss", refusal.pk), follow=True)))
    assert state_of(house) == before
    assert Merge.objects.filter(loser_id=younger.profile_id).count() == 1


def test_whoever_clicks_at_the_same_time_decides_once(house):
    _, younger, refusal = two_people(house)
    clients = [make_client(editor=house) for _ in range(4)]

    def click(client):
        try:
            return client.post(url(Refusal, "accept", refusal.pk)).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(click, clients))
    refusal.refresh_from_db()
    assert answers == [302] * len(clients)
    assert Merge.objects.filter(loser_id=younger.profile_id).count() == 1
    assert refusal.suggestion == "accepted"


def test_a_suggestion_about_who_is_one_already_is_closed_calmly(house, editor):
    older, younger, refusal = two_people(house)
    editor.post(url(Refusal, "accept", refusal.pk))
    second = refuse(older, other_key=younger.key)
    page = text(editor.post(url(Refusal, "accept", second.pk), follow=True))
    second.refresh_from_db()
    assert "The two are one person already." in page
    assert not warned(page)
    assert second.suggestion == "accepted"


def test_a_suggestion_about_nobody_stays_open(house, editor):
    refusal = house.rows[Refusal]  # nobody has the other identifier
    page = text(editor.post(url(Refusal, "accept", refusal.pk), follow=True))
    refusal.refresh_from_db()
    assert warned(page)
    assert refusal.suggestion == "open"


def test_a_dismissed_suggestion_leaves_the_list_and_merges_nobody(house, editor):
    _, younger, refusal = two_people(house)
    address = url(Refusal, "change", refusal.pk)
    assert address in text(editor.get(url(Refusal), {"suggestion": "open"}))
    editor.post(url(Refusal, "dismiss", refusal.pk))
    refusal.refresh_from_db()
    assert refusal.suggestion == "dismissed"
    assert refusal.decided_by.startswith("staff user-")
    assert address not in text(editor.get(url(Refusal), {"suggestion": "open"}))
    assert address in text(editor.get(url(Refusal), {"suggestion": "dismissed"}))
    assert not Merge.objects.filter(loser_id=younger.profile_id).exists()


def test_a_refusal_that_is_no_suggestion_has_nothing_to_decide(house, editor):
    refusal = refuse(house.rows[IdentifierRow], other_key=uuid4(), suggestion="")
    page = text(editor.get(url(Refusal, "change", refusal.pk)))
    assert url(Refusal, "accept", refusal.pk) not in page
    assert warned(text(editor.post(url(Refusal, "accept", refusal.pk), follow=True)))
