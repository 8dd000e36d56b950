"""What was read before somebody else was faster: decided again, or a lost race."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from identity.decide import Plan
from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE, SESSION
from identity.identifiers import Identifier as Name
from identity.models import Identifier, Merge, Profile
from identity.races import LostRace
from identity.resolve import Found, look_up, resolve
from identity.sighting import Sighting
from keystone import clock
from keystone.db import ingest_transaction
from keystone.ids import new_id
from keystone.source import Source
from tests.db.test_pipeline import process
from tests.make import make_record

ADA, BOB = Name(EMAIL, "ada@example.com"), Name(EMAIL, "bob@example.com")
ADAS_ID, ADAS_PHONE = Name(CRM_ID, "A-1"), Name(PHONE, "+4915112345678")
COOKIE, VISIT = Name(ANONYMOUS_ID, "c1"), Name(SESSION, "s1")
NOW = clock.now()


def sighting(
    source: Source, *names: Name, seconds_ago: int = 0, says_attributes: bool = False
) -> Sighting:
    keyed = {name.key(source.organization_secret): name for name in names}
    return Sighting(
        organization_id=source.organization_id,
        source_id=source.key_id,
        event_id=new_id(),
        seen_at=NOW - timedelta(seconds=seconds_ago),
        actor_key=next(iter(keyed)),
        identifiers=keyed,
        mentions={},
        says_attributes=says_attributes,
    )


def says(source: Source, *names: Name) -> None:
    process(make_record(source, identifiers=names, occurred_at=NOW))


def read(said: Sequence[Sighting]) -> Found:
    with ingest_transaction() as cursor:
        return look_up(cursor, said)()


def go_on(found: Found, said: Sequence[Sighting]) -> Plan:
    """Resolve by what was read before."""
    with ingest_transaction() as cursor:
        return resolve(cursor, found, said, NOW)


def root(source: Source, name: Name) -> Profile:
    key = name.key(source.organization_secret)
    return Identifier.objects.select_related("profile").get(key=key).profile


def test_an_identity_that_was_made_meanwhile_does_not_keep_a_shadow_apart(source: Source) -> None:
    says(source, ADA)
    says(source, COOKIE)
    said = [sighting(source, ADA, ADAS_PHONE, COOKIE)]
    found = read(said)
    says(source, ADA, ADAS_PHONE)
    go_on(found, said)
    assert root(source, COOKIE) == root(source, ADA) == root(source, ADAS_PHONE)
    assert Merge.objects.filter(winner_id=root(source, ADA).id).count() == 1


def test_an_identity_that_came_to_the_cookies_own_anchor_is_no_shared_device(
    source: Source,
) -> None:
    says(source, ADA, COOKIE)
    said = [sighting(source, ADAS_ID, COOKIE)]
    found = read(said)
    says(source, ADAS_ID, ADA)
    assert go_on(found, said).refusals == []
    assert root(source, ADAS_ID) == root(source, COOKIE)


def test_a_shadow_that_somebody_else_took_in_meanwhile_stays_there(source: Source) -> None:
    says(source, COOKIE)
    said = [sighting(source, ADAS_ID, COOKIE)]
    found = read(said)
    says(source, BOB, COOKIE)
    assert [each.reason for each in go_on(found, said).refusals] == ["shared_device"]
    assert root(source, COOKIE) == root(source, BOB) != root(source, ADAS_ID)


def test_whoever_joined_somebody_who_is_not_locked_is_a_lost_race(source: Source) -> None:
    says(source, COOKIE)
    said = [sighting(source, COOKIE, VISIT, says_attributes=True)]
    found = read(said)
    says(source, BOB, COOKIE)
    with pytest.raises(LostRace):
        go_on(found, said)


def test_first_seen_goes_back_also_for_who_is_being_merged(source: Source) -> None:
    """An event of long ago, decided on while its cookie was still nobody's."""
    says(source, COOKIE)
    said = [sighting(source, COOKIE, seconds_ago=3600)]
    found = read(said)
    says(source, ADA, COOKIE)
    try:
        go_on(found, said)
    except LostRace:
        go_on(read(said), said)
    assert root(source, ADA).first_seen == said[0].seen_at
