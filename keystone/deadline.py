"""No wait for PostgreSQL outlasts its deadline, even when the server hangs without a word.

A stopped server or dropped packets are seen by neither `statement_timeout` (the server's) nor by
keepalives (the kernel's, which is alive). What always ends a wait is closing our own socket.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound the database work of this block: after `seconds` its socket is shut down.

    The statement that waits then raises `OperationalError`; the connection is of no more use,
    so the caller closes it. Connecting itself is bounded by `connect_timeout` (settings).
    """
    connection.ensure_connection()
    handle = handle_of(connection.connection)
    timer = threading.Timer(seconds, hang_up, [handle])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        handle.close()


def handle_of(raw: psycopg.Connection[Any]) -> socket.socket:
    """Return a handle of our own on a connection's socket, to be closed by the caller.

    Its number could belong to another connection by the time somebody hangs up.
    """
    return socket.socket(fileno=os.dup(raw.fileno()))


def hang_up(handle: socket.socket) -> None:
    """End a connection from outside: whoever waits on it gets an error at once."""
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the server was faster: nothing is waiting any more
