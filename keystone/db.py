"""The one way to run SQL: prepared statements on PostgreSQL, each with JSON or array parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import UUID
from weakref import WeakSet

import msgspec
import psycopg
from django.db import connection, transaction
from psycopg.rows import TupleRow

Row = TupleRow

# For a connection. `json_to_recordset` is planned for 100 rows; without the planner switches whole
# tables are hashed for a handful of keys (one resolve went from 515 to 96 µs, DESIGN §6). Promise 1
# does not depend on how the server is set up: a commit is on disk before it answers.
_SETTINGS: LiteralString = """
SET synchronous_commit = on; SET lock_timeout = 800; SET jit = off;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off
"""


class Cursor(psycopg.Cursor[Row]):
    """A cursor of an ingest transaction: prepared statements, plain tuples.

    What is sent travels with the next statement that somebody waits for. Each wait costs a
    flusher a place in the queue for the interpreter, behind every request thread.
    """

    def run(self, sql: LiteralString, **params: object) -> list[Row]:
        """Execute a statement that returns rows, and wait for them.

        Raises `psycopg.Error` untranslated, of this statement or of one sent before it: its
        SQLSTATE decides what is done about it (`ingest.faults`).
        """
        return self.ask(sql, **params)()

    def ask(self, sql: LiteralString, **params: object) -> Callable[[], list[Row]]:
        """Send a statement; the call of what is returned waits for its rows.

        Wait in the order of asking: what comes after a statement that fails is not executed.
        """
        sibling = type(self)(self.connection)
        # Binary results: Django's own loader for text times costs 3 µs each.
        sibling.execute(sql, params, prepare=True, binary=True)
        return sibling.fetchall

    def send(self, sql: LiteralString, **params: object) -> None:
        """Send a statement that returns nothing; the commit waits for it at the latest."""
        self.ask(sql, **params)


@contextmanager
def ingest_transaction() -> Iterator[Cursor]:
    """Open one durable transaction on this thread's connection, tuned for set-based writes.

    BEGIN travels with the first statement, COMMIT with the last.
    """
    connection.ensure_connection()
    raw: psycopg.Connection[TupleRow] = connection.connection
    if raw not in _tuned:
        # Outside a transaction, whose rollback would undo it; once, because it costs 150 µs.
        raw.execute(_SETTINGS)
        _tuned.add(raw)
    with raw.pipeline(), transaction.atomic():
        yield Cursor(raw)


_tuned: WeakSet[psycopg.Connection[TupleRow]] = WeakSet()


def uuid_array(keys: Iterable[UUID]) -> str:
    """Write keys as the text of a `uuid[]`, sorted: every statement visits rows in one order."""
    return "{" + ",".join(sorted([key.hex for key in keys])) + "}"


def json_rows(rows: Iterable[object]) -> str:
    """Write rows as the one JSON parameter of `json_to_recordset`; give them sorted by key."""
    return msgspec.json.encode(list(rows)).decode()
