"""What it costs to bring people together, and to look at one who did very much."""

from __future__ import annotations

import json
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from ingest.isolation import process_isolated
from ingest.read_events import Asked
from ingest.record import Outcome, Record
from keystone import clock
from keystone.keys.format import digest
from keystone.keys.ring import load_keys
from keystone.people import timeline

#: Processes that merge at once, and shadows for each.
STORMS, SHADOWS = 2, 6_000
FEW, MANY = 5, 5_000
#: Events of the two shadows whose merges are compared, and of the whole table.
SMALL, LARGE, TABLE = 10, 100_000, 1_000_000
#: Merges of small shadows that are timed, and of large ones.
_REPEATS, _REPEATS_LARGE = 15, 3

# Rows as the pipeline leaves them; the id's first 48 bits are a time of the last 20 days.
_EVENTS = """
INSERT INTO event (id, actor_key, org_id, dialect, source_id, kind, type, name, url,
                   occurred_at, received_at, context, payload)
SELECT (lpad(to_hex(%(ms)s - (number %% 1728000) * 1000), 12, '0') || '7'
        || substr(md5(%(salt)s || number), 1, 3) || '8'
        || substr(md5(%(salt)s || number), 4, 15))::uuid,
       (%(actors)s::uuid[])[1 + number %% %(spread)s], %(org)s, 'cdp', %(source)s,
       'track', 'track', 'Seen', '', now(), now(), '{}', '{"number": 1}'
FROM generate_series(1, %(count)s) AS number
"""


class Storm(NamedTuple):
    """Merges of several processes at once. `left`: stored, and left to the worker."""

    people: int
    merges: int
    left: int
    seconds: float


class Cost(NamedTuple):
    """What one merge costs: medians."""

    events: int
    milliseconds: float
    wal_kb: float


def storm(raw_key: str, people: int) -> Storm:
    """Let several processes merge fresh shadows into so many people, at once."""
    command = [sys.executable, "-m", "tests.bench.storm", raw_key, str(people), str(SHADOWS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    storms = [subprocess.Popen(command, **pipes) for _ in range(STORMS)]
    for each in storms:
        if each.stdout.readline().strip() != "ready":
            raise SystemExit("a storm did not begin")
    for each in storms:
        each.stdin.write("go\n")
        each.stdin.flush()
    told = [json.loads(each.communicate()[0].strip().splitlines()[-1]) for each in storms]
    merges, stored = (sum(each[name] for each in told) for name in ("merges", "stored"))
    if stored != STORMS * SHADOWS:
        raise SystemExit(f"only {stored} of {STORMS * SHADOWS} events were stored")
    return Storm(people, merges, stored - merges, max(each["seconds"] for each in told))


class Crowd:
    """People whose events fill the table; measured through the pipeline and the read API."""

    def __init__(self, raw_key: str) -> None:
        self._source = load_keys([digest(raw_key)])[digest(raw_key)].source

    def merge_cost(self, events: int) -> Cost:
        """Merge shadows of so many events into anchors, one transaction each."""
        times, wals = [], []
        for _ in range(_REPEATS if events < LARGE else _REPEATS_LARGE):
            cookie = Identifier(ANONYMOUS_ID, secrets.token_hex(8))
            self._process(cookie)
            self._fill([cookie], events)
            email = Identifier(EMAIL, f"{secrets.token_hex(8)}@example.com")
            self._process(email)
            before, started = _wal(), time.perf_counter()
            merged = self._process(email, cookie).merged_profile_ids
            times.append(time.perf_counter() - started)
            wals.append(_wal() - before)
            if len(merged) != 1:
                raise SystemExit("a shadow was not merged")
        return Cost(events, statistics.median(times) * 1e3, statistics.median(wals) / 1e3)

    def timeline(self) -> float:
        """Return the median ms of a page of 50, of somebody with 20 devices in a full table."""
        email = Identifier(EMAIL, f"{secrets.token_hex(8)}@example.com")
        devices = [Identifier(ANONYMOUS_ID, secrets.token_hex(8)) for _ in range(20)]
        for device in devices:
            profile_id = self._process(email, device).profile_id
        self._fill(devices, TABLE)
        assert profile_id is not None
        return statistics.median(_timed(lambda: self._page(profile_id)) for _ in range(50))

    def _page(self, profile_id: UUID) -> None:
        found = timeline.events_of(self._source, profile_id, Asked(limit=50))
        if found is None or len(found[0]) != 50:
            raise SystemExit("a page of the timeline is not full")

    def _process(self, *identifiers: Identifier) -> Outcome:
        now = clock.now()
        record = Record(
            source=self._source,
            door="bench",
            dialect="cdp",
            kind="track",
            type="track",
            name="Seen",
            identifiers=identifiers,
            message_id=secrets.token_hex(8),
            client_ms=clock.to_ms(now),
            occurred_at=now,
            received_at=now,
        )
        (outcome,) = process_isolated([record], now)
        if not isinstance(outcome, Outcome):
            raise SystemExit(f"an event was not stored: {outcome!r}")
        return outcome

    def _fill(self, identifiers: list[Identifier], count: int) -> None:
        secret = self._source.organization_secret
        with connection.cursor() as cursor:
            cursor.execute(
                _EVENTS,
                {
                    "ms": clock.to_ms(clock.now()),
                    "salt": secrets.token_hex(4),
                    "actors": [said.key(secret) for said in identifiers],
                    "spread": len(identifiers),
                    "org": self._source.organization_id,
                    "source": self._source.key_id,
                    "count": count,
                },
            )


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def _wal() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return int(cursor.fetchone()[0])
