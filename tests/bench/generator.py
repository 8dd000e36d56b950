"""A load generator for machines without wrk: raw sockets, kept alive, in a process of its own.

python -m tests.bench.generator HOST:PORT PATH CONNECTIONS SECONDS TEMPLATES RUN
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path

from tests.bench.mix import MARK

_TIMEOUT_SECONDS = 2.0


def main(address: str, path: str, connections: str, seconds: str, templates: str, run: str) -> None:
    """Send until the time is over; print what came back as one line of JSON."""
    bodies = _requests(address, path, Path(templates), run)
    load = _Load(address, int(connections), bodies)
    started = time.perf_counter()
    load.run(started + float(seconds))
    lasted = time.perf_counter() - started
    sys.stdout.write(json.dumps({**load.told(), "seconds": lasted}))


def _requests(address: str, path: str, templates: Path, run: str) -> Iterator[bytes]:
    parts = [line.encode().split(MARK.encode()) for line in templates.read_text().splitlines()]
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {os.environ['BENCH_KEY']}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    for template, number in zip(cycle(parts), count(), strict=False):
        body = f"{run}{number}".encode().join(template)
        yield b"%b%d\r\n\r\n%b" % (head, len(body), body)


class _Load:
    def __init__(self, address: str, connections: int, requests: Iterator[bytes]) -> None:
        host, _, port = address.rpartition(":")
        self.requests = requests
        self.poll = select.poll()
        self.sockets: dict[int, socket.socket] = {}
        self.since: dict[int, float] = {}
        self.waits: list[float] = []
        self.refused = self.broken = 0
        for _ in range(connections):
            one = socket.create_connection((host, int(port)), _TIMEOUT_SECONDS)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[one.fileno()] = one
            self.poll.register(one, select.POLLIN)

    def run(self, until: float) -> None:
        for number in self.sockets:
            self._send(number)
        while time.perf_counter() < until and self.sockets:
            for number, _ in self.poll.poll(100):
                self._receive(number)
        late = time.perf_counter() - _TIMEOUT_SECONDS
        self.broken += sum(since < late for since in self.since.values())

    def told(self) -> dict[str, float]:
        waits = sorted(self.waits) or [0.0]
        return {
            "requests": len(self.waits),
            "refused": self.refused,
            "broken": self.broken,
            "p50_ms": waits[len(waits) // 2] * 1e3,
            "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
            "max_ms": waits[-1] * 1e3,
        }

    def _send(self, number: int) -> None:
        self.since[number] = time.perf_counter()
        self.sockets[number].sendall(next(self.requests))

    def _receive(self, number: int) -> None:
        try:
            answer = _answer(self.sockets[number])
            self.waits.append(time.perf_counter() - self.since[number])
            self.refused += answer[9:12] != b"200"
            self._send(number)
        except OSError:
            self.broken += 1
            self.poll.unregister(number)
            self.sockets.pop(number).close()
            del self.since[number]


def _answer(one: socket.socket) -> bytes:
    """Read one answer, which has a length."""
    answer = _more(one)
    while b"\r\n\r\n" not in answer:
        answer += _more(one)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += _more(one)
    return head


def _more(one: socket.socket) -> bytes:
    received = one.recv(65_536)
    if not received:
        raise ConnectionResetError("the server has closed the connection")
    return received


if __name__ == "__main__":
    main(*sys.argv[1:])
