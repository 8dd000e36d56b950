"""The tally's roll-up: many rows become one a group, and no sum ever changes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import Sum

from ingest.event_id import uuid7_shaped
from ingest.models import Tally
from ingest.rollup import SETTLED, roll_up
from keystone.clock import to_ms

NOW = datetime(2021, 11, 21, 10, 30, tzinfo=UTC)  # long before the rows of other tests
LONG_AGO = NOW - timedelta(minutes=20)


def append(organization_id: UUID, at: datetime = LONG_AGO, **columns: object) -> Tally:
    """Append a row as a flush at that time does."""
    defaults: dict[str, object] = {
        "id": uuid7_shaped(to_ms(at), uuid4().bytes[:10]),
        "source_id": organization_id,  # any id will do
        "door": "ingest",
        "hour": at.replace(minute=0, second=0, microsecond=0),
        "outcome": "stored",
        "count": 1,
    }
    return Tally.objects.create(organization_id=organization_id, **(defaults | columns))


def counts(organization_id: UUID) -> list[int]:
    rows = Tally.objects.filter(organization_id=organization_id)
    return sorted(rows.values_list("count", flat=True))


def test_rows_of_one_group_become_their_sum() -> None:
    organization_id = uuid4()
    for count in (1, 2, 4):
        append(organization_id, count=count)
    roll_up(NOW)
    assert counts(organization_id) == [7]


def test_a_late_row_is_added_to_the_sum_that_is_there() -> None:
    organization_id = uuid4()
    append(organization_id, count=1)
    roll_up(NOW)
    append(organization_id, count=2)
    roll_up(NOW)
    assert counts(organization_id) == [3]


def test_different_keys_doors_hours_and_outcomes_stay_apart() -> None:
    organization_id = uuid4()
    append(organization_id)
    append(organization_id, source_id=uuid4())
    append(organization_id, door="tenant_batch")
    append(organization_id, at=LONG_AGO - timedelta(hours=1))
    append(organization_id, outcome="dropped:late")
    roll_up(NOW)
    assert counts(organization_id) == [1] * 5


def test_rolling_up_twice_changes_nothing() -> None:
    organization_id = uuid4()
    append(organization_id), append(organization_id)
    roll_up(NOW)
    (first,) = Tally.objects.filter(organization_id=organization_id)
    roll_up(NOW)
    (second,) = Tally.objects.filter(organization_id=organization_id)
    assert (first.id, first.count) == (second.id, second.count)


def test_rows_of_the_last_minutes_are_left_alone() -> None:
    organization_id = uuid4()
    young = NOW - SETTLED + timedelta(seconds=1)
    append(organization_id, at=young), append(organization_id, at=young)
    roll_up(NOW)
    assert counts(organization_id) == [1, 1]


def test_a_run_is_bounded_and_the_next_goes_on(monkeypatch) -> None:
    while roll_up(NOW):
        pass
    monkeypatch.setattr("ingest.rollup.RUN_ROWS", 2)
    organization_id = uuid4()
    for _ in range(3):
        append(organization_id)
    assert [roll_up(NOW), roll_up(NOW), roll_up(NOW)] == [2, 1, 0]
    assert counts(organization_id) == [3]


def test_runs_at_once_with_writers_and_readers_keep_the_sum() -> None:
    organization_id = uuid4()
    writers, rows = 2, 40

    def write() -> None:
        for _ in range(rows):
            append(organization_id)

    def run() -> None:
        for _ in range(rows):
            roll_up(NOW)

    sums: list[int] = []

    def read() -> None:
        mine = Tally.objects.filter(organization_id=organization_id)
        sums.extend(mine.aggregate(sum=Sum("count", default=0))["sum"] for _ in range(rows))

    with ThreadPoolExecutor(5) as pool:
        work = [write] * writers + [run] * 2 + [read]
        for done in [pool.submit(in_thread(one)) for one in work]:
            done.result()
    roll_up(NOW)
    assert sums == sorted(sums)
    assert counts(organization_id) == [writers * rows]


def in_thread(work: Callable[[], None]) -> Callable[[], None]:
    """Django's connections belong to threads: close the one this thread opened."""

    def wrapped() -> None:
        try:
            work()
        finally:
            connection.close()

    return wrapped
