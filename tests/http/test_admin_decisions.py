"""What staff decide about people: merge, undo, quarantine; asked first, done once."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import Identifier as IdentifierRow
from identity.models import Merge, Profile, Refusal
from tests.http.deciding import key_of, row_of, say, state_of, two_people, warned
from tests.http.staffed import make_client, make_house, text, url

#: Each decision, and the page whose rows it is about.
DECISIONS = [
    *((Merge, "undo"), (Profile, "merge"), (Refusal, "accept"), (Refusal, "dismiss")),
    *((IdentifierRow, "quarantine"),),
]
every_decision = pytest.mark.parametrize(("model", "name"), DECISIONS)


@pytest.fixture(scope="module")
def watched():
    """A house in which nobody decides anything."""
    return make_house()


@pytest.fixture
def house():
    return make_house()


@pytest.fixture
def editor(house):
    return make_client(editor=house)


@every_decision
def test_a_viewer_has_no_button_and_may_neither_look_nor_decide(model, name, watched):
    client, before = make_client(viewer=watched), state_of(watched)
    pk = watched.rows[model].pk
    address = url(model, name, pk)
    assert address not in text(client.get(url(model, "change", pk)))
    assert [client.get(address).status_code, client.post(address).status_code] == [403, 403]
    assert state_of(watched) == before


@every_decision
def test_what_is_another_organizations_is_not_found(model, name, watched):
    client, before = make_client(admin=make_house()), state_of(watched)
    address, nothing = url(model, name, watched.rows[model].pk), url(model, name, uuid4())
    for each in (address, nothing):
        assert [client.get(each).status_code, client.post(each).status_code] == [404, 404]
    assert state_of(watched) == before


@every_decision
def test_a_role_elsewhere_does_not_count_here(model, name, watched):
    client = make_client(viewer=watched, admin=make_house())
    assert client.post(url(model, name, watched.rows[model].pk)).status_code == 403


@every_decision
@pytest.mark.parametrize("role", ["editor", "admin"])
def test_who_may_is_asked_first_and_asking_changes_nothing(model, name, role, watched):
    client, before = make_client(**{role: watched}), state_of(watched)
    pk = watched.rows[model].pk
    address = url(model, name, pk)
    assert address in text(client.get(url(model, "change", pk)))
    text(client.get(address))
    assert client.put(address).status_code == 405
    assert state_of(watched) == before


def test_a_form_that_was_made_elsewhere_decides_nothing(watched):
    client = make_client(editor=watched)
    client.handler.enforce_csrf_checks = True
    address = url(IdentifierRow, "quarantine", watched.rows[IdentifierRow].pk)
    assert client.post(address).status_code == 403


def test_an_identifier_is_quarantined_and_released(house, editor):
    row = house.rows[IdentifierRow]
    for name, status in (("quarantine", "quarantined"), ("release", "active")):
        page = text(editor.post(url(IdentifierRow, name, row.pk), follow=True))
        row.refresh_from_db()
        assert row.status == status
        again = text(editor.post(url(IdentifierRow, name, row.pk), follow=True))
        assert warned(again)
        assert not warned(page)


def test_what_is_quarantined_brings_nobody_together(house, editor):
    row, cookie = house.rows[IdentifierRow], Identifier(ANONYMOUS_ID, "new")
    editor.post(url(IdentifierRow, "quarantine", row.pk))
    say(house, Identifier(EMAIL, row.value), cookie)
    assert not IdentifierRow.objects.filter(pk=key_of(house, cookie)).exists()
    editor.post(url(IdentifierRow, "release", row.pk))
    say(house, Identifier(EMAIL, row.value), cookie)
    assert row_of(house, cookie).profile_id == row.profile_id


def test_an_erased_identifier_says_so_and_cannot_be_released(house, editor):
    row = house.rows[IdentifierRow]
    IdentifierRow.objects.filter(pk=row.pk).update(status="erased", value="")
    page = text(editor.get(url(IdentifierRow, "change", row.pk)))
    assert "erased" in page
    for name in ("quarantine", "release"):
        assert url(IdentifierRow, name, row.pk) not in page
        editor.post(url(IdentifierRow, name, row.pk))
    row.refresh_from_db()
    assert row.status == "erased"


@pytest.mark.parametrize("typed", ["value", "profile_id"])
def test_a_person_is_merged_with_who_is_typed_in(typed, house, editor):
    older, younger, _ = two_people(house)
    address = url(Profile, "merge", younger.profile_id)
    page = text(editor.get(address, {"other": getattr(older, typed)}))
    assert f'name="other" value="{older.profile_id}"' in page
    editor.post(address, {"other": older.profile_id})
    merge = Merge.objects.get(loser_id=younger.profile_id)
    assert (merge.winner_id, merge.rule) == (older.profile_id, "staff")
    assert merge.by.startswith("staff user-")
    again = text(editor.post(address, {"other": older.profile_id}, follow=True))
    assert warned(again)
    assert Merge.objects.filter(loser_id=younger.profile_id).count() == 1


def test_nobody_is_merged_with_themselves_or_with_who_is_not_known_here(house, editor, watched):
    mine, foreign = house.rows[Profile].pk, watched.rows[Profile].pk
    address, before = url(Profile, "merge", mine), state_of(house)
    for other in (mine, foreign, uuid4(), f"{watched.mark}@example.com", "nobody", "\0", ""):
        page = text(editor.get(address, {"other": other}))
        assert "Merge the two" not in page
        assert f"Ana {watched.mark}" not in page
        assert warned(text(editor.post(address, {"other": other}, follow=True)))
    assert state_of(house) == before


def test_a_merge_is_undone_once(house, editor):
    merge = house.rows[Merge]
    page = text(editor.get(url(Merge, "undo", merge.pk)))
    assert f"c-{house.mark}" in page
    editor.post(url(Merge, "undo", merge.pk))
    merge.refresh_from_db()
    cookie = row_of(house, Identifier(ANONYMOUS_ID, f"c-{house.mark}"))
    assert cookie.profile_id == merge.loser_id
    assert merge.undone_by.startswith("staff user-")
    before = state_of(house)
    assert warned(text(editor.post(url(Merge, "undo", merge.pk), follow=True)))
    assert warned(text(editor.get(url(Merge, "undo", merge.pk), follow=True)))
    assert state_of(house) == before


def test_a_merge_by_hand_can_be_undone(house, editor):
    older, younger, refusal = two_people(house)
    editor.post(url(Refusal, "accept", refusal.pk))
    merge = Merge.objects.get(loser_id=younger.profile_id)
    editor.post(url(Merge, "undo", merge.pk))
    for row, city in ((older, "Rome"), (younger, "Oslo")):
        home = row.profile_id
        row.refresh_from_db()
        assert row.profile_id == home
        assert row.profile.attributes["city"] == city


def test_who_decided_what_is_in_the_history_by_ids_only(house, editor):
    _, younger, refusal = two_people(house)
    editor.post(url(Refusal, "accept", refusal.pk))
    editor.post(url(IdentifierRow, "quarantine", younger.pk))
    merge = Merge.objects.get(loser_id=younger.profile_id)
    editor.post(url(Merge, "undo", merge.pk))
    for row in (refusal, younger, merge):
        (entry,) = LogEntry.objects.filter(object_id=str(row.pk))
        kept = f"{entry.object_repr} {entry.change_message}"
        assert "example.com" not in kept
        assert "+1555" not in kept
        assert entry.change_message in text(editor.get(url(type(row), "history", row.pk)))
