"""The pipeline against PostgreSQL: what is stored, once, at what cost."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import AttributeOp, Merge, Profile
from identity.models import Identifier as StoredIdentifier
from ingest.isolation import process_isolated
from ingest.models import Event, FailedEvent, Receipt, Tally
from ingest.record import Outcome, Record
from keystone import clock
from keystone.db import Cursor
from keystone.source import Source
from tests.make import make_record

COOKIE, ADA = Identifier(ANONYMOUS_ID, "c1"), Identifier(EMAIL, "ada@example.com")


def process(*records: Record) -> list[Outcome]:
    results = process_isolated(records, clock.now())
    assert all(isinstance(result, Outcome) for result in results), results
    return results  # type: ignore[return-value]


def events(source: Source) -> int:
    return Event.objects.filter(organization_id=source.organization_id).count()


def tallied(source: Source) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in Tally.objects.filter(organization_id=source.organization_id):
        counts[row.outcome] += row.count
    return counts


def test_a_record_becomes_an_event_with_its_words(source: Source) -> None:
    record = make_record(source, name="Added to Cart", payload=b'{"price": 100.0}')
    (outcome,) = process(record)
    event = Event.objects.get(id=outcome.event_id)
    assert (event.name, event.payload) == ("Added to Cart", {"price": 100.0})
    assert event.occurred_at == record.occurred_at


def test_the_same_message_again_is_a_duplicate_without_effect(source: Source) -> None:
    record = make_record(source, identifiers=(ADA, COOKIE), attributes={"city": "Chicago"})
    (first,), (second,) = process(record), process(record)
    assert (first.status, second.status) == ("stored", "duplicate")
    assert second.event_id == first.event_id
    assert second.profile_id == first.profile_id
    assert second.changes == 0
    assert events(source) == 1


def test_the_same_message_twice_in_one_batch_is_stored_once(source: Source) -> None:
    record = make_record(source)
    assert [outcome.status for outcome in process(record, record)] == ["stored", "duplicate"]


def test_a_message_id_without_a_time_is_remembered(source: Source) -> None:
    now = clock.now()
    first = make_record(source, message_id="m", client_ms=None, received_at=now)
    later = make_record(
        source, message_id="m", client_ms=None, received_at=now + timedelta(minutes=5)
    )
    (stored,), (repeat,) = process(first), process(later)
    assert repeat.status == "duplicate"
    assert repeat.event_id == stored.event_id
    assert Receipt.objects.filter(event_id=stored.event_id).count() == 1


def test_the_same_message_id_of_another_actor_is_another_event(source: Source) -> None:
    ones = make_record(source, identifiers=(COOKIE,), message_id="m", client_ms=None)
    others = make_record(source, identifiers=(ADA,), message_id="m", client_ms=None)
    assert [outcome.status for outcome in process(ones, others)] == ["stored", "stored"]


def test_what_carries_neither_id_nor_time_is_stored_each_time(source: Source) -> None:
    record = make_record(source, message_id=None, client_ms=None)
    assert [outcome.status for outcome in process(record, record)] == ["stored", "stored"]


def test_a_shadow_and_its_events_become_the_anchors(source: Source) -> None:
    (browsing,) = process(make_record(source, identifiers=(COOKIE,)))
    (login,) = process(make_record(source, identifiers=(ADA, COOKIE)))
    assert login.profile_kind == "anchor"
    assert login.merged_profile_ids == (browsing.profile_id,)
    shadow = Profile.objects.get(id=browsing.profile_id)
    assert shadow.merged_into == login.profile_id
    owners = StoredIdentifier.objects.filter(organization_id=source.organization_id)
    assert {identifier.profile_id for identifier in owners} == {login.profile_id}


def test_a_merge_row_says_what_moved_and_why(source: Source) -> None:
    process(make_record(source, identifiers=(COOKIE,), attributes={"city": "Chicago"}))
    (login,) = process(make_record(source, identifiers=(ADA, COOKIE)))
    merge = Merge.objects.get(winner_id=login.profile_id)
    assert merge.identifiers == [COOKIE.key(source.organization_secret)]
    assert (merge.rule, merge.event_id) == ("identified", login.event_id)
    assert merge.attributes_before["loser"] == {"city": "Chicago"}


def test_a_collapse_takes_attributes_over(source: Source) -> None:
    process(make_record(source, identifiers=(COOKIE,), attributes={"city": "Chicago"}))
    (login,) = process(make_record(source, identifiers=(ADA, COOKIE), attributes={"name": "Ada"}))
    person = Profile.objects.get(id=login.profile_id)
    assert person.attributes == {"city": "Chicago", "name": "Ada"}


def test_a_chain_of_merges_ends_at_the_root(source: Source) -> None:
    visit = Identifier("session", "s1")
    (opened,) = process(make_record(source, identifiers=(visit,)))
    (browsing,) = process(make_record(source, identifiers=(COOKIE,)))
    process(make_record(source, identifiers=(COOKIE, visit)))
    (login,) = process(make_record(source, identifiers=(ADA, COOKIE)))
    merged = Profile.objects.filter(id__in=[opened.profile_id, browsing.profile_id])
    assert {profile.merged_into for profile in merged} == {login.profile_id}


def test_operations_are_kept_as_received(source: Source) -> None:
    (outcome,) = process(make_record(source, identifiers=(ADA,), attributes={"city": None}))
    assert AttributeOp.objects.get(event_id=outcome.event_id).patch == {"city": None}


def test_seen_times_span_the_events(source: Source) -> None:
    now = clock.now()
    early, late = now - timedelta(hours=2), now - timedelta(hours=1)
    process(make_record(source, occurred_at=late))
    process(make_record(source, occurred_at=early))
    (outcome,) = process(make_record(source, occurred_at=now))
    person = Profile.objects.get(id=outcome.profile_id)
    assert (person.first_seen, person.last_seen) == (early, now)


def test_every_record_is_tallied(source: Source) -> None:
    record = make_record(source)
    process(record, make_record(source))
    process(record)
    assert tallied(source) == {"stored": 2, "duplicate": 1}


def test_a_poison_record_is_kept_apart_and_its_neighbours_are_stored(source: Source) -> None:
    poison = make_record(source, payload=b'{"text": "\\u0000"}')  # PostgreSQL has no NUL
    good = [make_record(source) for _ in range(6)]
    outcomes = process(*good[:3], poison, *good[3:])
    assert Counter(o.status for o in outcomes) == {"stored": 6, "failed": 1}
    assert outcomes[3].error is not None
    assert events(source) == 6
    assert tallied(source) == {"stored": 6, "failed": 1}


def test_poison_sent_again_stays_one_row_of_the_inbox(source: Source) -> None:
    poison = make_record(source, payload=b'{"text": "\\u0000"}', raw=b"as it came")
    process(poison)
    process(poison)
    kept = FailedEvent.objects.get(organization_id=source.organization_id)
    assert (kept.attempts, bytes(kept.raw)) == (2, b"as it came")


def statements(source: Source, size: int) -> int:
    """Count the statements of a batch that does everything: collapses, attributes, receipts."""
    cookies = [Identifier(ANONYMOUS_ID, f"{size}-{n}") for n in range(size)]
    emails = [Identifier(EMAIL, f"{size}-{n}@example.com") for n in range(size)]
    process(*(make_record(source, identifiers=(c,), attributes={"n": 1}) for c in cookies))
    batch = [
        make_record(source, identifiers=pair, attributes={"n": 2}, client_ms=None)
        for pair in zip(emails, cookies, strict=True)
    ]
    counted: list[str] = []
    ask = Cursor.ask

    def counting(cursor: Cursor, sql: str, **parameters: object) -> object:
        counted.append(sql)
        return ask(cursor, sql, **parameters)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cursor, "ask", counting)
        process(*batch)
    return len(counted)


def test_a_batch_costs_the_same_statements_for_1_and_for_500(source: Source) -> None:
    assert statements(source, 1) == statements(source, 500)


def test_a_plain_event_takes_few_statements_through_django(source: Source) -> None:
    process(make_record(source))
    with CaptureQueriesContext(connection) as queries:
        process(make_record(source))
    assert len(queries) <= 2  # BEGIN and COMMIT; everything else is Cursor.ask


def test_two_at_once_store_a_message_once(source: Source) -> None:
    records = [make_record(source) for _ in range(50)]
    statuses: list[str] = []

    def send() -> None:
        statuses.extend(outcome.status for outcome in process(*records))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(statuses) == {"stored": 50, "duplicate": 150}
    assert events(source) == 50


def test_a_storm_of_logins_leaves_no_identifier_on_a_merged_profile(source: Source) -> None:
    cookies = [Identifier(ANONYMOUS_ID, f"storm-{n}") for n in range(20)]
    browsing = [make_record(source, identifiers=(c,)) for c in cookies]
    logins = [make_record(source, identifiers=(ADA, c), attributes={"n": 1}) for c in cookies]
    errors: list[BaseException] = []

    def send(records: list[Record]) -> None:
        try:
            for record in records:
                process(record)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    batches = [browsing[:10], browsing[10:], logins[:10], logins[10:], logins[::2], logins[1::2]]
    threads = [threading.Thread(target=send, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    owned = StoredIdentifier.objects.filter(organization_id=source.organization_id)
    roots = Profile.objects.filter(id__in={identifier.profile_id for identifier in owned})
    assert [profile.merged_into for profile in roots] == [None]
