"""What kind of fault each exception of the pipeline is."""

from __future__ import annotations

import django.db
import psycopg
import pytest
from psycopg import errors

from identity.races import LostRace
from ingest.faults import Fault, classify
from ingest.isolation import Contended

STATES = {
    "22000": Fault.DATA,  # data exception
    "22003": Fault.DATA,  # numeric value out of range
    "22P05": Fault.DATA,  # a character that has no equivalent
    "54000": Fault.DATA,  # an index row too large
    "23505": Fault.RACE,  # somebody else was first
    "40001": Fault.RACE,  # serialization failure
    "40P01": Fault.RACE,  # deadlock
    "55P03": Fault.RACE,  # lock not available in time
    "23514": Fault.RACE,  # without a constraint's name: a partition is being attached
    "08006": Fault.INFRASTRUCTURE,  # connection failure
    "25006": Fault.INFRASTRUCTURE,  # read only: a standby that was the primary
    "53100": Fault.INFRASTRUCTURE,  # disk full
    "53300": Fault.INFRASTRUCTURE,  # too many connections
    "57014": Fault.INFRASTRUCTURE,  # cancelled
    "57P01": Fault.INFRASTRUCTURE,  # shut down
    "57P03": Fault.INFRASTRUCTURE,  # still starting
    "58030": Fault.INFRASTRUCTURE,  # I/O error
    "0A000": Fault.INFRASTRUCTURE,  # a cached plan whose table has changed: connect anew
    "23502": Fault.BUG,  # not null
    "42P01": Fault.BUG,  # no such table
    "P0001": Fault.BUG,  # somebody's trigger raises
    "XX000": Fault.BUG,  # an internal error over this row: it must not shut everybody out
    "XX001": Fault.BUG,  # a corrupt page
}


@pytest.mark.parametrize("state", STATES)
def test_the_sqlstate_decides(state: str) -> None:
    assert classify(errors.lookup(state)()) is STATES[state]


@pytest.mark.parametrize("state", STATES)
def test_what_django_wraps_counts_as_what_it_was(state: str) -> None:
    wrapped = django.db.DatabaseError()
    wrapped.__cause__ = errors.lookup(state)()
    assert classify(wrapped) is STATES[state]


@pytest.mark.parametrize(
    "lost",
    [
        psycopg.OperationalError("the connection is lost"),
        psycopg.InterfaceError("the connection is closed"),
        django.db.OperationalError(),
        django.db.InterfaceError("connection already closed"),
    ],
    ids=repr,
)
def test_a_lost_connection_is_nobodys_fault(lost: Exception) -> None:
    assert classify(lost) is Fault.INFRASTRUCTURE


@pytest.mark.parametrize(
    "unfit",
    [
        psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        OverflowError(),
        RecursionError(),
    ],
    ids=repr,
)
def test_what_python_cannot_hand_over_is_the_records_fault(unfit: Exception) -> None:
    assert classify(unfit) is Fault.DATA


@pytest.mark.parametrize("race", [LostRace(), Contended()], ids=repr)
def test_a_lost_race_is_run_again(race: Exception) -> None:
    assert classify(race) is Fault.RACE


@pytest.mark.parametrize("ours", [KeyError("x"), TypeError(), ZeroDivisionError()], ids=repr)
def test_everything_else_is_a_bug(ours: Exception) -> None:
    assert classify(ours) is Fault.BUG
