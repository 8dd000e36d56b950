"""What monitors ask: is this process alive, should it get traffic, what has it counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request

from keystone import metrics
from keystone.api import Refusal, json_response, refusal_response
from keystone.deadline import deadline
from keystone.keys.authentication import ApiKeyAuthentication

#: Returns "ok", or in a few words what is wrong. No secrets: everybody may ask.
Check = Callable[[], str]

#: Together they must be done within this, or the process is not ready.
CHECK_SECONDS = 1.8
#: An answer serves everybody who asks within this: asking must not wear out PostgreSQL.
FRESH_SECONDS = 1.0
#: Without these the process still takes events in, more slowly done with.
DEGRADING = frozenset({"redis"})


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers. Touches nothing, so it answers when nothing else does."""
    return json_response({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether requests should come here: 200 ready or degraded, 503 unavailable."""
    verdicts = probe.verdicts()
    wrong = {name for name, verdict in verdicts.items() if verdict != "ok"}
    status = "ready" if not wrong else "degraded" if wrong <= DEGRADING else "unavailable"
    body = {"status": status, "checks": verdicts}
    return json_response(body, 503 if status == "unavailable" else 200)


def metrics_view(request: HttpRequest) -> HttpResponse:
    """Show the numbers of all processes, in Prometheus' format.

    To whom: a secret key with scope `viewer` (a public one stands in a page's source, and these
    are the whole installation's numbers); or anybody on this machine, as long as Keystone
    itself is only reached there.
    """
    try:
        if not _is_local(request):
            _check_reader(request)
    except Refusal as refusal:
        return refusal_response(refusal, "metrics")
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def _check_reader(request: HttpRequest) -> None:
    _, source = ApiKeyAuthentication().authenticate(Request(request))
    if source.public or not source.may("viewer"):
        raise Refusal(403, "forbidden", "A secret key with the scope viewer may see this.")


def _is_local(request: HttpRequest) -> bool:
    # Behind a proxy on this machine everybody comes from here.
    return (
        "HTTP_X_FORWARDED_FOR" not in request.META
        and _is_loopback(request.META.get("REMOTE_ADDR", ""))
        and _is_loopback(urlsplit(settings.KEYSTONE_URL).hostname or "")
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_database() -> str:
    """Reach PostgreSQL, over this thread's own connection."""
    with deadline(CHECK_SECONDS), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


_migrated = threading.Event()


def check_migrations() -> str:
    """Compare the schema with the code. Once they fit they go on fitting: the code is fixed."""
    if not _migrated.is_set():
        with deadline(CHECK_SECONDS):
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "not applied"
        _migrated.set()
    return "ok"


def check_redis() -> str:
    """Reach Redis; it only rings bells."""
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        client.ping()
    return "ok"


#: Name → check, in their order. The floors above add theirs (`ingest` its breaker).
checks: dict[str, Check] = {
    "database": check_database,
    "migrations": check_migrations,
    "redis": check_redis,
}


class Probe:
    """Runs the checks in a thread of its own, one run at a time, and waits no longer than it may.

    A check that hangs holds that one thread, never the request threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: _Run | None = None

    def verdicts(self) -> dict[str, str]:
        """Return what each check says; "no answer" for those that have not said it in time."""
        with self._lock:
            if self._run is None or self._run.is_stale():
                self._run = _Run(dict(checks))
            run = self._run
        run.done.wait(max(0.0, run.started + CHECK_SECONDS - time.monotonic()))
        return dict(run.verdicts)


class _Run:
    def __init__(self, todo: dict[str, Check]) -> None:
        self.verdicts = dict.fromkeys(todo, "no answer")
        self.started = time.monotonic()
        self.done = threading.Event()
        threading.Thread(target=self._check, args=[todo], daemon=True, name="readyz").start()

    def is_stale(self) -> bool:
        """Say whether it is over and old: what still hangs is not asked again meanwhile."""
        return self.done.is_set() and time.monotonic() > self.started + FRESH_SECONDS

    def _check(self, todo: dict[str, Check]) -> None:
        try:
            for name, check in todo.items():
                self.verdicts[name] = _verdict(check)
        finally:
            connection.close()
            self.done.set()


def _verdict(check: Check) -> str:
    try:
        return check()
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is that it is not ready
        connection.close()
        return "unreachable"


probe = Probe()
