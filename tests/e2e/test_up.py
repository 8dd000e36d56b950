"""`manage.py up` as its users meet it: started, disturbed, ended, started again."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.embedded_servers import OURS
from tests.live import Up, wait_for_the_end_of

SECOND_START_SECONDS = 10
IDLE_MEGABYTES = 450

Environ = dict[str, str]

pytestmark = pytest.mark.xdist_group("live")


class Life(NamedTuple):
    """What was seen of one start, from its command to its end."""

    seconds: float
    variables: dict[str, str]
    megabytes: dict[str, float]  # of each process, shared pages divided among who shares them
    code: int
    said: str
    left: list[str]  # processes that outlived it


def live_through(up: Up, number: signal.Signals, victim: str = "") -> Life:
    """Wait until it is up, look at it, end it (or its child `victim`) by a signal."""
    started = time.monotonic()
    try:
        up.wait_until_up()
        seconds, variables, family = time.monotonic() - started, up.variables, up.processes()
        megabytes = {str(one): one.memory_full_info().pss / 1e6 for one in family}
        if victim:
            up.find(victim).send_signal(number)
        else:
            up.process.send_signal(number)
        code = up.process.wait(60)
    finally:
        up.end()
    return Life(seconds, variables, megabytes, code, up.said(), wait_for_the_end_of(family, 5))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that nobody else may enter: as root, not even the user PostgreSQL runs as."""
    folder = tmp_path_factory.mktemp("closed")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def first(closed: Path, up_environ: Environ) -> Life:
    """Started, and asked to end."""
    return live_through(Up(closed / "var", up_environ), signal.SIGTERM)


@pytest.fixture(scope="module")
def second(first: Life, closed: Path, up_environ: Environ) -> Life:
    """Started again, and killed."""
    return live_through(Up(closed / "var", up_environ), signal.SIGKILL)


@pytest.fixture(scope="module")
def third(second: Life, closed: Path, up_environ: Environ) -> Life:
    """Started once more, without a demo; then its beat is killed."""
    (closed / "var" / "dev.env").unlink()
    up = Up(closed / "var", up_environ, "--no-demo")
    return live_through(up, signal.SIGKILL, "celery --app keystone --skip-checks --quiet beat")


def test_idle_it_is_small(first: Life) -> None:
    assert sum(first.megabytes.values()) < IDLE_MEGABYTES, first.megabytes


def test_asked_to_end_it_leaves_nothing_behind(first: Life) -> None:
    assert (first.code, first.left) == (0, [])


def test_no_folder_is_opened_up_for_it(first: Life, closed: Path) -> None:
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_the_second_start_is_quick(second: Life) -> None:
    busy = max(1, os.getloadavg()[0] / (os.cpu_count() or 1))  # others' work is not ours
    assert second.seconds < SECOND_START_SECONDS * busy


def test_the_second_start_keeps_keys_and_password(first: Life, second: Life) -> None:
    url = {"KEYSTONE_URL": ""}
    assert {**second.variables, **url} == {**first.variables, **url}


def test_killed_it_leaves_nothing_behind(second: Life) -> None:
    assert (second.code, second.left) == (-signal.SIGKILL, [])


def test_a_part_that_dies_takes_everything_down_and_is_named(third: Life) -> None:
    assert (third.code, third.left) == (1, [])
    assert third.said.splitlines()[-1] == "up: beat was killed by signal 9"


def test_without_a_demo_there_are_no_keys(third: Life) -> None:
    assert third.variables == {}
    assert "X-API-Key" not in third.said


def test_it_answers_and_says_how_to_go_on(live: Up) -> None:
    assert live.request("GET", "/healthz").status == 200
    said = live.said()
    assert f"Keystone is up: {live.url}" in said
    assert f"curl -sS {live.url}/ingest" in said
    assert live.variables["KEYSTONE_INTEGRATION_KEY"] in said


def test_the_demos_variables_are_for_its_owner_only(live: Up) -> None:
    assert stat.S_IMODE((live.var / "dev.env").stat().st_mode) == 0o600
    assert all(live.variables.values())
    assert live.variables["KEYSTONE_URL"] == live.url


def test_a_second_one_on_the_same_folder_is_refused_in_one_line(
    live: Up, up_environ: Environ
) -> None:
    second = Up(live.var, up_environ)
    assert second.process.wait(30) == 1
    assert second.said().splitlines()[-1].startswith("up: another `up` is running")


def test_a_taken_port_is_said_in_one_line(tmp_path: Path, up_environ: Environ) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        up = Up(tmp_path / "var", up_environ, port=port)
        assert up.process.wait(30) == 1
    assert up.said().splitlines()[-1].startswith(f"up: port {port} of 127.0.0.1 is taken")


def test_a_killed_web_worker_is_replaced(live: Up) -> None:
    granian = live.find("granian")
    before = granian.children()
    before[0].kill()
    deadline = time.monotonic() + 10
    while not set(granian.children()) - set(before):
        assert time.monotonic() < deadline, live.said()
        time.sleep(0.05)
    assert live.request("GET", "/healthz").status == 200


@pytest.mark.skipif(OURS not in os.environ, reason="the server is somebody else's")
def test_its_postgresql_listens_on_no_port(live: Up) -> None:
    server = live.find("postgres")
    assert [c for c in server.net_connections() if c.family != socket.AF_UNIX] == []
    assert server.uids().real != 0
