"""A real `manage.py up` in a folder and on a port of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from keystone import launch
from keystone.demo import read_variables

ROOT = Path(__file__).resolve().parent.parent
UP_SECONDS = 60


class Answer(NamedTuple):
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


class Up:
    """A running `manage.py up`."""

    def __init__(
        self, var: Path, environ: Mapping[str, str], *arguments: str, port: int | None = None
    ) -> None:
        """Start it; it ends with the tests, whatever becomes of them."""
        self.var, self.port = var, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = var.with_name(f"{var.name}.{self.port}.log")
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), "15", ""]
        command = [str(ROOT), sys.executable, "manage.py", "up", *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*launcher, *command],
                env={**environ, "KEYSTONE_VAR_DIR": str(var), "PORT": str(self.port)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_up(self) -> Up:
        """Wait for its last words of the start; fail with its log."""
        deadline = time.monotonic() + UP_SECONDS
        while "Keystone is up" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        return self

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def variables(self) -> dict[str, str]:
        """The demo's keys and the like, from `var/dev.env`."""
        return read_variables(self.var / "dev.env")

    def processes(self) -> list[psutil.Process]:
        """Itself and everything it has started."""
        itself = psutil.Process(self.process.pid)
        return [itself, *itself.children(recursive=True)]

    def find(self, word: str) -> psutil.Process:
        """Return its own child whose command line contains `word`."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if word in " ".join(child.cmdline()))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | dict | list | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request; `x_api_key="…"` becomes the header X-API-Key."""
        if isinstance(body, (dict, list)):
            body, headers = (
                json.dumps(body).encode(),
                {"content_type": "application/json", **headers},
            )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


def wait_for_the_end_of(processes: Iterable[psutil.Process], seconds: float) -> list[str]:
    """Wait until none runs any more; return what those say that still do."""
    deadline = time.monotonic() + seconds
    while (left := [one for one in processes if _runs(one)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [str(one) for one in left]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
