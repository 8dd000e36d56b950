"""Keeps a PostgreSQL that is away or hangs from holding anybody up.

A stopped server (SIGSTOP, dropped packets) is not noticed by statement_timeout, keepalives or
tcp_user_timeout: a watchdog shuts the flusher's socket down when one transaction takes longer
than `LIMIT`. An infrastructure error opens the breaker: requests are refused at once, and one
probe in the background closes it again when PostgreSQL answers.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, connections

from keystone.deadline import handle_of, hang_up

#: Seconds that one transaction may take.
LIMIT = 1.0
_LOOK_EVERY = 0.1
_PROBE_EVERY = 0.5


class Breaker:
    """Open: PostgreSQL is away. Closed: as far as we know it answers."""

    def __init__(self) -> None:
        self.is_open = False
        self._busy = threading.Event()
        self._lock = threading.Lock()
        self._since = 0.0
        self._guarded: object = None
        self._handle: socket.socket | None = None
        self._watchdog: threading.Thread | None = None

    @contextmanager
    def guard(self) -> Iterator[Callable[[], None]]:
        """Watch over this thread's connection; the yielded call begins a new time limit."""
        if self._watchdog is None:
            self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._watchdog.start()
        try:
            yield self._begin
        finally:
            with self._lock:
                self._busy.clear()

    def _begin(self) -> None:
        connection.ensure_connection()  # bounded by connect_timeout, not by the watchdog
        with self._lock:
            self._hold(connection.connection)
            self._since = time.monotonic()
            self._busy.set()

    def _hold(self, raw: psycopg.Connection[Any]) -> None:
        if self._guarded is not raw:
            if self._handle is not None:
                self._handle.close()
            self._handle = handle_of(raw)
            self._guarded = raw

    def _watch(self) -> None:
        while True:
            self._busy.wait()
            time.sleep(_LOOK_EVERY)
            with self._lock:
                late = self._busy.is_set() and time.monotonic() - self._since > LIMIT
                if late and self._handle is not None:
                    hang_up(self._handle)
                    self._busy.clear()

    def open(self) -> None:
        """Refuse everybody until a probe gets through."""
        if not self.is_open:
            self.is_open = True
            threading.Thread(target=self._probe, name="probe", daemon=True).start()

    def _probe(self) -> None:
        while self.is_open:
            time.sleep(_PROBE_EVERY)
            self.is_open = not _answers()


def _answers() -> bool:
    try:
        # Connecting is proof enough: a backend was forked and has opened the database.
        psycopg.connect(**_parameters()).close()
    except Exception:  # noqa: BLE001 - whatever it is, nobody else closes the breaker
        return False
    return True


def _parameters() -> dict[str, Any]:
    parameters = connections["default"].get_connection_params()
    return {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
