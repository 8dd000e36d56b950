"""What operators watch: numbers of all web and worker processes, at `/metrics`.

With `PROMETHEUS_MULTIPROC_DIR` set (`up` does, and empties the folder at the start) every
process writes files there and any of them answers for all. A counter's file outlives its
process, because its counts still count; a worker that is replaced leaves about 200 kB.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

REFUSED = Counter("keystone_refused", "Requests answered with an error", ["door", "code"])
RECORDS = Counter("keystone_records", "Records by what became of them", ["door", "outcome"])
FLUSH_SECONDS = Histogram(
    "keystone_flush_seconds",
    "Time of one flush, its commit included",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
FLUSH_RECORDS = Histogram(
    "keystone_flush_records",
    "Records in one flush",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000),
)
QUEUE_RECORDS = Gauge(
    "keystone_queue_records", "Records that wait for a flush", multiprocess_mode="livesum"
)

_LIVE_FILE = re.compile(r"gauge_live\w+_(\d+)\.db")


def refused(door: str, code: str) -> None:
    """Count a request that was answered with an error; `code` is of a closed list."""
    _refused(door, code).inc()


def recorded(door: str, outcome: str, count: int) -> None:
    """Count records of a flush: stored, duplicate, failed or dropped:<reason>."""
    _recorded(door, outcome).inc(count)


@lru_cache(maxsize=1_024)
def _refused(door: str, code: str) -> Counter:
    return REFUSED.labels(door, code)


@lru_cache(maxsize=1_024)
def _recorded(door: str, outcome: str) -> Counter:
    return RECORDS.labels(door, outcome)


def exposition() -> bytes:
    """Write the numbers of all processes in Prometheus' text format."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return generate_latest(REGISTRY)
    _forget_dead_gauges(Path(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_dead_gauges(folder: Path) -> None:
    """Remove the live gauges of killed processes: what waited there waits no more."""
    found = (_LIVE_FILE.fullmatch(path.name) for path in folder.iterdir())
    for pid in {int(match[1]) for match in found if match}:
        if not _is_alive(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
