"""Each web worker has a processor of its own, also the one that replaces a killed one."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter

import pytest

from tests.e2e.conftest import Fragile
from tests.e2e.test_ledger import kill, oldest, web_workers
from tests.live import Up

pytestmark = [
    pytest.mark.xdist_group("fragile"),
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel cannot"),
]


def claims(up: Up) -> list[int]:
    """Count the workers of each processor, once every worker keeps to one."""
    deadline = time.monotonic() + 15
    while True:
        allowed = [worker.cpu_affinity() for worker in web_workers(up)]
        if len(allowed) == 2 and all(len(cpus) == 1 for cpus in allowed):
            return sorted(Counter(cpu for (cpu,) in allowed).values())
        assert time.monotonic() < deadline, allowed
        time.sleep(0.05)


#: As even as the machine allows.
EVEN = [1, 1] if len(os.sched_getaffinity(0)) > 1 else [2]


def test_web_workers_share_the_processors_evenly(fragile: Fragile) -> None:
    assert claims(fragile.up) == EVEN


def test_a_replacement_takes_the_processor_that_was_freed(fragile: Fragile) -> None:
    kill(fragile.up, [oldest(web_workers(fragile.up))])
    assert claims(fragile.up) == EVEN


def test_every_thread_of_a_web_worker_is_a_batch_thread(fragile: Fragile) -> None:
    claims(fragile.up)
    (worker, *_) = web_workers(fragile.up)
    policies = {os.sched_getscheduler(thread.id) for thread in worker.threads()}
    assert policies == {os.SCHED_BATCH}
