"""The page of a person: who it is, what they did and what that changed, in order."""

from __future__ import annotations

import re

import pytest

from identity.models import Identifier as IdentifierRow
from identity.models import Merge, Profile, Refusal
from ingest.models import Event, FailedEvent
from keystone import clock
from tests.http.staffed import make_client, make_house, refuse, text, url, visit


@pytest.fixture(scope="module")
def house():
    return make_house()


@pytest.fixture(scope="module")
def client(house):
    return make_client(viewer=house)


@pytest.fixture(scope="module")
def page(house, client):
    return text(client.get(url(Profile, "change", house.rows[Profile].pk)))


def test_a_person_is_called_by_their_name(house, page):
    assert f"<h2>Ana {house.mark}</h2>" in page
    assert house.organization.name in page


def test_the_timeline_has_the_events_of_all_identifiers_newest_first(house, page):
    events = Event.objects.filter(organization_id=house.organization.pk).order_by("-pk")
    links = re.findall(r'ks-what"><a class="ks-link" href="([^"]+)', page)
    assert links == [url(Event, "change", event.pk) for event in events]


def test_an_event_on_the_timeline_tells_what_it_changed_and_who_was_merged(house, page):
    newest = page.split('class="ks-what"')[1]
    merge = Merge.objects.get(organization_id=house.organization.pk)
    assert f"<ins>Ana {house.mark}</ins>" in newest
    assert url(Profile, "change", merge.loser_id) in newest


def test_attributes_identifiers_lineage_and_merges_are_there(house, page):
    assert "&quot;city&quot;: &quot;Rome&quot;" in page
    assert f"{house.mark}@example.com" in page
    assert f"c-{house.mark}" in page
    assert "<b>city</b>" in page.split("Lineage")[1]


def test_a_profile_that_was_merged_away_leads_to_its_survivor(house, client):
    gone = Profile.objects.get(organization_id=house.organization.pk, merged_into__isnull=False)
    page = text(client.get(url(Profile, "change", gone.pk)))
    notice = page.split("ks-notice")[1].split("</p>")[0]
    assert url(Profile, "change", house.rows[Profile].pk) in notice


def test_an_identifier_tells_in_which_event_and_by_which_merge_it_came(house, page):
    own = {"organization_id": house.organization.pk}
    cookie, merge = IdentifierRow.objects.get(kind="anonymous_id", **own), Merge.objects.get(**own)
    row = page.split(url(IdentifierRow, "change", cookie.pk))[1].split("</tr>")[0]
    assert url(Event, "change", cookie.event_id) in row
    assert url(Merge, "change", merge.pk) in row


def test_an_attribute_tells_by_which_event_it_last_changed(house, page):
    newest = Event.objects.filter(organization_id=house.organization.pk).order_by("-pk")[0]
    row = page.split("<td><b>city</b></td>")[1].split("</tr>")[0]
    assert "Rome" in row
    assert url(Event, "change", newest.pk) in row


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("editor", True), ("admin", True)])
def test_a_merge_in_force_can_be_undone_from_both_profiles_by_who_may(role, may, house):
    client, merge = make_client(**{role: house}), Merge.objects.get(pk=house.rows[Merge].pk)
    for pk in (merge.winner_id, merge.loser_id):
        page = text(client.get(url(Profile, "change", pk)))
        assert "in force" in page
        assert (url(Merge, "undo", merge.pk) in page) is may


def test_an_undone_merge_stays_on_the_page_with_who_undid_it():
    house = make_house()
    merge = house.rows[Merge]
    undone = {"undone_at": clock.now(), "undone_by": "staff somebody"}
    Merge.objects.filter(pk=merge.pk).update(**undone)
    page = text(make_client(editor=house).get(url(Profile, "change", merge.winner_id)))
    assert "staff somebody" in page
    assert url(Merge, "undo", merge.pk) not in page


def test_the_newest_refusals_about_any_identifier_are_there():
    house = make_house()
    row = house.rows[IdentifierRow]
    older = [refuse(row, other_key=row.key) for _ in range(5)]
    newer = [refuse(row, subject_key=row.home_id, other_key=row.key) for _ in range(20)]
    page = text(make_client(viewer=house).get(url(Profile, "change", row.profile_id)))
    assert all(url(Refusal, "change", each.pk) in page for each in newer)
    assert not any(url(Refusal, "change", each.pk) in page for each in older)


def test_of_who_was_erased_nothing_is_shown():
    house = make_house()
    profile = house.rows[Profile]
    Profile.objects.filter(pk=profile.pk).update(erased_at=clock.now())
    page = text(make_client(editor=house).get(url(Profile, "change", profile.pk)))
    assert "This person was erased" in page
    assert house.mark not in page.replace(house.organization.name, "")
    assert url(Profile, "merge", profile.pk) not in page


def test_an_event_shows_its_payload_and_leads_to_its_person(house, client):
    page = text(client.get(url(Event, "change", house.rows[Event].pk)))
    assert f"&quot;said&quot;: &quot;{house.mark}&quot;" in page
    assert url(Profile, "change", house.rows[Profile].pk) in page


def test_a_failed_event_shows_its_reason_and_body(house, client):
    page = text(client.get(url(FailedEvent, "change", house.rows[FailedEvent].pk)))
    assert "ValueError" in page
    assert f"&quot;{house.mark}&quot;" in page


def test_what_people_say_of_themselves_is_text_not_markup():
    house = make_house()
    visit(house.source, "<script>alert(1)</script>")
    client = make_client(viewer=house)
    for profile in Profile.objects.filter(organization_id=house.organization.pk):
        assert "<script>alert(1)" not in text(client.get(url(Profile, "change", profile.pk)))
    for model in (Profile, Event):
        assert "<script>alert(1)" not in text(client.get(url(model)))
