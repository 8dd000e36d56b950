"""What monitors are told, and that nothing which hangs keeps them waiting."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client

from keystone import health
from keystone.deadline import deadline
from keystone.models import Organization
from tests.make import make_key

VIEWER = ("viewer",)


@pytest.fixture(autouse=True)
def _fresh_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "probe", health.Probe())
    monkeypatch.setattr(health, "_migrated", threading.Event())


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word, as a stopped one does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def database_of_new_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """The settings of connections yet to be made; ours and the key ring's stay as they are."""
    changed = dict(connections.settings["default"])
    monkeypatch.setitem(connections.settings, "default", changed)
    return changed


def test_a_living_process_says_so_without_the_database(
    client: Client, django_assert_num_queries
) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("url", ["/healthz", "/readyz", "/metrics"])
def test_monitors_may_ask_by_address_and_are_not_redirected(
    client: Client, settings, url: str
) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["keystone.example"], True
    response = client.get(url, headers={"Host": "10.0.0.7"})
    assert response.status_code in {200, 503}
    assert response["Content-Length"] == str(len(response.content))


def test_a_process_is_ready_when_the_database_and_its_schema_are(client: Client) -> None:
    response = client.get("/readyz")
    checks = response.json()["checks"]
    assert response.status_code == 200
    assert (checks["database"], checks["migrations"]) == ("ok", "ok")


def test_a_schema_behind_the_code_is_not_ready(
    client: Client, database_of_new_threads: dict[str, object]
) -> None:
    database_of_new_threads["NAME"] = "postgres"  # which nobody migrates
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    assert response.json()["checks"]["migrations"] == "not applied"


def test_without_redis_a_process_is_degraded_but_ready(client: Client, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["redis"] == "unreachable"


def test_a_redis_that_hangs_is_waited_for_half_a_second(
    client: Client, settings, silent_server: int
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_server}/0"
    started = time.monotonic()
    assert client.get("/readyz").json()["status"] == "degraded"
    assert time.monotonic() - started < 1.5


def test_a_database_that_hangs_is_said_within_two_seconds(
    client: Client, database_of_new_threads: dict[str, object], silent_server: int
) -> None:
    database_of_new_threads.update(HOST="127.0.0.1", PORT=str(silent_server))
    started = time.monotonic()
    first, second = client.get("/readyz"), client.get("/readyz")
    assert time.monotonic() - started < 2
    assert (first.status_code, second.status_code) == (503, 503)
    assert first.json()["checks"]["database"] == "no answer"


def test_a_floor_above_can_add_a_check(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.checks, "flusher", lambda: "its breaker is open")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["flusher"] == "its breaker is open"


def test_asking_often_runs_the_checks_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setitem(health.checks, "counted", lambda: asked.append(1) or "ok")
    for _ in range(5):
        client.get("/readyz")
    assert len(asked) == 1


def test_a_wait_for_the_database_ends_at_its_deadline() -> None:
    started = time.monotonic()
    try:
        with pytest.raises(OperationalError), deadline(0.3), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
    finally:
        connection.close()
    assert time.monotonic() - started < 1


def test_a_deadline_that_is_kept_does_no_harm() -> None:
    with deadline(0.2), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    time.sleep(0.3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)


# --- metrics ------------------------------------------------------------------------------------


def refused(client: Client, code: str) -> float:
    text = client.get("/metrics").content.decode()
    line = rf'^keystone_refused_total{{code="{code}",door="metrics"}} (\S+)$'
    match = re.search(line, text, re.MULTILINE)
    return float(match[1]) if match else 0.0


def test_whoever_is_on_the_machine_sees_the_metrics_of_a_local_keystone(client: Client) -> None:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    "elsewhere",
    [{"REMOTE_ADDR": "192.0.2.7"}, {"REMOTE_ADDR": ""}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}],
)
def test_elsewhere_a_key_is_needed(client: Client, elsewhere: dict[str, str]) -> None:
    response = client.get("/metrics", **elsewhere)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


def test_a_public_address_needs_a_key_even_from_its_own_machine(client: Client, settings) -> None:
    settings.KEYSTONE_URL = "https://keystone.example"
    assert client.get("/metrics").status_code == 401


@pytest.mark.parametrize(("kind", "status"), [("integration", 200), ("crow", 403)])
def test_a_viewers_key_sees_the_metrics_if_it_is_secret(
    client: Client, organization: Organization, kind: str, status: int
) -> None:
    _, raw = make_key(organization, kind, scopes=VIEWER)
    bearer = {"Authorization": f"Bearer {raw}"}
    response = client.get("/metrics", headers=bearer, REMOTE_ADDR="192.0.2.7")
    assert response.status_code == status


def test_a_refusal_is_counted(client: Client) -> None:
    before = refused(client, "unauthorized")
    client.get("/metrics", REMOTE_ADDR="192.0.2.7")
    assert refused(client, "unauthorized") == before + 1


COUNT = "from keystone import metrics; metrics.recorded('ingest', 'stored', 3)"
WAIT = "; metrics.QUEUE_RECORDS.set(7)"
SHOW = "from keystone import metrics; print(metrics.exposition().decode())"


def run(folder: Path, code: str) -> str:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True
    ).stdout


def test_one_process_answers_for_all_and_a_dead_ones_queue_is_forgotten(tmp_path: Path) -> None:
    run(tmp_path, COUNT + WAIT)
    run(tmp_path, COUNT)
    shown = run(tmp_path, SHOW)
    assert 'keystone_records_total{door="ingest",outcome="stored"} 6.0' in shown
    assert "keystone_queue_records 7.0" not in shown
