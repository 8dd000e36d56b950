"""A `manage.py up` on a PostgreSQL of its own, for tests that stop and kill what they can."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from keystone import cluster, embedded
from keystone.processes import Child, Family
from tests.live import Up


class Postgres:
    """A cluster that can be stopped, killed and started again."""

    def __init__(self, family: Family, var: Path) -> None:
        self._family, self._var = family, var
        self.url = embedded.database_url(var)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        room = embedded.connections(workers=2, threads=32, tasks=1)
        embedded.start_postgresql(self._family, self._var, room)

    def stop(self) -> None:
        """Let it hang: connections stay open, nobody answers."""
        for process in self._processes():
            process.suspend()

    def go_on(self) -> None:
        """Wake it."""
        for process in self._processes():
            process.resume()

    def kill(self, number: signal.Signals) -> None:
        """End its first process by a signal, and see the others follow."""
        processes = self._processes()
        processes[0].send_signal(number)
        _, alive = psutil.wait_procs(processes[1:], 10)
        assert not alive
        self._child.end()
        self._family.children.clear()

    @property
    def _child(self) -> Child:
        return self._family.children[0]

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self._child.process.pid)
        return [first, *first.children()]


class Fragile(NamedTuple):
    """What may be damaged; whoever does mends it again."""

    up: Up
    postgres: Postgres


@pytest.fixture(scope="session")
def fragile(
    tmp_path_factory: pytest.TempPathFactory, up_environ: dict[str, str]
) -> Iterator[Fragile]:
    """Keep these tests in one process of xdist's: `pytest.mark.xdist_group("fragile")`."""
    folder = tmp_path_factory.mktemp("fragile")
    var = folder / "server"
    log = (folder / "server.log").open("w", buffering=1)
    with log, Family(lambda line, name: print(name, line, file=log)) as family:
        try:
            postgres = Postgres(family, var)
        except cluster.Unavailable as missing:
            pytest.skip(str(missing))
        yield from _on(postgres, folder / "var", up_environ)
    embedded.forget_sockets(var)


def _on(postgres: Postgres, var: Path, environ: dict[str, str]) -> Iterator[Fragile]:
    own = {name: value for name, value in environ.items() if name != "REDIS_URL"}
    up = Up(var, {**own, "DATABASE_URL": postgres.url})
    try:
        yield Fragile(up.wait_until_up(), postgres)
    finally:
        up.end()
