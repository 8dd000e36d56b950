"""Runs the pipeline in a transaction of its own, and finds the record that makes it fail.

1. All records in one transaction. A lost race: again, at most `RACES` times.
2. A fault of the data: half and half, each in its own transaction, down to a single record, which
   is tried once more and then kept in the failed-event inbox; its neighbours are stored.
3. An infrastructure fault is nobody's: it is raised, and nothing is dead-lettered.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from identity.races import LostRace
from ingest import failures
from ingest.faults import Fault, classify
from ingest.pipeline import process
from ingest.record import Outcome, Record
from keystone.db import ingest_transaction

logger = logging.getLogger(__name__)

#: Attempts; from this one on merges are left to `collapse_profiles`, and the event is stored.
RACES, DEFER_FROM = 8, 5
#: Faults that belong to one record, not to all that share its transaction.
ISOLATED = frozenset({Fault.DATA, Fault.BUG})

#: An outcome, or what our own fault raised for this record alone.
Result = Outcome | Exception


class Contended(LostRace):
    """Every attempt lost its race; the sender is to try again in a moment."""


def process_isolated(
    records: Sequence[Record], now: datetime, *, on_attempt: Callable[[], None] = lambda: None
) -> list[Result]:
    """Process records so that one that fails never harms its neighbours.

    Returns one result a record, in order, each committed. Raises infrastructure errors.
    `on_attempt` is called before each transaction, so that a watchdog can time each by itself.
    """
    try:
        return list(process_together(records, now, on_attempt))
    except Exception as error:
        if classify(error) not in ISOLATED:
            raise
        if len(records) > 1:
            middle = len(records) // 2
            return [
                *process_isolated(records[:middle], now, on_attempt=on_attempt),
                *process_isolated(records[middle:], now, on_attempt=on_attempt),
            ]
        return [_single(records[0], now, on_attempt)]


def process_together(
    records: Sequence[Record], now: datetime, on_attempt: Callable[[], None]
) -> list[Outcome]:
    """Process records in one transaction, all or none; a lost race is run again.

    Raises what kept them from being stored; a fault in `ISOLATED` is that of one of them.
    """
    for attempt in range(RACES):
        on_attempt()
        try:
            with ingest_transaction() as cursor:
                return process(
                    cursor, records, now, careful=attempt > 0, defer=attempt >= DEFER_FROM
                )
        except Exception as error:
            if classify(error) is not Fault.RACE:
                raise
            # Two who lose to each other must not meet again in step.
            time.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311
    raise Contended


def _single(record: Record, now: datetime, on_attempt: Callable[[], None]) -> Result:
    """Try a record once more by itself before it is called bad."""
    try:
        return process_together([record], now, on_attempt)[0]
    except Exception as error:
        fault = classify(error)
        if fault is Fault.DATA:
            return _keep(record, error, now, on_attempt)
        if fault is Fault.BUG:
            return _logged(record, error)
        raise


def _keep(
    record: Record, reason: Exception, now: datetime, on_attempt: Callable[[], None]
) -> Result:
    on_attempt()
    try:
        with ingest_transaction() as cursor:
            return failures.keep(cursor, record, reason, now)
    except Exception as error:
        if classify(error) not in ISOLATED:
            raise
        return _logged(record, error)


def _logged(record: Record, error: Exception) -> Exception:
    logger.error("record failed", exc_info=error, extra={"door": record.door, "kind": record.kind})
    return error
