"""Months of `event` come and go far in the future, where no other test writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection

from ingest import partitions
from ingest.event_id import uuid7_shaped
from ingest.pipeline import process
from keystone import clock
from keystone.clock import to_ms
from keystone.db import ingest_transaction
from tests.make import make_record, make_source

WAIT_SECONDS = 1.0  # measured: 61 ms; a loaded machine gets some room

INSERT = """
INSERT INTO event (id, actor_key, org_id, dialect, source_id, kind, type, name, url,
                   occurred_at, received_at, context, payload)
VALUES (%(id)s, %(actor_key)s, %(org_id)s, 'cdp', %(org_id)s, 'track', 'track', 'Tested', '',
        %(at)s, %(at)s, '{}', '{}')
ON CONFLICT (id, actor_key) DO NOTHING RETURNING id
"""
ACTOR = uuid4()
Month = Callable[[int, int], date]


@pytest.fixture
def month() -> Iterator[Month]:
    """Name months that are this test's own; their partitions are dropped in the end."""
    named: list[date] = []

    def name(year: int, number: int) -> date:
        named.append(date(year, number, 1))
        return named[-1]

    yield name
    for one in named:
        run(f"DROP TABLE IF EXISTS {partitions.name_of(one)}")


def run(sql: str, *params: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def event_of(day: date) -> UUID:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return uuid7_shaped(to_ms(noon), uuid4().bytes[:10])


def insert(event_id: UUID) -> bool:
    """Insert as the pipeline does; say whether the event is new."""
    with ingest_transaction() as cursor:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return bool(cursor.run(INSERT, id=event_id, actor_key=ACTOR, org_id=uuid4(), at=at))


def table_of(event_id: UUID) -> str:
    return run("SELECT tableoid::regclass::text FROM event WHERE id = %s", event_id)[0][0]


def in_thread(work: Callable[..., object]) -> Callable[..., object]:
    """Django's connections belong to threads: close the one this thread opened."""

    def wrapped(*args: object) -> object:
        try:
            return work(*args)
        finally:
            connection.close()

    return wrapped


@contextmanager
def writers(day: date, count: int = 3) -> Iterator[dict[UUID, float]]:
    """Insert without pause from several threads; yields seconds waited by event id.

    What a writer raises is raised at the end.
    """
    waits: dict[UUID, float] = {}
    stop = threading.Event()

    @in_thread
    def write() -> None:
        while not stop.is_set():
            event_id, began = event_of(day), time.monotonic()
            insert(event_id)
            waits[event_id] = time.monotonic() - began
            time.sleep(0.002)

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(write) for _ in range(count)]
        try:
            time.sleep(0.2)
            yield waits
            time.sleep(0.2)
        finally:
            stop.set()
        for writer in running:
            writer.result()


def test_rows_that_wait_in_default_move_into_their_month(month: Month) -> None:
    january = month(2031, 1)
    first, last = event_of(january), event_of(date(2031, 1, 31))
    insert(first), insert(last)
    assert table_of(first) == "event_default"
    assert partitions.add(january)
    assert table_of(first) == table_of(last) == "event_2031_01"


def test_rows_of_the_neighbouring_months_stay_where_they_are(month: Month) -> None:
    before, after = event_of(date(2031, 1, 31)), event_of(date(2031, 3, 1))
    insert(before), insert(after)
    partitions.add(month(2031, 2))
    assert table_of(before) == table_of(after) == "event_default"
    run("DELETE FROM event WHERE id = ANY(%s)", [before, after])


def test_a_month_holds_its_first_and_last_millisecond(month: Month) -> None:
    partitions.add(month(2031, 4))
    begin, end = datetime(2031, 4, 1, tzinfo=UTC), datetime(2031, 5, 1, tzinfo=UTC)
    edges = [to_ms(begin) - 1, to_ms(begin), to_ms(end) - 1, to_ms(end)]
    ids = [uuid7_shaped(edge, uuid4().bytes[:10]) for edge in edges]
    for event_id in ids:
        insert(event_id)
    inside = "event_2031_04"
    assert [table_of(event_id) for event_id in ids] == [
        "event_default",
        inside,
        inside,
        "event_default",
    ]
    run("DELETE FROM event WHERE id = ANY(%s)", ids)


def test_a_repeat_of_a_moved_event_is_still_a_duplicate(month: Month) -> None:
    event_id = event_of(month(2031, 5))
    insert(event_id)
    partitions.add(date(2031, 5, 1))
    assert not insert(event_id)


def test_a_new_month_has_the_indexes_of_the_table_and_no_helper_constraint(month: Month) -> None:
    partitions.add(month(2031, 6))
    (indexes,) = run("SELECT count(*) FROM pg_indexes WHERE tablename = 'event_2031_06'")
    attached = "SELECT count(*) FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid"
    (children,) = run(f"{attached} WHERE indrelid = 'event_2031_06'::regclass")
    checks = "SELECT conname FROM pg_constraint WHERE contype = 'c'"
    assert (indexes, children) == ((3,), (3,))
    assert run(f"{checks} AND conrelid = 'event_2031_06'::regclass") == []


def test_adding_a_month_twice_changes_nothing(month: Month) -> None:
    july = month(2031, 7)
    assert [partitions.add(july), partitions.add(july)] == [True, False]


def test_of_several_processes_that_add_a_month_at_once_one_does(month: Month) -> None:
    august = month(2031, 8)
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(in_thread(partitions.add), [august] * 4))
    assert sorted(added) == [False, False, False, True]


def test_writers_meanwhile_see_no_error_and_hardly_wait(month: Month) -> None:
    september = month(2031, 9)
    with writers(september) as waits:
        assert partitions.add(september)
    stored = run("SELECT count(*) FROM event_2031_09")
    assert stored == [(len(waits),)]
    assert max(waits.values()) < WAIT_SECONDS


def test_an_open_transaction_delays_the_month_and_not_the_writers(month: Month) -> None:
    october = month(2031, 10)

    @in_thread
    def hold_open() -> None:
        with ingest_transaction() as cursor:
            cursor.run("SELECT count(*) FROM event WHERE id = %(id)s", id=uuid4())
            time.sleep(1.5)

    with writers(october) as waits, ThreadPoolExecutor(1) as pool:
        pool.submit(hold_open)
        time.sleep(0.1)
        began = time.monotonic()
        assert partitions.add(october)
        assert time.monotonic() - began > 1.0
    assert max(waits.values()) < WAIT_SECONDS


def test_this_month_and_the_next_two_are_added_ahead(month: Month) -> None:
    for year, number in ((2031, 11), (2031, 12), (2032, 1)):
        month(year, number)
    now = datetime(2031, 11, 30, 23, 59, tzinfo=UTC)
    assert partitions.add_ahead(now) == ["event_2031_11", "event_2031_12", "event_2032_01"]
    assert partitions.add_ahead(now) == []


def test_a_backfill_gets_each_of_its_months_once(month: Month) -> None:
    month(2032, 2), month(2032, 3)
    days = [datetime(2032, 2, 29, tzinfo=UTC), datetime(2032, 3, 1, tzinfo=UTC)]
    added = partitions.add_for([*days, *days], now=datetime(2040, 1, 1, tzinfo=UTC))
    assert added == ["event_2032_02", "event_2032_03"]


def test_a_backfill_gets_no_month_beyond_ten_years_or_in_the_future() -> None:
    now = datetime(2042, 6, 15, tzinfo=UTC)
    moments = [datetime(2032, 4, 30, tzinfo=UTC), now + timedelta(days=60)]
    assert partitions.add_for(moments, now) == []


def waiting(kind: str, day: date) -> UUID:
    """Store an old event under a key of that kind; returns its id."""
    source = make_source(kind=kind)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    record = make_record(source, occurred_at=moment)
    with ingest_transaction() as cursor:
        (outcome,) = process(cursor, [record], clock.now())
    return outcome.event_id


def test_months_of_a_backends_backfill_are_added_while_it_waits_in_default(month: Month) -> None:
    old = month(2019, 5)
    event_id = waiting("integration", old)
    assert partitions.name_of(old) in partitions.add_waiting(clock.now())
    assert run("SELECT id FROM event_2019_05") == [(event_id,)]


def test_a_page_with_an_old_clock_makes_no_tables(month: Month) -> None:
    old = month(2018, 5)
    waiting("tracker", old)
    assert partitions.name_of(old) not in partitions.add_waiting(clock.now())
