"""The one way to run SQL: prepared statements on PostgreSQL, each with JSON or array parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import UUID

import msgspec
import psycopg
from django.db import connection, transaction
from psycopg.rows import TupleRow

Row = TupleRow

# For one transaction. `json_to_recordset` is planned for 100 rows; without the planner switches
# whole tables are hashed for a handful of keys (one resolve went from 515 to 96 µs, DESIGN §6).
# Promise 1 does not depend on how the server is set up: a commit is on disk before it answers.
_SETTINGS: LiteralString = """
SELECT set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '800', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)
"""


class Cursor(psycopg.Cursor[Row]):
    """A cursor of an ingest transaction: prepared statements, plain tuples."""

    def run(self, sql: LiteralString, **params: object) -> list[Row]:
        """Execute one statement and return its rows ([] for a statement without any).

        Raises `psycopg.Error` untranslated: its SQLSTATE decides what is done about it
        (`ingest.faults`).
        """
        # Binary results: Django's own loader for text times costs 3 µs each.
        self.execute(sql, params, prepare=True, binary=True)
        return self.fetchall() if self.description else []


@contextmanager
def ingest_transaction() -> Iterator[Cursor]:
    """Open one durable transaction on this thread's connection, tuned for set-based writes."""
    with transaction.atomic(), Cursor(connection.connection) as cursor:
        cursor.run(_SETTINGS)
        yield cursor


def uuid_array(keys: Iterable[UUID]) -> str:
    """Write keys as the text of a `uuid[]`, sorted: every statement visits rows in one order."""
    return "{" + ",".join(sorted([key.hex for key in keys])) + "}"


def json_rows(rows: Iterable[object]) -> str:
    """Write rows as the one JSON parameter of `json_to_recordset`; give them sorted by key."""
    return msgspec.json.encode(list(rows)).decode()
