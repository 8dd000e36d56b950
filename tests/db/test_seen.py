"""When people and identifiers were first and last seen."""

from __future__ import annotations

from datetime import timedelta

from identity.identifiers import EMAIL
from identity.identifiers import Identifier as Name
from identity.models import Identifier, Profile
from keystone import clock
from keystone.source import Source
from tests.db.test_pipeline import process
from tests.make import COOKIE, make_record

ADA = Name(EMAIL, "ada@example.com")
NOW = clock.now()
HOUR = timedelta(hours=1)


def stored(source: Source, name: Name) -> Identifier:
    return Identifier.objects.get(key=name.key(source.organization_secret))


def test_a_new_identifier_was_seen_as_often_as_its_batch_says(source: Source) -> None:
    process(*(make_record(source, occurred_at=NOW - hours * HOUR) for hours in (2, 3, 1)))
    assert stored(source, COOKIE).first_seen == NOW - 3 * HOUR
    assert stored(source, COOKIE).last_seen == NOW - HOUR


def test_a_known_identifier_is_seen_again_in_a_batch(source: Source) -> None:
    for batch in ((2,), (3, 1)):
        process(*(make_record(source, occurred_at=NOW - hours * HOUR) for hours in batch))
    assert stored(source, COOKIE).first_seen == NOW - 3 * HOUR
    assert stored(source, COOKIE).last_seen == NOW - HOUR


def test_a_collapse_takes_over_the_earliest_and_the_latest_time(source: Source) -> None:
    process(make_record(source, occurred_at=NOW - 9 * HOUR))
    process(make_record(source, occurred_at=NOW))
    (login,) = process(make_record(source, identifiers=(ADA, COOKIE), occurred_at=NOW - 5 * HOUR))
    person = Profile.objects.get(id=login.profile_id)
    assert (person.first_seen, person.last_seen) == (NOW - 9 * HOUR, NOW)


def test_what_happens_within_a_minute_writes_nothing(source: Source) -> None:
    process(make_record(source, occurred_at=NOW))
    process(make_record(source, occurred_at=NOW + timedelta(seconds=59)))
    assert stored(source, COOKIE).last_seen == NOW
    process(make_record(source, occurred_at=NOW + timedelta(seconds=61)))
    assert stored(source, COOKIE).last_seen == NOW + timedelta(seconds=61)
