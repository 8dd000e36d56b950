"""A 2xx means it is stored, once: whoever is killed, however often it is sent, by whomever."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import pytest

from keystone import clock
from tests.e2e.conftest import Fragile
from tests.e2e.load import Client, Load
from tests.live import Up

pytestmark = pytest.mark.xdist_group("fragile")

ROUNDS = 30
#: A worker that ends sooner after its start makes granian give up.
CRASH_LOOP_SECONDS = 5.6


def web_workers(up: Up) -> list[psutil.Process]:
    """The living web processes."""
    return [child for child in up.find("granian").children() if serves(child)]


def serves(process: psutil.Process) -> bool:
    """Say whether it is a web worker: granian also has a process that only tracks resources."""
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie, too
        return False


def test_killed_web_workers_lose_nothing_that_was_answered(fragile: Fragile) -> None:
    up = fragile.up
    with Load(up) as load:
        for _ in range(4):
            kill(up, [oldest(web_workers(up))])
            load.wait_for_answers(100)
        time.sleep(CRASH_LOOP_SECONDS)
        kill(up, web_workers(up))
        load.wait_for_answers(100)
    assert any(attempt.status == 0 for attempt in load.attempts), "no request was cut off"
    load.assert_every_answer_is_in_the_ledger(fragile.postgres.url)


def kill(up: Up, victims: list[psutil.Process]) -> None:
    """Kill web workers under load and see others take their place."""
    for victim in victims:
        victim.kill()
    deadline = time.monotonic() + 15
    while len(set(web_workers(up)) - set(victims)) < 2:
        assert time.monotonic() < deadline, up.said()[-2_000:]
        time.sleep(0.05)


def oldest(workers: list[psutil.Process]) -> psutil.Process:
    return min(workers, key=lambda worker: worker.create_time())


def test_what_is_counted_is_what_is_stored(fragile: Fragile) -> None:
    with Load(fragile.up) as load:
        load.wait_for_answers(20)
    with psycopg.connect(fragile.postgres.url) as server:
        row = server.execute(
            "SELECT (SELECT sum(count) FROM tally WHERE outcome = 'stored'), count(*) FROM event"
        ).fetchone()
    assert row is not None
    assert row[0] == row[1] > 0


def on_both_workers(up: Up) -> list[Client]:
    """Open connections until each of the two web processes holds three of them."""
    clients: list[Client] = []
    while min(map(connections_of, web_workers(up))) < 3:
        assert len(clients) < 60
        clients.append(Client(up.port))
        clients[-1].ask("GET", "/healthz")
    return clients


def connections_of(worker: psutil.Process) -> int:
    return sum(one.status == psutil.CONN_ESTABLISHED for one in worker.net_connections("tcp"))


def test_two_processes_that_get_a_message_at_once_store_it_once(fragile: Fragile) -> None:
    key = fragile.up.variables["KEYSTONE_INTEGRATION_KEY"]
    clients = on_both_workers(fragile.up)
    with ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(ROUNDS):
            said = new_message()
            attempts = list(pool.map(lambda client: client.send(key, said), clients))  # noqa: B023
            assert {attempt.status for attempt in attempts} == {200}
            answers = [client.answer for client in clients]
            assert Counter(answer["duplicate"] for answer in answers)[False] == 1
            assert len({(answer["event_id"], answer["profile_id"]) for answer in answers}) == 1
            assert stored(fragile, said["event_name"]) == 1
    for client in clients:
        client.close()


def new_message() -> dict[str, Any]:
    name = str(uuid4())
    who = {"anonymous_id": name, "identity": f"{name}@example.com"}
    said = {"event_type": "track", "event_name": name, "message_id": name}
    return {**who, **said, "timestamp": clock.iso(clock.now()), "attributes": {"n": 1}}


def stored(fragile: Fragile, name: str) -> int:
    with psycopg.connect(fragile.postgres.url) as server:
        row = server.execute("SELECT count(*) FROM event WHERE name = %s", [name]).fetchone()
    return row[0] if row else 0
