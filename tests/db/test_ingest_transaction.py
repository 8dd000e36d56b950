"""The transaction of ingest on a real connection: what one of its statements does to the next."""

from __future__ import annotations

import select

import psycopg
import pytest
from django.db import connection

from keystone.db import ingest_transaction


def fail_early() -> None:
    """Let the answer to a bad statement arrive before the next one is sent."""
    with ingest_transaction() as cursor:
        cursor.run("SELECT 1")
        cursor.send("SELECT 1 / %(none)s::int", none=0)
        select.select([cursor.connection], [], [], 5)
        cursor.send("SELECT 2")
        cursor.run("SELECT 3")


def test_an_error_that_arrives_early_costs_no_connection() -> None:
    connection.ensure_connection()
    before = connection.connection
    with pytest.raises(psycopg.errors.DivisionByZero):
        fail_early()
    assert connection.connection is before
    with ingest_transaction() as cursor:
        assert cursor.run("SELECT 4") == [(4,)]
