"""The one way to run SQL: prepared statements on PostgreSQL, each with JSON or array parameters.

Rows travel as one JSON parameter, which is the least to read. Where they are many and wide (events)
they travel as one array a column, in PostgreSQL's binary form: a fifth less work for it, because
nothing is left to parse but what is stored as JSON.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID
from weakref import WeakSet

import msgspec
import psycopg
from django.db import connection, transaction
from psycopg.adapt import Dumper
from psycopg.generators import send
from psycopg.pq import Format
from psycopg.rows import TupleRow

Row = TupleRow

# For a connection. `json_to_recordset` is planned for 100 rows; without the planner switches whole
# tables are hashed for a handful of keys (one resolve went from 515 to 96 µs, DESIGN §6). Promise 1
# does not depend on how the server is set up: a commit is on disk before it answers.
_SETTINGS: LiteralString = """
SET synchronous_commit = on; SET lock_timeout = 800; SET jit = off;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off
"""

# Parts of binary arrays. The types are their pg_type.oid, which is the same everywhere.
_UUID, _TEXT, _TIMESTAMPTZ, _JSONB = 2950, 25, 1184, 3802
_head, _length, _moment, _version_1 = (
    struct.Struct(f"!{fields}").pack for fields in ("iiIii", "i", "iq", "ib")
)
_UUID_LENGTH = _length(16)
_Y2K, _US = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


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
        # All of it, not only what the socket's buffer holds: PostgreSQL then works while we do.
        self.connection.wait(send(self.connection.pgconn))
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
        raw.adapters.register_dumper(Column, _ColumnDumper)
        _tuned.add(raw)
    with raw.pipeline() as pipeline, transaction.atomic(), _settled(pipeline):
        yield Cursor(raw)


@contextmanager
def _settled(pipeline: psycopg.Pipeline) -> Iterator[None]:
    """On an error, take in the answers of what was sent meanwhile before anybody rolls back.

    They say "aborted": to the rollback that is a failure, and Django would drop the connection.
    """
    try:
        yield
    except Exception:
        with suppress(psycopg.Error):
            pipeline.sync()
        raise


_tuned: WeakSet[psycopg.Connection[TupleRow]] = WeakSet()


def uuid_array(keys: Iterable[UUID]) -> str:
    """Write keys as the text of a `uuid[]`, sorted: every statement visits rows in one order."""
    return "{" + ",".join(sorted([key.hex for key in keys])) + "}"


def json_rows(rows: Iterable[object]) -> str:
    """Write rows as the one JSON parameter of `json_to_recordset`; give them sorted by key."""
    return msgspec.json.encode(list(rows)).decode()


class Column(NamedTuple):
    """The values of one column as an array, as `array_recv` reads it; say its type in the SQL."""

    data: bytes


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> bytes:
        return obj.data


def uuids(values: Iterable[UUID]) -> Column:
    """Write the parameter of a `uuid[]`."""
    return _column(_UUID, [_UUID_LENGTH + value.bytes for value in values])


def texts(values: Iterable[str]) -> Column:
    """Write the parameter of a `text[]`; raise `UnicodeError` for a lone surrogate."""
    return _column(_TEXT, [_length(len(said := value.encode())) + said for value in values])


def moments(values: Iterable[datetime]) -> Column:
    """Write the parameter of a `timestamptz[]`, of aware times."""
    return _column(_TIMESTAMPTZ, [_moment(8, (value - _Y2K) // _US) for value in values])


def jsonbs(values: Iterable[bytes]) -> Column:
    """Write the parameter of a `jsonb[]`, of texts of JSON: they are parsed once, when stored."""
    return _column(_JSONB, [_version_1(1 + len(value), 1) + value for value in values])


def _column(oid: int, elements: Sequence[bytes]) -> Column:
    """Put before elements, each after its length: one dimension, no nulls, type, number, from 1."""
    return Column(b"".join((_head(1, 0, oid, len(elements), 1), *elements)))
