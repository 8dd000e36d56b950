"""`GET /v1/explain`: why two identifiers are not one person."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE, Identifier
from identity.models import CannotLink, IdentityPolicy, ProfileWork
from identity.models import Identifier as IdentifierRow
from identity.work import merge_by_hand, undo_by_hand
from keystone import clock
from keystone.clock import iso
from keystone.ids import new_id
from tests.http.happening import ANA, BOB, COOKIE, asked, happens, later, text
from tests.http.stored import MORNING
from tests.make import make_source

PHONE_OF_ANA = Identifier(PHONE, "+442079460958")
ONE, TWO = Identifier(CRM_ID, "1"), Identifier(CRM_ID, "2")


def reasons(key, a, b):
    """Say why not: the reasons, both ways round the same."""
    answer, turned = asked(key, a, b), asked(key, b, a)
    assert not answer["one_person"]
    assert sorted(map(str, answer["why_not"])) == sorted(map(str, turned["why_not"]))
    return [each["reason"] for each in answer["why_not"]]


def test_two_who_never_met_are_not_one_person(source, keys):
    happens(source, ANA)
    happens(source, BOB)
    answer = asked(keys.integration, ANA, BOB)
    assert (answer["since"], answer["because"]) == (None, [])
    assert reasons(keys.integration, ANA, BOB) == ["never_seen_together"]


def test_whom_nobody_has_seen_is_unknown(source, keys):
    happens(source, ANA)
    answer = asked(keys.integration, ANA, BOB)
    assert answer["b"] == {
        "kind": "email",
        "value": "bob@example.com",
        "known": False,
        "profile_id": None,
        "status": None,
    }
    (reason,) = answer["why_not"]
    assert (reason["reason"], reason["subject"]) == ("unknown", "email:bob@example.com")


def test_another_organizations_identifiers_are_unknown(source, keys):
    happens(make_source(), ANA, COOKIE)
    assert reasons(keys.integration, ANA, COOKIE) == ["unknown", "unknown"]


def test_a_shared_device_is_the_reason_with_its_event(source, keys):
    happens(source, ANA, COOKIE)
    login = happens(source, BOB, COOKIE, minutes=5)
    (reason,) = asked(keys.integration, BOB, COOKIE)["why_not"]
    assert reason == {
        "reason": "shared_device",
        "subject": "anonymous_id:cookie-1",
        "other": "email:bob@example.com",
        "at": iso(later(5)),
        "event_id": str(login.event_id),
        "source": str(source.key_id),
        "by": None,
        "merge_id": None,
        "suggestion": None,
    }


def test_a_refusal_between_other_identifiers_of_the_two_people_counts_too(source, keys):
    happens(source, ANA, COOKIE)
    happens(source, ANA, PHONE_OF_ANA)
    happens(source, BOB, COOKIE)
    assert reasons(keys.integration, PHONE_OF_ANA, BOB) == ["shared_device"]


def test_two_customers_in_one_statement_are_a_conflict_and_a_suggestion(source, keys):
    happens(source, ONE, ANA)
    happens(source, TWO, BOB)
    happens(source, ANA, BOB)
    (reason,) = asked(keys.integration, ONE, TWO)["why_not"]
    told = [reason[name] for name in ("reason", "subject", "other")]
    assert told == ["crm_conflict", "email:bob@example.com", "email:ana@example.com"]
    assert reason["suggestion"]["status"] == "open"
    assert UUID(reason["suggestion"]["id"])


def test_what_a_page_says_of_two_customers_is_a_suggestion(public_source, keys):
    happens(public_source, ANA)
    happens(public_source, BOB)
    happens(public_source, ANA, BOB)
    assert reasons(keys.integration, ANA, BOB) == ["untrusted"]


def test_an_address_beyond_the_limit_is_unknown_and_the_limit_is_told(source, keys):
    for each in range(6):
        happens(source, ONE, Identifier(EMAIL, f"{each}@example.com"))
    sixth = Identifier(EMAIL, "5@example.com")
    assert reasons(keys.integration, ONE, sixth) == ["unknown", "limit"]


def test_a_blocked_value_is_the_reason(source, keys):
    shared = Identifier(EMAIL, "test@example.com")
    IdentityPolicy.objects.create(
        organization_id=source.organization_id, blocked_values=[text(shared)]
    )
    happens(source, ONE)
    happens(source, ONE, shared)
    found = asked(keys.integration, ONE, shared)["why_not"]
    told = [(each["reason"], each["event_id"] is None) for each in found]
    assert told == [("unknown", True), ("blocked", True), ("blocked", False)]


def test_a_quarantined_device_is_the_reason(source, keys):
    happens(source, ANA, COOKIE)
    happens(source, BOB)
    IdentifierRow.objects.filter(organization_id=source.organization_id, kind=ANONYMOUS_ID).update(
        status="quarantined"
    )
    assert reasons(keys.integration, BOB, COOKIE) == ["quarantined"]
    assert asked(keys.integration, ANA, COOKIE)["a"]["status"] == "active"


def test_of_an_erased_person_nothing_is_told_but_that(source, keys):
    happens(source, ANA, COOKIE)
    happens(source, BOB, COOKIE)
    rows = IdentifierRow.objects.filter(organization_id=source.organization_id)
    rows.filter(value__in=["ana@example.com", "cookie-1"]).update(status="erased", value="")
    assert reasons(keys.integration, ANA, BOB) == ["erased"]
    answer = asked(keys.integration, ANA, COOKIE)
    assert [each["reason"] for each in answer["why_not"]] == ["erased", "erased"]
    assert answer["a"] | answer["b"] == {
        "kind": "anonymous_id",
        "value": "cookie-1",
        "known": True,
        "profile_id": None,
        "status": "erased",
    }


def test_a_merge_that_was_taken_back_is_the_reason(source, keys):
    one, other = (happens(source, each).profile_id for each in (ANA, BOB))
    barred = CannotLink.objects.create(
        organization_id=source.organization_id,
        left_home_id=other,
        right_home_id=one,
        left_id=other,
        right_id=one,
        merge_id=new_id(),
        at=MORNING,
        by="staff ada",
    )
    (reason,) = asked(keys.integration, ANA, BOB)["why_not"]
    assert (reason["reason"], reason["at"]) == ("cannot_link", iso(MORNING))
    assert (reason["by"], reason["merge_id"]) == ("staff ada", str(barred.merge_id))
    assert reasons(keys.integration, ANA, BOB) == ["cannot_link"]


def test_a_merge_by_staff_and_its_undo_are_told(source, keys):
    one, other = (happens(source, each).profile_id for each in (ANA, BOB))
    ours = {"organization_id": source.organization_id, "by": "staff ada"}
    merged = merge_by_hand(winner_id=one, loser_id=other, **ours)
    step = asked(keys.integration, ANA, BOB)["because"][-1]
    assert (step["merge_id"], step["by"]) == (str(merged.merge_id), "staff ada")
    assert step["event_id"] is None
    undo_by_hand(merge_id=merged.merge_id, **ours)
    happens(source, ANA, BOB)
    found = asked(keys.integration, ANA, BOB)["why_not"]
    assert [each["reason"] for each in found] == ["cannot_link", "cannot_link"]
    assert [each["merge_id"] for each in found] == [str(merged.merge_id), None]
    assert found[1]["event_id"] is not None


def test_a_merge_that_is_still_to_be_done_is_pending(source, keys):
    one, other = (happens(source, each).profile_id for each in (ANA, BOB))
    work = ProfileWork.objects.create(
        organization_id=source.organization_id,
        kind="merge",
        profile_id=one,
        other_id=other,
        merge_id=new_id(),
        seen_at=MORNING,
        created_at=MORNING,
        next_attempt_at=clock.now() + timedelta(days=1),
    )
    (reason,) = asked(keys.integration, ANA, BOB)["why_not"]
    assert (reason["reason"], reason["merge_id"]) == ("pending", str(work.merge_id))


def test_the_number_of_statements_does_not_depend_on_how_much_was_refused(source, keys):
    happens(source, ANA)
    happens(source, BOB)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            told = asked(keys.integration, ANA, BOB)["why_not"]
        counts.append(len(queries))
        for each in range(5):
            device = Identifier(ANONYMOUS_ID, f"cookie-{each}")
            happens(source, ANA, device)
            happens(source, BOB, device)
    assert len(told) == 5
    assert counts[0] == counts[1] <= 6
