"""`GET /v1/explain`: why two identifiers are one person, and since when."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE, Identifier
from identity.models import Identifier as IdentifierRow
from identity.models import Merge, Profile
from ingest.models import Event
from keystone.clock import iso
from tests.http.happening import ANA, BOB, COOKIE, NOW, asked, happens, later
from tests.http.stored import MORNING, get


def test_one_event_that_names_both_is_the_reason(source, keys):
    login = happens(source, ANA, COOKIE)
    answer = asked(keys.integration, COOKIE, ANA)
    linked = {
        "what": "linked",
        "at": iso(NOW),
        "event_id": str(login.event_id),
        "source": str(source.key_id),
        "profile_id": str(login.profile_id),
    }
    assert answer == {
        "a": {
            "kind": "anonymous_id",
            "value": "cookie-1",
            "known": True,
            "profile_id": str(login.profile_id),
            "status": "active",
        },
        "b": {
            "kind": "email",
            "value": "ana@example.com",
            "known": True,
            "profile_id": str(login.profile_id),
            "status": "active",
        },
        "one_person": True,
        "since": iso(NOW),
        "because": [
            {**linked, "identifier": {"kind": "anonymous_id", "value": "cookie-1"}},
            {**linked, "identifier": {"kind": "email", "value": "ana@example.com"}},
        ],
        "why_not": [],
    }


def test_a_visitor_who_logs_in_is_one_person_since_then_and_by_that_event(source, keys):
    visit = happens(source, COOKIE)
    login = happens(source, ANA, COOKIE, minutes=5)
    answer = asked(keys.integration, ANA, COOKIE)
    told = [(step["what"], step["at"], step["event_id"]) for step in answer["because"]]
    assert told == [
        ("linked", iso(NOW), str(visit.event_id)),
        ("linked", iso(later(5)), str(login.event_id)),
        ("merged", iso(later(5)), str(login.event_id)),
    ]
    merge = Merge.objects.get(loser_id=visit.profile_id)
    assert answer["because"][-1] == {
        "what": "merged",
        "at": iso(later(5)),
        "event_id": str(login.event_id),
        "source": str(source.key_id),
        "merge_id": str(merge.id),
        "winner": str(login.profile_id),
        "loser": str(visit.profile_id),
        "rule": "identified",
        "by": "",
    }
    assert answer["since"] == iso(later(5))


def test_what_happened_to_both_together_later_is_not_told(source, keys):
    happens(source, BOB, minutes=-5)
    happens(source, COOKIE)
    happens(source, ANA, COOKIE, minutes=1)
    happens(source, ANA, BOB, minutes=9)  # Ana and the cookie become part of Bob
    answer = asked(keys.integration, ANA, COOKIE)
    assert answer["since"] == iso(later(1))
    assert len(answer["because"]) == 3
    assert asked(keys.integration, BOB, COOKIE)["since"] == iso(later(9))


def test_the_story_holds_when_the_events_themselves_are_gone(source, keys):
    happens(source, BOB, minutes=-5)
    happens(source, ANA, COOKIE)
    happens(source, ANA, BOB, minutes=9)
    Event.objects.filter(organization_id=source.organization_id).delete()
    answer = asked(keys.integration, ANA, COOKIE)
    assert answer["one_person"]
    assert answer["since"] == iso(later(9))  # by then at the latest
    assert [step["what"] for step in answer["because"]] == ["linked", "linked"]


def test_an_identifier_is_one_person_with_itself(source, keys):
    happens(source, ANA)
    answer = asked(keys.integration, ANA, Identifier(EMAIL, " ANA@example.com"))
    assert answer["one_person"]
    assert [step["what"] for step in answer["because"]] == ["linked"]


def test_values_are_normalized_first(source, keys):
    happens(source, Identifier(PHONE, "+442079460958"), COOKIE)
    answer = get(
        keys.integration,
        "/v1/explain",
        a=" phone: +44 (20) 7946 0958",
        b="anonymous_id:cookie-1",
    ).json()
    assert (answer["a"]["value"], answer["one_person"]) == ("+442079460958", True)


def test_a_value_may_have_colons_in_it(source, keys):
    happens(source, Identifier(CRM_ID, "eu:7"), COOKIE)
    assert asked(keys.integration, Identifier(CRM_ID, "eu:7"), COOKIE)["one_person"]


@pytest.mark.parametrize(
    ("a", "code"),
    [
        ("", "invalid_identifier"),
        ("ana@example.com", "invalid_identifier"),
        ("shoe:42", "invalid_identifier"),
        ("email:", "invalid_identifier"),
        ("email:nonsense", "invalid_identifier"),
        ("crm_id:null", "invalid_identifier"),
        ("crm_id:\0", "invalid_text"),
    ],
)
def test_what_names_nobody_is_refused(keys, a, code):
    answer = get(keys.integration, "/v1/explain", a="email:b@example.com", b=a)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["loc"] == ["query", "b"]


def test_both_have_to_be_named(keys):
    answer = get(keys.integration, "/v1/explain", b="email:b@example.com")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "a"])


def test_the_number_of_statements_does_not_depend_on_how_long_the_story_is(source, keys):
    happens(source, ANA, COOKIE)
    chain = [uuid4() for _ in range(20)]
    last = IdentifierRow.objects.get(
        organization_id=source.organization_id, value="ana@example.com"
    ).profile_id
    for loser, winner in zip(chain, [*chain[1:], last], strict=True):
        Merge.objects.create(
            organization_id=source.organization_id,
            winner_id=winner,
            loser_id=loser,
            identifiers=[],
            rule="staff",
            attributes_before={},
            at=MORNING,
        )
    device = Identifier(ANONYMOUS_ID, "cookie-2")
    IdentifierRow.objects.create(
        key=device.key(source.organization_secret),
        organization_id=source.organization_id,
        kind=ANONYMOUS_ID,
        value="cookie-2",
        profile=Profile.objects.get(id=last),
        home_id=chain[0],
        source_id=source.key_id,
        linked_at=MORNING,
        first_seen=MORNING,
        last_seen=MORNING,
    )
    counts = []
    for name, steps in ((COOKIE, 2), (device, 22)):
        with CaptureQueriesContext(connection) as queries:
            assert len(asked(keys.integration, ANA, name)["because"]) == steps
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 2
