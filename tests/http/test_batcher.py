"""Group commit under real threads and a real PostgreSQL, and what happens when that is away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from django.db import connection, transaction

from ingest import batcher as module
from ingest.batcher import PATIENCE, batcher
from ingest.models import FailedEvent
from keystone import clock, health, metrics
from keystone.keys.ring import ring
from tests.http.sending import Answer, Tenant, at_once, code_of, event, make_tenant, patiently, post
from tests.http.stored import get
from tests.http.triggers import refusing
from tests.make import make_key, make_organization

RECOVERY_SECONDS = 5
DATA, DISK_FULL = "refused 22000", "refused 53100"


@pytest.fixture
def tenant() -> Tenant:
    """Whose key the process knows, and whose events it takes: no outage of another test lasts."""
    tenant = make_tenant()
    patiently(lambda: send(tenant))
    return tenant


@pytest.fixture
def other(tenant: Tenant) -> Tenant:
    other = make_tenant()
    send(other)
    return other


def send(tenant: Tenant, name: str = "Seen") -> Answer:
    return post(tenant.keys.integration, event(event_name=name))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def somebody_waits_for_the_table() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE datname = current_database() AND relation = 'event'::regclass AND NOT granted)"
        )
        return bool(cursor.fetchone()[0])


@contextmanager
def busy_flusher(tenant: Tenant, pool: ThreadPoolExecutor) -> Iterator[None]:
    """Keep the flusher waiting for a lock, with one record of `tenant` in its hands."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE")
        pool.submit(send, tenant, "First")
        wait_until(somebody_waits_for_the_table)
        yield


def queued(tenant: Tenant, *calls: Callable[[], Answer]) -> list[Answer]:
    """Make calls while the flusher is busy; let it go on when all of them wait in the queue."""
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        with busy_flusher(tenant, pool):
            answers = [pool.submit(call) for call in calls]
            wait_until(lambda: batcher.waiting.records >= len(calls))
        return [answer.result() for answer in answers]


def flushes(tenant: Tenant, name: str) -> Counter[str]:
    """Count the events of this name by the transaction that stored them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xmin::text FROM event WHERE org_id = %s AND name = %s",
            [tenant.organization.id, name],
        )
        return Counter(row[0] for row in cursor.fetchall())


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


# --- group commit -------------------------------------------------------------------------------


def test_what_arrives_while_a_flush_runs_shares_the_next(tenant: Tenant) -> None:
    answers = queued(tenant, *[partial(send, tenant, "Next")] * 20)
    assert statuses(answers) == {200: 20}
    assert sorted(flushes(tenant, "Next").values()) == [20]
    assert flushes(tenant, "Next").keys().isdisjoint(flushes(tenant, "First"))


def test_a_flush_has_a_largest_size(tenant: Tenant, settings) -> None:
    settings.KEYSTONE_FLUSH_RECORDS = 8
    queued(tenant, *[partial(send, tenant, "Next")] * 20)
    assert sorted(flushes(tenant, "Next").values()) == [4, 8, 8]


def test_a_body_larger_than_a_flush_is_one_flush(tenant: Tenant, settings) -> None:
    settings.KEYSTONE_FLUSH_RECORDS = 8
    body = {"batch": [event(event_name="Large") for _ in range(20)]}
    assert post(tenant.keys.integration, body).status_code == 200
    assert sorted(flushes(tenant, "Large").values()) == [20]


def test_everybody_gets_the_answer_to_their_own_event(tenant: Tenant) -> None:
    names = [f"Event {n}" for n in range(20)]
    answers = queued(tenant, *(partial(send, tenant, name) for name in names))
    ids = [answer.json()["event_id"] for answer in answers]
    found = [get(tenant.keys.integration, f"/v1/events/{id_}").json()["name"] for id_ in ids]
    assert found == names


def test_two_who_send_a_message_at_once_store_it_once(tenant: Tenant) -> None:
    said = event(identity="ada@example.com", event_name="Twice")
    answers = at_once([partial(post, tenant.keys.integration, said)] * 8)
    told = [answer.json() for answer in answers]
    assert Counter(answer["duplicate"] for answer in told) == {False: 1, True: 7}
    assert len({(answer["event_id"], answer["profile_id"]) for answer in told}) == 1
    assert sum(flushes(tenant, "Twice").values()) == 1


def test_many_threads_share_few_commits(tenant: Tenant) -> None:
    def ten() -> list[int]:
        return [send(tenant, "Load").status_code for _ in range(10)]

    assert {status for sent in at_once([ten] * 16) for status in sent} == {200}
    stored = flushes(tenant, "Load")
    assert sum(stored.values()) == 160
    assert len(stored) < 120


# --- no room, no time ---------------------------------------------------------------------------


def test_a_full_queue_refuses_at_once_and_keeps_what_it_has(tenant: Tenant, settings) -> None:
    settings.KEYSTONE_QUEUE_RECORDS = 3
    with ThreadPoolExecutor(4) as pool:
        with busy_flusher(tenant, pool):
            waiting = [pool.submit(send, tenant, "Kept") for _ in range(3)]
            wait_until(lambda: batcher.waiting.records == 3)
            started = time.monotonic()
            answer = send(tenant, "Too much")
            seconds = time.monotonic() - started
        assert statuses([one.result() for one in waiting]) == {200: 3}
    assert (code_of(answer), answer["Retry-After"]) == ((503, "unavailable"), "1")
    assert seconds < 0.5
    assert not flushes(tenant, "Too much")


def test_nobody_waits_longer_than_their_patience_and_again_is_once(tenant: Tenant) -> None:
    said = event(event_name="Patient")
    call = partial(post, tenant.keys.integration, said)
    with ThreadPoolExecutor(2) as pool, busy_flusher(tenant, pool):
        started = time.monotonic()
        assert call().status_code == 503
        assert time.monotonic() - started < PATIENCE + 0.3
    assert patiently(call).status_code == 200
    assert sum(flushes(tenant, "Patient").values()) == 1


# --- when PostgreSQL is away --------------------------------------------------------------------


def test_a_statement_that_hangs_is_given_up_in_time(tenant: Tenant, other: Tenant) -> None:
    with refusing("event"):
        started = time.monotonic()
        answers = at_once([partial(send, tenant, "hang"), *[partial(send, other)] * 10])
        assert time.monotonic() - started < 2
        assert code_of(answers[0]) == (503, "unavailable")
        assert patiently(lambda: send(other), RECOVERY_SECONDS).status_code == 200


def end_all_other_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_new_key_is_found_although_the_rings_connection_was_lost(tenant: Tenant) -> None:
    assert ring.find(tenant.keys.integration, clock.now()) is not None
    end_all_other_connections()
    _, new = make_key(make_organization())
    assert ring.find(new, clock.now()) is not None


def test_a_lost_connection_comes_back_by_itself(tenant: Tenant) -> None:
    said = event(event_name="Lost")
    end_all_other_connections()
    answer = patiently(lambda: post(tenant.keys.integration, said), RECOVERY_SECONDS)
    assert answer.status_code == 200
    assert sum(flushes(tenant, "Lost").values()) == 1


def test_while_postgresql_is_away_nobody_waits_and_monitors_know(tenant: Tenant) -> None:
    with refusing("event"):
        assert send(tenant, DISK_FULL).status_code == 503
    started = time.monotonic()
    assert code_of(send(tenant)) == (503, "unavailable")
    assert time.monotonic() - started < 0.2
    assert health.checks["flusher"]() != "ok"
    assert patiently(lambda: send(tenant), RECOVERY_SECONDS).status_code == 200
    assert health.checks["flusher"]() == "ok"


def test_an_outage_dead_letters_nothing(tenant: Tenant, other: Tenant) -> None:
    with refusing("event"):
        queued(other, partial(send, tenant, DISK_FULL), partial(send, other))
    inboxes = [tenant.organization.id, other.organization.id]
    assert not FailedEvent.objects.filter(organization_id__in=inboxes).exists()


def test_whatever_goes_wrong_the_flusher_goes_on(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def observe(self, _: float) -> None:
            raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(metrics, "FLUSH_SECONDS", Full())
        assert send(tenant).status_code == 200
    assert send(tenant).status_code == 200


# --- keys whose records fail --------------------------------------------------------------------


def apart(tenant: Tenant, other: Tenant, name: str) -> bool:
    """Say whether events of both that wait at the same time are stored in two transactions."""
    queued(other, *[partial(send, tenant, name), partial(send, other, name)] * 3)
    return flushes(tenant, name).keys().isdisjoint(flushes(other, name))


def test_a_key_whose_record_failed_is_flushed_apart(tenant: Tenant, other: Tenant) -> None:
    assert not apart(tenant, other, "Before")
    with refusing("event"):
        assert send(tenant, DATA).status_code == 422
    assert apart(tenant, other, "After")


def test_suspicion_ends(tenant: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUSPICION", 0.2)
    with refusing("event"):
        send(tenant, DATA)
    time.sleep(0.25)
    assert not apart(tenant, other, "Later")


def test_an_outage_makes_nobody_suspect(tenant: Tenant, other: Tenant) -> None:
    with refusing("event"):
        assert send(tenant, DISK_FULL).status_code == 503
    patiently(lambda: send(tenant))
    assert not apart(tenant, other, "After")
