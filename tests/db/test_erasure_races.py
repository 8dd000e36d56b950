"""Whoever writes, merges, undoes or dies while a person is being erased: nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from identity.models import AttributeChange, Erasure, Merge
from identity.work import merge_by_hand, undo_by_hand
from ingest.isolation import process_isolated
from ingest.models import Event
from ingest.pipeline import process
from keystone import clock
from keystone.db import ingest_transaction
from keystone.people import erasure
from keystone.source import Source
from tests.db.traces import Somebody, traces
from tests.live import ROOT
from tests.make import make_record

ERASE = (
    "from keystone.people import erasure; import sys, uuid; erasure.erase(uuid.UUID(sys.argv[1]))"
)


@pytest.fixture
def ana(source: Source) -> Somebody:
    somebody = Somebody(source)
    somebody.lives()
    return somebody


@pytest.fixture
def bob(source: Source) -> Somebody:
    somebody = Somebody(source)
    somebody.lives()
    return somebody


def go_on(id_: UUID) -> Erasure:
    """Let the time pass after which somebody comes again."""
    Erasure.objects.filter(pk=id_).update(next_attempt_at=clock.now() - timedelta(seconds=1))
    erasure.erase(id_)
    return Erasure.objects.get(pk=id_)


@contextmanager
def looked_before(ana: Somebody) -> Iterator[None]:
    """Have a flush under way that sees no tombstones; it commits at the end of the block."""
    looked, go = threading.Event(), threading.Event()
    record = make_record(
        ana.source, identifiers=(ana.cookie,), payload=f'{{"note": "{ana.mark}"}}'.encode()
    )

    def flush() -> None:
        with ingest_transaction() as cursor:
            process(cursor, [record], clock.now())
            cursor.run("SELECT 1")  # what was sent has been executed
            looked.set()
            assert go.wait(30)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(flush)
        assert looked.wait(10)
        try:
            yield
        finally:
            go.set()
            flushed.result()


def test_a_flush_that_looked_before_is_waited_for(ana):
    id_ = ana.asks()
    with looked_before(ana):
        erasure.erase(id_)
        begun = Erasure.objects.get(pk=id_)
        assert (begun.status, begun.counts["events"]) == ("running", 0)
    assert go_on(id_).counts["events"] == 8
    assert traces(*ana.marks) == {}


def test_it_comes_again_in_a_second(ana):
    id_ = ana.asks()
    with looked_before(ana):
        erasure.erase(id_)
    wait = Erasure.objects.get(pk=id_).next_attempt_at - clock.now()
    assert wait <= timedelta(seconds=1)


def test_what_comes_while_it_waits_is_dropped_already(ana):
    id_ = ana.asks()
    with looked_before(ana):
        erasure.erase(id_)
        assert ana.does(ana.laptop).reason == "suppressed"
    go_on(id_)


def test_events_that_come_all_the_while_leave_nothing(ana):
    """Threads that tell of her, merge her and fail, from before it begins until after its end."""
    done = threading.Event()

    def send(number: int) -> int:
        sent = 0
        while not done.is_set():
            ana.does(ana.identifiers[number], attributes={"note": f"{ana.mark} {sent}"})
            ana.does(ana.email, ana.cookie, attributes={"name": ana.mark})
            ana.fails(ana.identifiers[number])
            sent += 3
        connection.close()
        return sent

    with ThreadPoolExecutor(6) as pool:
        senders = [pool.submit(send, number) for number in range(6)]
        time.sleep(0.3)
        id_ = ana.asks()
        deadline = time.monotonic() + 30
        while go_on(id_).status != "completed":
            assert time.monotonic() < deadline
        time.sleep(0.2)
        done.set()
        assert all(sender.result() > 0 for sender in senders)
    assert traces(*ana.marks) == {}
    assert ana.profile.attributes == {}


def test_two_workers_at_once_count_each_row_once(ana):
    store(ana, 3_000)
    id_ = ana.asks()
    erase_at_once = threading.Barrier(3)

    def work() -> None:
        erase_at_once.wait()
        go_on(id_)
        connection.close()

    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(work) for _ in range(3)]:
            each.result()
    done = go_on(id_)
    assert (done.status, done.counts["events"]) == ("completed", 3_007)


def store(ana: Somebody, count: int) -> None:
    """Store events of hers."""
    for start in range(0, count, 1_000):
        records = [
            make_record(ana.source, identifiers=(ana.email,), name=f"{ana.mark} {start + number}")
            for number in range(min(1_000, count - start))
        ]
        process_isolated(records, clock.now())


def test_a_worker_that_is_killed_leaves_the_rest_to_the_next_one(ana):
    store(ana, 20_000)
    id_ = ana.asks()
    worker = start(id_)
    while Event.objects.filter(actor_key=ana.key(ana.email)).count() > 15_000:
        assert worker.poll() is None
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    killed = Erasure.objects.get(pk=id_)
    left = Event.objects.filter(actor_key__in=[ana.key(each) for each in ana.identifiers]).count()
    assert (killed.status, killed.counts["events"] + left) == ("running", 20_007)
    done = go_on(id_)
    assert (done.status, done.attempts, done.counts["events"]) == ("completed", 2, 20_007)
    assert traces(*ana.marks) == {}


def start(id_: UUID) -> subprocess.Popen[bytes]:
    """Erase in a process that can be killed."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    url = make_conninfo(**{name: parameters[name] for name in names if parameters.get(name)})
    script = f"import django; django.setup(); {ERASE}"
    environ = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "keystone.settings"}
    return subprocess.Popen([sys.executable, "-c", script, str(id_)], cwd=ROOT, env=environ)


def test_nobody_else_goes_on_while_somebody_is_at_it(ana):
    id_ = ana.asks()
    Erasure.objects.filter(pk=id_).update(next_attempt_at=clock.now() + erasure.LEASE)
    erasure.erase(id_)
    assert Erasure.objects.get(pk=id_).status == "enqueued"


def test_of_a_merge_that_was_taken_back_the_other_keeps_nothing(ana, bob):
    """What was one person's lineage for a while tells of both."""
    joined = merge_by_hand(
        organization_id=ana.source.organization_id,
        winner_id=bob.profile.id,
        loser_id=ana.profile.id,
        by="staff ada",
    )
    ana.does(ana.crm_id, attributes={"city": f"Lima {ana.mark}"})
    bob.does(bob.crm_id, attributes={"city": f"Bern {bob.mark}"})
    undo_by_hand(
        organization_id=ana.source.organization_id, merge_id=joined.merge_id, by="staff ada"
    )
    kept = bob.profile.attributes
    assert AttributeChange.objects.filter(
        profile_id=bob.profile.id, old__icontains=ana.mark
    ).exists()
    assert ana.mark in str(Merge.objects.get(pk=joined.merge_id).attributes_before)
    done = ana.is_erased()
    assert traces(*ana.marks) == {}
    assert done.counts["lineage_of_others"] > 0
    assert bob.profile.attributes == kept != {}
    assert bob.does().status == "stored"
