"""Clients that send as SDKs do: each message again until it is answered 2xx; and a monitor."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg

from keystone import clock
from tests.live import Up

TIMEOUT_SECONDS, PAUSE_SECONDS = 10.0, 0.05


class Attempt(NamedTuple):
    """One request, as its client saw it. `status` 0: nobody answered."""

    began: float
    seconds: float
    status: int
    retry_after: str | None = None


class Client:
    """One kept-alive connection, made anew where it breaks."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self.answer: dict[str, Any] = {}

    def connect(self) -> None:
        self._connection.connect()

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Attempt:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        began = time.monotonic()
        try:
            self._connection.request(method, path, body, named)
            response = self._connection.getresponse()
            self.answer = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            self.close()
            return Attempt(began, time.monotonic() - began, 0)
        seconds = time.monotonic() - began
        return Attempt(began, seconds, response.status, response.headers["Retry-After"])

    def send(self, key: str, message: dict[str, Any]) -> Attempt:
        body = json.dumps(message).encode()
        return self.ask("POST", "/ingest", body, X_API_Key=key, Content_Type="application/json")


class _Threads:
    """Runs until its block is left; whatever failed in a thread is raised there."""

    def __init__(self, *work: Callable[[], None]) -> None:
        self.over = threading.Event()
        self._failed: list[Exception] = []
        self._threads = [threading.Thread(target=self._run, args=[each]) for each in work]

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised where the block is left
            self._failed.append(error)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()
        if self._failed and error is None:
            raise self._failed[0]


class Load(_Threads):
    """Sends messages, all of other names; now and then one again that was answered already."""

    def __init__(self, up: Up, clients: int = 8) -> None:
        super().__init__(*[lambda n=n: self._send_on(n) for n in range(clients)])
        self._up, self._key = up, up.variables["KEYSTONE_INTEGRATION_KEY"]
        self.name = f"load {secrets.token_hex(6)}"
        self.attempts: list[Attempt] = []
        self.sent: set[str] = set()
        self.answered: set[str] = set()

    def _send_on(self, number: int) -> None:
        client, count = Client(self._up.port), 0
        while not self.over.is_set():
            message = self._message(number, count)
            self._deliver(client, message)
            if count % 10 == 0:
                self._deliver(client, message)
                assert client.answer["duplicate"] is True
            count += 1
        client.close()

    def _message(self, number: int, count: int) -> dict[str, Any]:
        name = f"{self.name} {number}.{count}"
        return {
            "anonymous_id": f"{self.name} {number}",
            "event_type": "track",
            "event_name": name,
            "message_id": name,
            "timestamp": clock.iso(clock.now()),
            "payload": {"count": count},
        }

    def _deliver(self, client: Client, message: dict[str, Any]) -> None:
        self.sent.add(message["event_name"])
        deadline = time.monotonic() + 30
        while True:
            attempt = client.send(self._key, message)
            self.attempts.append(attempt)
            if 200 <= attempt.status < 300:
                self.answered.add(message["event_name"])
                return
            assert attempt.status in {0, 503}, (attempt, client.answer)
            assert time.monotonic() < deadline, "it does not come back by itself"
            time.sleep(PAUSE_SECONDS)

    def refusals(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.status == 503]

    def wait_for_answers(self, count: int = 50) -> float:
        """Wait for so many more 2xx to requests begun after now; return how long it took."""
        began = time.monotonic()
        while self._answers_since(began) < count:
            assert time.monotonic() < began + 30, "it does not come back by itself"
            time.sleep(0.02)
        return time.monotonic() - began

    def _answers_since(self, began: float) -> int:
        return sum(each.began >= began and each.status == 200 for each in [*self.attempts])

    def assert_every_answer_is_in_the_ledger(self, database_url: str) -> None:
        """Each message answered 2xx is stored; none is stored twice, and none that was not sent."""
        with psycopg.connect(database_url) as server:
            rows = server.execute(
                "SELECT name FROM event WHERE starts_with(name, %s)", [self.name]
            ).fetchall()
        stored = Counter(row[0] for row in rows)
        assert self.answered
        assert self.answered - stored.keys() == set()
        assert {name: count for name, count in stored.items() if count != 1} == {}
        assert stored.keys() - self.sent == set()


class Monitor(_Threads):
    """Asks /healthz, twenty times a second."""

    def __init__(self, up: Up) -> None:
        super().__init__(self._ask_on)
        self._client = Client(up.port)
        self.attempts: list[Attempt] = []

    def _ask_on(self) -> None:
        while not self.over.is_set():
            self.attempts.append(self._client.ask("GET", "/healthz"))
            time.sleep(PAUSE_SECONDS)
        self._client.close()
