"""What comes to one of two people while they are taken for one goes with that one afterwards.

Somebody merged Ada into Bob. Until that is taken back every event about Ada finds her part of him:
her new devices, her other identities and the shadows of her devices are hers all the same.
"""

from __future__ import annotations

from uuid import UUID

import pytest

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE, SESSION
from identity.identifiers import Identifier as Name
from identity.models import Identifier, Merge, Profile
from identity.work import merge_by_hand, undo_by_hand
from keystone.source import Source
from tests.db.people import people_of, work_off
from tests.db.test_pipeline import process
from tests.make import make_record

ADA, BOB = Name(EMAIL, "ada@example.com"), Name(EMAIL, "bob@example.com")
ADAS_ID, ADAS_PHONE = Name(CRM_ID, "A-1"), Name(PHONE, "+4915112345678")
ADAS_COOKIE, BOBS_COOKIE = Name(ANONYMOUS_ID, "a"), Name(ANONYMOUS_ID, "b")
COOKIE, VISIT = Name(ANONYMOUS_ID, "c"), Name(SESSION, "s")


@pytest.fixture
def merge_id(source: Source) -> UUID:
    """Ada, who has a cookie, is taken for Bob, and so is whoever is named with her."""
    return merge(source, said(source, ADA, ADAS_COOKIE), said(source, BOB))


def merge(source: Source, loser_id: UUID, winner_id: UUID) -> UUID:
    return merge_by_hand(
        organization_id=source.organization_id,
        winner_id=winner_id,
        loser_id=loser_id,
        by="staff carl",
    ).merge_id


def said(source: Source, *names: Name, mentions: tuple[Name, ...] = ()) -> UUID:
    (outcome,) = process(make_record(source, identifiers=names, mentions=mentions))
    assert outcome.profile_id is not None
    return outcome.profile_id


def undo(source: Source, merge_id: UUID) -> None:
    undo_by_hand(organization_id=source.organization_id, merge_id=merge_id, by="staff carl")
    people_of(source.organization_id)


def owner(source: Source, name: Name) -> UUID:
    return Identifier.objects.get(key=name.key(source.organization_secret)).profile_id


def test_a_new_device(source: Source, merge_id: UUID) -> None:
    said(source, ADA, COOKIE)
    undo(source, merge_id)
    assert owner(source, COOKIE) == owner(source, ADA) != owner(source, BOB)


def test_another_identity(source: Source, merge_id: UUID) -> None:
    said(source, ADAS_ID, ADA)
    said(source, ADAS_PHONE, ADAS_ID, ADAS_COOKIE)
    undo(source, merge_id)
    assert owner(source, ADAS_PHONE) == owner(source, ADAS_ID) == owner(source, ADA)


def test_an_address_among_attributes(source: Source, merge_id: UUID) -> None:
    said(source, ADAS_COOKIE, mentions=(ADAS_PHONE,))
    undo(source, merge_id)
    assert owner(source, ADAS_PHONE) == owner(source, ADA)


def test_the_shadow_of_a_device(source: Source, merge_id: UUID) -> None:
    said(source, COOKIE)
    said(source, ADA, COOKIE)
    undo(source, merge_id)
    assert owner(source, COOKIE) == owner(source, ADA)


def test_the_device_of_a_session(source: Source, merge_id: UUID) -> None:
    said(source, VISIT)
    said(source, ADA, VISIT)
    said(source, COOKIE, VISIT)
    undo(source, merge_id)
    assert owner(source, COOKIE) == owner(source, VISIT) == owner(source, ADA)


def test_a_younger_person_who_is_found_to_be_the_same(source: Source, merge_id: UUID) -> None:
    said(source, ADAS_ID)
    said(source, ADA, ADAS_ID)
    undo(source, merge_id)
    assert owner(source, ADAS_ID) == owner(source, ADA)


def test_a_shadow_that_was_left_for_a_moment_later(source: Source, merge_id: UUID) -> None:
    cookies = [Name(ANONYMOUS_ID, f"{number}") for number in range(1_002)]
    visit = Name(SESSION, "large")
    said(source, visit)
    process(*(make_record(source, identifiers=(cookie, visit)) for cookie in cookies[:1]))
    process(*(make_record(source, identifiers=(cookie, visit)) for cookie in cookies[1:]))
    said(source, ADA, cookies[0])
    work_off()
    assert owner(source, cookies[0]) == owner(source, ADA)
    undo(source, merge_id)
    assert owner(source, cookies[0]) == owner(source, ADA) != owner(source, BOB)


def test_an_older_person_who_is_found_to_be_the_same(source: Source) -> None:
    older = said(source, ADAS_ID)
    wrong = merge(source, said(source, ADA, ADAS_COOKIE), said(source, BOB))
    assert said(source, ADAS_ID, ADA) == older
    undo(source, wrong)
    assert owner(source, ADAS_ID) == owner(source, ADA) != owner(source, BOB)


def test_of_two_devices_the_one_that_logged_in(source: Source) -> None:
    wrong = merge(source, said(source, COOKIE), said(source, BOBS_COOKIE))
    said(source, ADA, COOKIE)
    undo(source, wrong)
    assert owner(source, COOKIE) == owner(source, ADA) != owner(source, BOBS_COOKIE)
    assert Profile.objects.get(id=owner(source, BOBS_COOKIE)).kind == "shadow"


def test_of_three_devices_the_one_in_the_middle(source: Source) -> None:
    third = Name(ANONYMOUS_ID, "third")
    bobs, ours, last = said(source, BOBS_COOKIE), said(source, COOKIE), said(source, third)
    wrong = [merge(source, last, ours), merge(source, ours, bobs)]
    said(source, ADA, third)
    for each in wrong:
        undo(source, each)
    owners = [owner(source, name) for name in (third, COOKIE, BOBS_COOKIE)]
    assert len(set(owners)) == 3
    assert owners[0] == owner(source, ADA)


def test_what_happened_in_one_batch(source: Source) -> None:
    wrong = merge(source, said(source, COOKIE), said(source, BOBS_COOKIE))
    older = said(source, ADAS_ID)
    names = [(ADA, COOKIE), (ADAS_ID, ADA), (ADAS_PHONE, ADA)]
    process(*(make_record(source, identifiers=each) for each in names))
    assert owner(source, ADAS_PHONE) == owner(source, BOBS_COOKIE) == older
    undo(source, wrong)
    hers = {owner(source, name) for name in (ADA, COOKIE, ADAS_ID, ADAS_PHONE)}
    assert hers == {older}
    assert owner(source, BOBS_COOKIE) != older


def test_who_comes_to_have_an_identity_is_an_anchor_afterwards(source: Source) -> None:
    wrong = merge(source, said(source, COOKIE), said(source, BOB))
    said(source, COOKIE, mentions=(ADA,))
    undo(source, wrong)
    assert owner(source, ADA) == owner(source, COOKIE) != owner(source, BOB)
    assert Profile.objects.get(id=owner(source, COOKIE)).kind == "anchor"


def test_the_merge_that_events_made_can_be_taken_back_first(source: Source) -> None:
    older = said(source, ADAS_ID)
    wrong = merge(source, said(source, ADA), said(source, BOB))
    said(source, ADAS_ID, ADA)
    (stated,) = Merge.objects.filter(organization_id=source.organization_id, rule="stated")
    undo(source, stated.id)
    assert owner(source, ADAS_ID) == older
    assert owner(source, ADA) == owner(source, BOB) != older
    undo(source, wrong)
    assert owner(source, ADA) != owner(source, BOB)
