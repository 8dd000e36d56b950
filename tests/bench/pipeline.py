"""The pipeline in one process, without HTTP, against COPY of the same rows into the same table."""

from __future__ import annotations

import json
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil
from django.db import connection, transaction

from ingest.dialects import cdp
from ingest.event_id import event_id
from ingest.isolation import process_isolated
from ingest.record import Outcome, Record
from keystone import clock, scheduling
from keystone.keys.format import digest
from keystone.keys.ring import load_keys
from keystone.source import Source
from tests.bench import mix

Work = TypeVar("Work")

SIZES = (1, 100, 1_000, 5_000)
_COLUMNS = (
    "id, actor_key, org_id, dialect, source_id, kind, type, name, url, "
    "occurred_at, received_at, context, payload"
)


class Sample(NamedTuple):
    """What batches of one size cost. Times of CPU in µs an event."""

    events: int
    seconds: float
    p50_ms: float
    max_ms: float
    python_us: float
    postgres_us: float


class Workbench:
    """Feeds records of one key to the pipeline, over a connection of this process."""

    def __init__(self, raw_key: str) -> None:
        scheduling.with_little_garbage_collection()  # as the processes that serve do
        connection.ensure_connection()
        self._backend = psutil.Process(connection.connection.info.backend_pid)
        self._source: Source = load_keys([digest(raw_key)])[digest(raw_key)].source
        self._rng = random.Random()
        self._run, self._number = secrets.token_hex(4), count()

    def acquaint(self) -> None:
        """Make the known cookies known, so that what follows meets them."""
        items = list(mix.acquaint(self._rng, clock.to_ms(clock.now())))
        for start in range(0, len(items), 1_000):
            self._process(self._records(items[start : start + 1_000]))
        other = connection.copy()  # ours gives up where it would have to wait for a lock
        with other.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        other.close()

    def pipeline(self, size: int, seconds: float, orders: float = 0.0) -> Sample:
        """Process batches, one transaction each, for so long; a share of them of orders."""
        return self._measure(self._process, lambda size: self._draw(size, orders), size, seconds)

    def copy(self, size: int, seconds: float) -> Sample:
        """COPY the rows of as many events, one transaction each; their text is made beforehand."""
        return self._measure(_copy, lambda size: _as_text(self._draw(size)), size, seconds)

    def _draw(self, size: int, orders: float = 0.0) -> list[Record]:
        now_ms = clock.to_ms(clock.now())
        return self._records(mix.draw(self._rng, now_ms, orders) for _ in range(size))

    def _records(self, items: Iterable[mix.Item]) -> list[Record]:
        """Make records as the door does: each from a body of its own."""
        now = clock.now()
        records = []
        for item in items:
            body = json.dumps(item).replace(mix.MARK, f"{self._run}-{next(self._number)}")
            parsed = cdp.parse(body.encode(), source=self._source, door="bench", received_at=now)
            records += [record for record in parsed.items if isinstance(record, Record)]
        return records

    def _process(self, records: Sequence[Record]) -> None:
        results = process_isolated(records, clock.now())
        stored = sum(isinstance(each, Outcome) and each.status == "stored" for each in results)
        if stored < len(records):
            raise SystemExit(f"only {stored} of {len(records)} records were stored: {results[0]}")

    def _measure(
        self, work: Callable[[Work], None], make: Callable[[int], Work], size: int, seconds: float
    ) -> Sample:
        waits: list[float] = []
        python = postgres = 0.0
        while sum(waits) < seconds:
            made = make(size)
            cpu, backend = time.thread_time(), _cpu_seconds(self._backend)
            started = time.perf_counter()
            work(made)
            waits.append(time.perf_counter() - started)
            python += time.thread_time() - cpu
            postgres += _cpu_seconds(self._backend) - backend
        events = size * len(waits)
        return Sample(
            events=events,
            seconds=sum(waits),
            p50_ms=statistics.median(waits) * 1e3,
            max_ms=max(waits) * 1e3,
            python_us=python / events * 1e6,
            postgres_us=postgres / events * 1e6,
        )


def _cpu_seconds(backend: psutil.Process) -> float:
    """Read the scheduler's own account where there is one: a short batch is less than a tick."""
    account = Path(f"/proc/{backend.pid}/schedstat")
    if account.exists():
        return int(account.read_text().split()[0]) / 1e9
    times = backend.cpu_times()
    return times.user + times.system


def _copy(text: bytes) -> None:
    statement = f"COPY event ({_COLUMNS}) FROM STDIN"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text)


def _as_text(records: Iterable[Record]) -> bytes:
    rows = (map(_field, _row(record)) for record in records)
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _row(record: Record) -> tuple[object, ...]:
    source = record.source
    actor_key = record.identifiers[0].key(source.organization_secret)
    who = (event_id(record, actor_key), actor_key, source.organization_id)
    what = (record.dialect, source.key_id, record.kind, record.type, record.name, record.url)
    return (*who, *what, record.occurred_at, record.received_at, record.context, record.payload)


def _field(value: object) -> str:
    text = value.decode() if isinstance(value, bytes) else str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
