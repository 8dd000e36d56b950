"""The requests that wait for the flusher, in two lanes, handed over without a lock.

A lock that thirty threads share with the flusher is a queue of its own in front of the
interpreter's: each that must wait for it costs two context switches. A deque's append and
popleft need none.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue

from ingest.isolation import Result
from ingest.record import Record


class Ticket:
    """One request's records, what became of them, and the lock its thread waits on."""

    __slots__ = ("abandoned", "done", "error", "records", "results")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.results: Sequence[Result] = ()
        self.error: Exception | None = None
        self.abandoned = False
        self.done = threading.Lock()
        self.done.acquire()


class WaitingLine:
    """Many threads put, one flusher takes."""

    def __init__(self) -> None:
        self._usual: deque[Ticket] = deque()
        self._apart: deque[Ticket] = deque()  # keys whose records failed lately
        self._turns = deque([self._usual, self._apart])
        self._asleep = False
        self._bell: SimpleQueue[None] = SimpleQueue()

    @property
    def records(self) -> int:
        """How many records wait; each thread has one ticket in here at the most."""
        waiting = (*tuple(self._usual), *tuple(self._apart))
        return sum(len(ticket.records) for ticket in waiting)

    def put(self, ticket: Ticket, *, apart: bool) -> None:
        """Add a request; wake the flusher if it sleeps."""
        (self._apart if apart else self._usual).append(ticket)
        if self._asleep:
            self._bell.put(None)

    def take(self, most: int) -> list[Ticket]:
        """Take up to `most` records of one lane, the lanes by turns; sleep while none waits."""
        while not (self._usual or self._apart):
            self._sleep()
        self._turns.rotate()
        lane = self._turns[0] or self._turns[1]
        tickets = [lane.popleft()]
        size = len(tickets[0].records)
        while lane and size + len(lane[0].records) <= most:
            tickets.append(lane.popleft())
            size += len(tickets[-1].records)
        return [ticket for ticket in tickets if not ticket.abandoned]

    def drain(self) -> list[Ticket]:
        """Take everything."""
        return [lane.popleft() for lane in self._turns for _ in range(len(lane))]

    def _sleep(self) -> None:
        # Whoever puts a ticket after the second look sees that we sleep. A bell too many only
        # makes us look once more.
        self._asleep = True
        if not (self._usual or self._apart):
            self._bell.get()
        self._asleep = False
