"""Group commit: concurrent requests share one transaction, and answer after it has committed.

One flusher thread a process, one connection. There is no timer: while a transaction commits, the
requests that arrive become the next batch, so one connection waits for nobody and sixty-four
share the cost of one commit. A full queue refuses at once. `ingest.breaker` guards against a
PostgreSQL that is away or hangs; nobody waits longer than `PATIENCE` for an answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import chain
from uuid import UUID

from django.conf import settings
from django.db import connection

from ingest.breaker import Breaker
from ingest.faults import Fault, classify
from ingest.isolation import ISOLATED, Contended, Result, process_isolated, process_together
from ingest.queue import Ticket, WaitingLine
from ingest.record import Outcome, Record
from keystone import clock, health, metrics
from keystone.api import Unavailable

logger = logging.getLogger(__name__)

#: Seconds until a waiting request is answered 503. What it brought may still be stored; sent
#: again it is then a duplicate.
PATIENCE = 1.5
#: Seconds that one flush may search for the records that make it fail: others wait meanwhile.
SEARCH = 1.0
#: A key whose records failed gets batches of its own for so long: bisecting them must not slow
#: everybody (20 % poison cut good requests from 2,069 to 760 a second).
SUSPICION = timedelta(minutes=1).total_seconds()


class Batcher:
    """Hands records of many threads to the pipeline in batches; one instance a process."""

    def __init__(self) -> None:
        self.waiting = WaitingLine()
        self._suspects: dict[UUID, float] = {}
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.breaker = Breaker()

    def submit(self, records: Sequence[Record]) -> list[Outcome]:
        """Store records and return their outcomes, in order, once they are committed.

        Raises `Unavailable` (503) when PostgreSQL is away, the queue is full, or it takes too
        long; whatever our own code raised for one of them comes out as it is.
        """
        if not records:
            return []
        ticket = Ticket(records)
        self._enqueue(ticket)
        if not ticket.done.acquire(timeout=PATIENCE):
            ticket.abandoned = True
            raise Unavailable
        if ticket.error is not None:
            raise Unavailable from ticket.error
        return [_outcome(result) for result in ticket.results]

    def _enqueue(self, ticket: Ticket) -> None:
        size = len(ticket.records)
        if self.breaker.is_open:
            raise Unavailable
        if self.waiting.records + size > settings.KEYSTONE_QUEUE_RECORDS:
            raise Unavailable
        self.waiting.put(ticket, apart=self._is_suspect(ticket))
        if self._thread is None:
            self._start()

    def _is_suspect(self, ticket: Ticket) -> bool:
        if not self._suspects:
            return False
        return self._suspects.get(ticket.records[0].source.key_id, 0.0) > time.monotonic()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            tickets = self.waiting.take(settings.KEYSTONE_FLUSH_RECORDS)
            if tickets:
                self._outlive(tickets)

    def _outlive(self, tickets: Sequence[Ticket]) -> None:
        """Flush; nothing that goes wrong may end the one thread that does."""
        try:
            self._flush(tickets)
        except Exception:
            logger.exception("the flusher failed")

    def _flush(self, tickets: Sequence[Ticket]) -> None:
        """Store what these requests brought, and wake them.

        1. All in one transaction. 2. Where a record makes it fail: half and half, the small
        requests first, so that neighbours hear soon. 3. A request that fails alone is searched
        record by record, for `SEARCH` seconds at most.
        """
        until = time.monotonic() + SEARCH
        groups = [sorted(tickets, key=lambda ticket: len(ticket.records))]
        while groups:
            group = groups.pop()
            started = time.perf_counter()
            try:
                results = self._store(group, until)
            except Exception as error:  # noqa: BLE001 - every waiting request must hear of it
                fault = classify(error)
                if fault in ISOLATED and len(group) > 1:
                    middle = len(group) // 2
                    groups += [group[middle:], group[:middle]]
                elif fault is Fault.INFRASTRUCTURE:
                    self._give_up([*group, *chain(*groups)], error)
                    return
                else:
                    self._refuse(group, error)
                    if len(group) == 1:  # its search took too long, or it always loses its race
                        self._suspect([group[0].records[0].source.key_id])
            else:
                self._answer(group, results, time.perf_counter() - started)

    def _store(self, tickets: Sequence[Ticket], until: float) -> list[Result]:
        records = [record for ticket in tickets for record in ticket.records]
        with self.breaker.guard() as begin:

            def on_attempt() -> None:
                if time.monotonic() > until:
                    raise Contended
                begin()

            if len(tickets) > 1:
                return [*process_together(records, clock.now(), on_attempt)]
            return process_isolated(records, clock.now(), on_attempt=on_attempt)

    def _answer(self, tickets: Sequence[Ticket], results: Sequence[Result], seconds: float) -> None:
        _deal(tickets, results)
        records = [record for ticket in tickets for record in ticket.records]
        self._suspect(
            record.source.key_id
            for record, result in zip(records, results, strict=True)
            if isinstance(result, Exception) or result.status == "failed"
        )
        _measure(seconds, records, results)
        metrics.QUEUE_RECORDS.set(self.waiting.records)

    def _refuse(self, tickets: Sequence[Ticket], error: Exception) -> None:
        """Tell the senders to come again."""
        logger.warning("flush failed", extra={"error": type(error).__name__})
        for ticket in tickets:
            ticket.error = error
            ticket.done.release()

    def _give_up(self, tickets: Sequence[Ticket], error: Exception) -> None:
        """PostgreSQL is away: whoever waits in the queue is told the same, the breaker the rest."""
        self.breaker.open()
        connection.close()
        self._refuse([*tickets, *self.waiting.drain()], error)

    def _suspect(self, keys: Iterable[UUID]) -> None:
        """Give these keys batches of their own for a while; forget those whose time is over."""
        now = time.monotonic()
        failed = dict.fromkeys(keys, now + SUSPICION)
        if failed or self._suspects:
            current = {key: until for key, until in self._suspects.items() if until > now}
            self._suspects = {**current, **failed}


def _deal(tickets: Sequence[Ticket], results: Sequence[Result]) -> None:
    """Give each request its own results and wake it."""
    start = 0
    for ticket in tickets:
        end = start + len(ticket.records)
        ticket.results = results[start:end]
        start = end
        ticket.done.release()


def _measure(seconds: float, records: Sequence[Record], results: Sequence[Result]) -> None:
    metrics.FLUSH_SECONDS.observe(seconds)
    metrics.FLUSH_RECORDS.observe(len(records))
    ended = Counter(
        (record.door, "error" if isinstance(result, Exception) else result.status)
        for record, result in zip(records, results, strict=True)
    )
    for (door, outcome), count in ended.items():
        metrics.recorded(door, outcome, count)


def _check() -> str:
    return "PostgreSQL does not answer the flusher" if batcher.breaker.is_open else "ok"


def _outcome(result: Result) -> Outcome:
    if isinstance(result, Exception):
        raise result
    return result


batcher = Batcher()
submit: Callable[[Sequence[Record]], list[Outcome]] = batcher.submit
# A process whose breaker is open should get no requests from a load balancer.
health.checks["flusher"] = _check
