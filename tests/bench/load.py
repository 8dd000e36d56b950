"""Sends load from a process of its own, and accounts for every answer."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from django.db import connection

from keystone import clock
from tests.bench import machine, mix
from tests.live import Up

_HERE = Path(__file__).parent
#: Bodies that differ in more than their ids; a run goes through them about once.
_TEMPLATES, _FLUSHES = 12_000, 2_000


class Target(NamedTuple):
    """What is measured: a door, how many connections, how many events a body."""

    letter: str
    path: str
    connections: int
    items: int = 1

    @property
    def name(self) -> str:
        size = f", flushes of {self.items}" if self.items > 1 else ""
        return f"({self.letter}) {self.path}{size} @{self.connections}"


class Sample(NamedTuple):
    """What one measurement found. Times of CPU in µs an event."""

    requests: int
    events: int
    seconds: float
    refused: int  # answers with a status that is not 200
    broken: int  # connections that failed, answers that never came
    unaccounted: int  # answered and not stored, or stored and never asked for
    p50_ms: float
    p99_ms: float
    max_ms: float
    web_us: float
    postgres_us: float


class Load:
    """Runs measurements against one server."""

    def __init__(self, up: Up, folder: Path) -> None:
        self._up, self._folder = up, folder
        self._web, self._postgres = up.find("granian"), up.find("postgres")

    def measure(self, target: Target, seconds: float) -> Sample:
        """Load a door for so long; compare what was answered with what is stored."""
        templates = _write_templates(self._folder, target.items)
        stored, busy = _stored(), self._cpu()
        told = self._send(target, templates, seconds)
        time.sleep(0.3)  # what was on its way when the time was over
        web, postgres = (after - before for after, before in zip(self._cpu(), busy, strict=True))
        events = (told["requests"] - told["refused"]) * target.items
        surplus = _stored() - stored - (0 if target.letter == "a" else events)
        in_flight = 0 if target.letter == "a" else target.connections * target.items
        per_event = 1e6 / max(1, events)
        return Sample(
            **told,
            events=events,
            unaccounted=max(0, -surplus, surplus - in_flight),
            web_us=web * per_event,
            postgres_us=postgres * per_event,
        )

    def _cpu(self) -> tuple[float, float]:
        return machine.cpu_seconds(self._web), machine.cpu_seconds(self._postgres)

    def _send(self, target: Target, templates: Path, seconds: float) -> dict:
        run = f"{secrets.token_hex(4)}-"
        address = f"127.0.0.1:{self._up.port}"
        if wrk := shutil.which("wrk"):
            size = ["-t1", f"-c{target.connections}", f"-d{max(1, round(seconds))}s"]
            script = ["-s", str(_HERE / "wrk.lua"), f"http://{address}{target.path}", "--"]
            command = [wrk, *size, *script, str(templates), run]
        else:
            size = [str(target.connections), str(seconds)]
            generator = [sys.executable, "-m", "tests.bench.generator", address, target.path]
            command = [*generator, *size, str(templates), run]
        return _told(
            command, {**os.environ, "BENCH_KEY": self._up.variables["KEYSTONE_TRACKER_KEY"]}
        )


def generator_name() -> str:
    """Say what sends the load."""
    return "wrk" if shutil.which("wrk") else "tests.bench.generator"


def _told(command: Sequence[str], environ: dict[str, str]) -> dict:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the load generator failed: {done.stderr or done.stdout}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _write_templates(folder: Path, items: int) -> Path:
    """Write one body a line, drawn anew: the clients' clocks go with ours."""
    path = folder / f"templates.{items}"
    rng, now_ms = random.Random(), clock.to_ms(clock.now())
    count = _TEMPLATES if items == 1 else _FLUSHES
    with path.open("w") as file:
        file.writelines(f"{_body(rng, now_ms, items)}\n" for _ in range(count))
    return path


def _body(rng: random.Random, now_ms: int, items: int) -> str:
    drawn = [json.dumps(mix.draw(rng, now_ms), ensure_ascii=False) for _ in range(items)]
    if items == 1:
        return drawn[0]
    numbered = (item.replace(mix.MARK, f"{mix.MARK}-{n}") for n, item in enumerate(drawn))
    return f'{{"batch": [{", ".join(numbered)}], "sent_at": {now_ms}}}'


def _stored() -> int:
    """Count what the tally says was stored: duplicates, failures and drops are not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(sum(count), 0) FROM tally WHERE outcome = 'stored'")
        return int(cursor.fetchone()[0])
