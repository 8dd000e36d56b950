"""What kind of fault an exception is, and therefore what is done about it (DESIGN §3)."""

from __future__ import annotations

import enum

import django.db
import psycopg

from identity.races import LostRace


class Fault(enum.Enum):
    """The one table of what follows from a fault."""

    RACE = "again at once: somebody else got there first"
    DATA = "this record's own fault: isolated, kept in the failed-event inbox"
    INFRASTRUCTURE = "nobody's fault: 503, sent again later; never dead-letters anything"
    BUG = "ours: the record's sender gets a 500, its neighbours are kept"


# SQLSTATE classes: 40 serialization and deadlock, 55P03 lock not available. A 23514 without a
# constraint name is a row that met a partition being attached; a unique violation is a race too.
_RACES = ("40", "55P03", "23505")
# 22 data exception, 54 program limit exceeded (an index row too large, …).
_DATA = ("22", "54")
# XX internal error: one row that PostgreSQL stumbles over must not shut everybody else out.
_BUGS = ("XX",)
_OURS = (psycopg.ProgrammingError, psycopg.IntegrityError)


def classify(error: BaseException) -> Fault:
    """Say what kind of fault an exception of the pipeline is."""
    if isinstance(error, LostRace):
        return Fault.RACE
    if isinstance(error, django.db.Error) and isinstance(error.__cause__, psycopg.Error):
        error = error.__cause__  # Django wraps what happens at BEGIN, COMMIT and connect
    if isinstance(error, psycopg.Error):
        return _classify_sql(error)
    if isinstance(error, django.db.Error):
        return Fault.INFRASTRUCTURE
    if isinstance(error, UnicodeError | OverflowError | RecursionError):
        return Fault.DATA  # Python could not turn the value into what PostgreSQL takes
    return Fault.BUG


def _classify_sql(error: psycopg.Error) -> Fault:
    state = error.sqlstate or ""
    if state.startswith(_RACES) or (state == "23514" and not error.diag.constraint_name):
        return Fault.RACE
    if state.startswith(_DATA) or (not state and isinstance(error, psycopg.DataError)):
        return Fault.DATA
    if isinstance(error, _OURS) or state.startswith(_BUGS):
        return Fault.BUG
    return Fault.INFRASTRUCTURE
