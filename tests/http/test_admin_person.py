"""The page of a person: who it is, what they did and what that changed, in order."""

from __future__ import annotations

import re

import pytest

from identity.models import Merge, Profile
from ingest.models import Event, FailedEvent
from tests.http.staffed import make_client, make_house, text, url, visit


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
