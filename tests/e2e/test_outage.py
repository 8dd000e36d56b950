"""PostgreSQL is away or hangs: everybody is told so in time, and nothing has to be restarted."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.conftest import Fragile, Postgres
from tests.e2e.load import Load, Monitor

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.xdist_group("fragile")

AWAY_SECONDS = 3.0
REFUSED_SECONDS, HEALTHY_SECONDS, RECOVERY_SECONDS = 2.0, 1.0, 5.0

Way = tuple[Callable[[Postgres], None], Callable[[Postgres], None]]
#: How it goes away, and how it comes back.
WAYS: dict[str, Way] = {
    "hangs": (Postgres.stop, Postgres.go_on),
    "is killed": (lambda server: server.kill(signal.SIGKILL), Postgres.start),
    "is shut down at once": (lambda server: server.kill(signal.SIGQUIT), Postgres.start),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_outage_is_said_in_time_and_ends_by_itself(fragile: Fragile, way: str) -> None:
    leave, come_back = WAYS[way]
    with Load(fragile.up) as load, Monitor(fragile.up) as monitor:
        load.wait_for_answers(100)
        leave(fragile.postgres)
        time.sleep(AWAY_SECONDS)
        ready = fragile.up.request("GET", "/readyz")
        come_back(fragile.postgres)
        recovery = load.wait_for_answers()
    worst = max(refusal.seconds for refusal in load.refusals())
    unhealthy = max(attempt.seconds for attempt in monitor.attempts)
    logger.info("%s: 503 %.2f, healthz %.2f, again %.2f s", way, worst, unhealthy, recovery)
    assert worst < REFUSED_SECONDS
    assert unhealthy < HEALTHY_SECONDS
    assert recovery < RECOVERY_SECONDS
    assert {refusal.retry_after for refusal in load.refusals()} == {"1"}
    assert {attempt.status for attempt in load.attempts} == {200, 503}
    assert {attempt.status for attempt in monitor.attempts} == {200}
    assert (ready.status, ready.json()["status"]) == (503, "unavailable")
    load.assert_every_answer_is_in_the_ledger(fragile.postgres.url)
