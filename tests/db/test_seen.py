"""When people and identifiers were first and last seen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connection, transaction

from identity.identifiers import ANONYMOUS_ID, EMAIL
from identity.identifiers import Identifier as Name
from identity.models import Identifier, Profile
from ingest.record import Record
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


def test_who_is_being_written_to_by_somebody_else_is_not_waited_for(source: Source) -> None:
    process(make_record(source, occurred_at=NOW))
    person = stored(source, COOKIE).profile_id
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Profile.objects.filter(id=person).update(version=7)
        Identifier.objects.filter(profile_id=person).update(status="active")
        later = pool.submit(_process_in_a_thread, make_record(source, occurred_at=NOW + HOUR))
        assert later.result(timeout=5) == "stored"
    assert stored(source, COOKIE).last_seen == NOW
    process(make_record(source, occurred_at=NOW + HOUR))
    assert stored(source, COOKIE).last_seen == NOW + HOUR


def test_a_batch_that_holds_some_people_does_not_wait_for_others(source: Source) -> None:
    other = Name(ANONYMOUS_ID, "other")
    process(make_record(source, identifiers=(ADA,)), make_record(source, occurred_at=NOW))
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Profile.objects.filter(id=stored(source, COOKIE).profile_id).update(version=7)
        records = (
            make_record(source, identifiers=(ADA, other), attributes={"a": 1}),
            make_record(source, occurred_at=NOW + HOUR),
        )
        assert pool.submit(_process_in_a_thread, *records).result(timeout=5) == "stored"
    assert stored(source, other).profile_id == stored(source, ADA).profile_id


def _process_in_a_thread(*records: Record) -> str:
    try:
        return {outcome.status for outcome in process(*records)}.pop()
    finally:
        connection.close()
