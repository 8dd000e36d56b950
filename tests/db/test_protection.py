"""What is written down of people who were kept apart, and what follows from it by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import pytest

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL
from identity.identifiers import Identifier as Name
from identity.models import Identifier, IdentityPolicy, Merge, Profile, Refusal
from identity.work import undo_by_hand
from ingest.record import Outcome
from keystone.db import Cursor
from keystone.source import Source
from tests.db.test_pipeline import process
from tests.make import make_record, make_source

ADA, BOB = Name(EMAIL, "ada@example.com"), Name(EMAIL, "bob@example.com")
COOKIE = Name(ANONYMOUS_ID, "c1")


def said(source: Source, *names: Name, **fields: object) -> Outcome:
    (outcome,) = process(make_record(source, identifiers=names, **fields))
    return outcome


def emails(count: int, prefix: str = "") -> list[Name]:
    return [Name(EMAIL, f"{prefix}{number}@example.com") for number in range(count)]


def cookies(count: int, prefix: str = "c") -> list[Name]:
    return [Name(ANONYMOUS_ID, f"{prefix}-{number}") for number in range(count)]


def refusals(source: Source) -> list[Refusal]:
    return list(Refusal.objects.filter(organization_id=source.organization_id).order_by("id"))


def reasons(source: Source) -> list[str]:
    return [each.reason for each in refusals(source)]


def stored(source: Source, name: Name) -> Identifier:
    return Identifier.objects.get(key=name.key(source.organization_secret))


def has(source: Source, **policy: object) -> None:
    """Give the organization rules of its own."""
    IdentityPolicy.objects.create(organization_id=source.organization_id, **policy)


def test_a_refusal_says_who_was_kept_apart_and_by_which_event(source: Source) -> None:
    said(source, ADA, COOKIE)
    login = said(source, BOB, COOKIE)
    (refusal,) = refusals(source)
    assert (refusal.reason, refusal.subject, refusal.other) == (
        "shared_device",
        "anonymous_id:c1",
        "email:bob@example.com",
    )
    secret = source.organization_secret
    assert (refusal.subject_key, refusal.other_key) == (COOKIE.key(secret), BOB.key(secret))
    assert (refusal.event_id, refusal.source_id) == (login.event_id, source.key_id)
    assert refusal.suggestion == ""


def test_a_refusal_is_stored_once_with_the_first_evidence(source: Source) -> None:
    said(source, ADA, COOKIE)
    first = said(source, BOB, COOKIE)
    process(*(make_record(source, identifiers=(BOB, COOKIE)) for _ in range(3)))
    assert [each.event_id for each in refusals(source)] == [first.event_id]


def test_each_pair_and_each_reason_is_a_refusal_of_its_own(source: Source) -> None:
    has(source, blocked_values=["email:test@example.com"])
    said(source, ADA, COOKIE)
    said(source, BOB, COOKIE)
    said(source, Name(EMAIL, "test@example.com"), COOKIE)
    said(source, Name(EMAIL, "carl@example.com"), COOKIE)
    assert sorted(reasons(source)) == ["blocked", "shared_device", "shared_device"]


def test_where_staff_may_know_better_a_refusal_is_a_suggestion(
    source: Source, public_source: Source
) -> None:
    said(source, ADA)
    said(source, BOB)
    said(public_source, ADA, BOB)
    (refusal,) = refusals(source)
    assert (refusal.reason, refusal.suggestion) == ("untrusted", "open")
    assert refusal.source_id == public_source.key_id


def test_a_repeated_message_is_refused_nothing(source: Source) -> None:
    said(source, ADA, COOKIE)
    record = make_record(source, identifiers=(BOB, COOKIE))
    process(record)
    Refusal.objects.filter(organization_id=source.organization_id).delete()
    process(record)
    assert refusals(source) == []


def test_another_organizations_people_are_not_met(source: Source) -> None:
    other = make_source()
    has(other, quarantine_after=1)
    said(other, ADA, COOKIE)
    said(source, ADA, COOKIE)
    said(source, BOB, COOKIE)
    assert refusals(other) == []
    assert stored(source, COOKIE).status == "active"


def test_a_device_that_met_ten_other_people_is_quarantined(source: Source) -> None:
    said(source, ADA, COOKIE)
    *nine, tenth = emails(10)
    process(*(make_record(source, identifiers=(each, COOKIE)) for each in nine))
    assert stored(source, COOKIE).status == "active"
    said(source, tenth, COOKIE)
    assert stored(source, COOKIE).status == "quarantined"


def test_after_how_many_is_the_organizations_own_rule(source: Source) -> None:
    has(source, quarantine_after=1)
    said(source, ADA, COOKIE)
    said(source, BOB, COOKIE)
    assert stored(source, COOKIE).status == "quarantined"


def test_a_device_meets_people_not_their_identities(source: Source) -> None:
    has(source, quarantine_after=2)
    said(source, ADA, COOKIE)
    bobs = (Name(CRM_ID, "B-1"), *emails(3, "bob"))
    said(source, *bobs)
    for identity in bobs:
        said(source, identity, COOKIE)
    assert len(refusals(source)) == 4
    assert stored(source, COOKIE).status == "active"
    said(source, BOB, COOKIE)
    assert stored(source, COOKIE).status == "quarantined"


def test_a_devices_own_person_is_none_of_those_it_met(source: Source) -> None:
    has(source, quarantine_after=2)
    said(source, ADA, COOKIE)
    adas_other = Name(EMAIL, "ada@example.org")
    said(source, adas_other, COOKIE)  # as if she were somebody else
    said(source, ADA, adas_other)
    said(source, BOB, COOKIE)
    assert stored(source, COOKIE).status == "active"
    said(source, Name(EMAIL, "carl@example.com"), COOKIE)
    assert stored(source, COOKIE).status == "quarantined"


def test_a_quarantined_device_keeps_its_events_and_brings_nobody_along(source: Source) -> None:
    said(source, COOKIE)
    Identifier.objects.filter(key=stored(source, COOKIE).key).update(status="quarantined")
    before = stored(source, COOKIE).profile_id
    login = said(source, ADA, COOKIE)
    browsing = said(source, COOKIE, attributes={"city": "Chicago"})
    assert (login.merged_profile_ids, browsing.profile_id) == ((), before)
    assert Profile.objects.get(id=before).attributes == {"city": "Chicago"}
    assert reasons(source) == ["quarantined"]


def test_a_blocked_value_is_a_person_whom_nobody_joins(source: Source) -> None:
    has(source, blocked_values=["email:ada@example.com"])
    people = [said(source, ADA, cookie).profile_id for cookie in cookies(3)]
    assert len(set(people)) == 1
    assert [name.status for name in Identifier.objects.filter(profile_id=people[0])] == [
        "quarantined"
    ]


def test_limits_are_the_organizations_own(source: Source) -> None:
    has(source, crm_ids=2, emails=1)
    person = said(source, Name(CRM_ID, "A-1"), ADA).profile_id
    assert said(source, Name(CRM_ID, "A-2"), ADA).profile_id == person
    assert said(source, ADA, BOB).profile_id == person
    assert said(source, BOB).profile_id != person
    assert reasons(source) == ["limit"]


def test_limits_count_what_came_before_the_batch(source: Source) -> None:
    five, five_others = emails(5), emails(5, "other")
    said(source, *five)
    process(*(make_record(source, identifiers=(five[0], each)) for each in five_others))
    assert reasons(source) == ["limit"] * 5


def test_public_keys_link_so_many_an_hour(source: Source, public_source: Source) -> None:
    has(source, public_links_per_hour=3)
    person = said(source, ADA).profile_id  # the first link
    names = cookies(4)
    process(*(make_record(public_source, identifiers=(ADA, cookie)) for cookie in names))
    linked = Identifier.objects.filter(profile_id=person, kind=ANONYMOUS_ID)
    assert linked.count() == 2
    assert reasons(source) == ["link_rate"] * 2
    assert said(source, ADA, names[3]).profile_id == person
    assert stored(source, names[3]).profile_id == person


def test_the_hour_of_a_link_is_ours_and_passes(source: Source, public_source: Source) -> None:
    has(source, public_links_per_hour=1)
    person = said(source, ADA).profile_id
    Identifier.objects.filter(profile_id=person).update(linked_at="2026-01-01T00:00Z")
    said(public_source, ADA, COOKIE)
    assert stored(source, COOKIE).profile_id == person


def test_a_merge_that_was_taken_back_is_not_made_again(source: Source) -> None:
    said(source, COOKIE)
    login = said(source, ADA, COOKIE)
    merge = Merge.objects.get(winner_id=login.profile_id)
    undo_by_hand(organization_id=source.organization_id, merge_id=merge.id, by="staff ada")
    assert said(source, ADA, COOKIE).merged_profile_ids == ()
    assert reasons(source) == ["cannot_link"]
    assert said(source, BOB, COOKIE).merged_profile_ids == (merge.loser_id,)


def statements(source: Source, size: int) -> int:
    """Count the statements of a batch of so many refusals, each with a device to quarantine."""
    devices, owners = cookies(size, f"{size}"), emails(size, f"{size}-owner-")
    others = emails(size, f"{size}-other-")
    process(*(make_record(source, identifiers=both) for both in zip(owners, devices, strict=True)))
    process(*(make_record(source, identifiers=(other,)) for other in others))
    pairs: Sequence[tuple[Name, Name]] = list(zip(others, devices, strict=True))
    counted: list[LiteralString] = []
    ask = Cursor.ask

    def counting(cursor: Cursor, sql: LiteralString, **parameters: object) -> object:
        counted.append(sql)
        return ask(cursor, sql, **parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cursor, "ask", counting)
        process(*(make_record(source, identifiers=pair) for pair in pairs))
    keys: list[UUID] = [device.key(source.organization_secret) for device in devices]
    assert Identifier.objects.filter(key__in=keys, status="quarantined").count() == size
    return len(counted)


def test_refusals_cost_the_same_statements_for_1_and_for_500(source: Source) -> None:
    has(source, quarantine_after=1)
    assert statements(source, 1) == statements(source, 500)
