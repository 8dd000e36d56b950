"""Start everything Keystone needs on one machine, wait, end it in order (`manage.py up`).

1. The lock and the port. 2. PostgreSQL and Redis, unless given. 3. `prepare`: migrations and demo.
4. beat, worker, web. 5. Wait for /healthz, write `var/dev.env`, say how to go on.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from keystone import cluster, embedded, settings
from keystone.processes import Ended, Family, Program, say

#: Task processes of the Celery worker. More machines bring more; one spares a laptop's memory.
_TASKS = 1
_HEALTHY_SECONDS = 60.0
#: Celery warns of pickled messages; ours are JSON.
_ROOT_IS_FINE = "ignore:You're running the worker with superuser privileges"


class Refused(Exception):
    """We cannot start; the message is one line."""


def main(*, with_demo: bool) -> None:
    """Run until a signal ends us (exit code 0) or a child ends by itself (exit code 1)."""
    var = settings.VAR_DIR.resolve()
    try:
        with _only_one(var):
            address = _free_address()
            with Family() as family:
                _start(family, var, address, with_demo=with_demo)
                family.watch()
    except KeyboardInterrupt:
        say("everything has ended")
    except (Ended, Refused, cluster.Unavailable) as error:
        sys.exit(f"up: {error}")


def _start(family: Family, var: Path, address: str, *, with_demo: bool) -> None:
    environ = _environment(var, address)
    _start_servers(family, var)
    _prepare(family, var, environ, with_demo=with_demo)
    for program in _programs(address):
        family.start(program, environ)
    _wait_until_healthy(family, address, environ["KEYSTONE_URL"])
    sys.stdout.write(_welcome(environ["KEYSTONE_URL"], var, with_demo=with_demo))
    sys.stdout.flush()


@contextmanager
def _only_one(var: Path) -> Iterator[None]:
    """Hold a lock on the folder itself: it dies with the process and leaves no file behind."""
    var.mkdir(parents=True, exist_ok=True)
    folder = os.open(var, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise Refused(f"another `up` is running on {var}: end it first") from None
    try:
        yield
    finally:
        embedded.forget_sockets(var)
        os.close(folder)


def _free_address() -> str:
    """Return host:port of HOST and PORT; raise `Refused` when somebody else listens there.

    The server itself would share a taken port with its holder (SO_REUSEPORT).
    """
    host, port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
    if not (port.isdecimal() and 0 < int(port) < 65_536):
        raise Refused(f"PORT must be a port number, not {port!r}")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        family, kind, _, _, address = found[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = "end what listens there, or choose another: PORT=8001 make run"
            raise Refused(f"port {port} of {host} is taken: {advice}") from None
        raise Refused(f"cannot listen on {host}, port {port}: {error}") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _environment(var: Path, address: str) -> dict[str, str]:
    metrics = var / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)  # what processes of an earlier start have counted
    metrics.mkdir()
    return {
        "MALLOC_ARENA_MAX": "2",  # else each of the web workers' threads hoards memory of its own
        "KEYSTONE_PIN_WORKERS": "1",  # the machine is ours, unless somebody says otherwise
        **os.environ,
        "KEYSTONE_URL": settings.env("KEYSTONE_URL").rstrip("/") or f"http://{_local(address)}",
        "KEYSTONE_VAR_DIR": str(var),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "PYTHONUNBUFFERED": "1",
    }


def _local(address: str) -> str:
    """Return where this machine itself reaches an address that may stand for all interfaces."""
    return address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


def _start_servers(family: Family, var: Path) -> None:
    if not settings.env("DATABASE_URL"):
        workers, threads = settings.KEYSTONE_WEB_WORKERS, settings.KEYSTONE_WEB_THREADS
        embedded.start_postgresql(family, var, embedded.connections(workers, threads, _TASKS))
    if not settings.env("REDIS_URL"):
        embedded.start_redis(family, var)


def _prepare(family: Family, var: Path, environ: Mapping[str, str], *, with_demo: bool) -> None:
    demo = ["--demo", str(var / "dev.env.new")] if with_demo else []
    command = [sys.executable, "manage.py", "prepare", *demo]
    family.run(Program("prepare", command, settings.BASE_DIR), environ)


def _programs(address: str) -> list[Program]:
    """Say what runs, in the order of starting; it ends in the opposite order."""
    host, _, port = address.rpartition(":")
    celery = [sys.executable, "-W", _ROOT_IS_FINE, "-m", "celery"]
    celery += ["--app", "keystone", "--skip-checks", "--quiet"]
    alone = ["--without-gossip", "--without-mingle"]  # both are talk between many workers
    worker = ["worker", "--concurrency", str(_TASKS), "-O", "fair", *alone, "--loglevel", "WARNING"]
    beat = ["beat", "--pidfile", "", "--loglevel", "WARNING"]  # a stale file would block the start
    listen = ["--host", host.strip("[]"), "--port", port, "--interface", "wsgi", "--no-ws"]
    size = [
        *("--workers", str(settings.KEYSTONE_WEB_WORKERS)),
        *("--blocking-threads", str(settings.KEYSTONE_WEB_THREADS)),
        # Both count connections, kept-alive ones too: what is beyond waits in the kernel.
        *("--backlog", "2048", "--backpressure", "1024"),
        *("--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "10"),
    ]
    web = [sys.executable, "-m", "granian", *listen, *size, "--http", "1", "--no-access-log"]
    return [
        Program("beat", [*celery, *beat], settings.BASE_DIR),
        Program("worker", [*celery, *worker], settings.BASE_DIR),
        Program("web", [*web, "keystone.wsgi:application"], settings.BASE_DIR),
    ]


def _wait_until_healthy(family: Family, address: str, url: str) -> None:
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while (status := _health(_local(address), urlsplit(url).netloc)) != 200:
        family.check()
        if status or time.monotonic() > deadline:
            raise Ended(f"web answers /healthz with {status or 'silence'}")
        time.sleep(0.1)


def _health(address: str, host: str) -> int:
    """Return the status that /healthz answers, 0 while nobody answers."""
    request = http.client.HTTPConnection(address, timeout=5)
    try:
        request.request("GET", "/healthz", headers={"Host": host})
        return request.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        request.close()


def _welcome(url: str, var: Path, *, with_demo: bool) -> str:
    """Publish `var/dev.env` (whoever waits for that file finds us healthy), say how to go on."""
    if not with_demo:
        return f"\nKeystone is up: {url}\n\n"
    os.replace(var / "dev.env.new", var / "dev.env")
    lines = (var / "dev.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    password = variables["KEYSTONE_ADMIN_PASSWORD"] or "(the one you have set)"
    return f"""
Keystone is up: {url}
  admin    {url}/admin/   {variables["KEYSTONE_ADMIN_USER"]} / {password}
  keys     {var / "dev.env"}

Send it an event; send it again, and it answers "duplicate": true

curl -sS {url}/ingest -H 'Content-Type: application/json' \\
  -H 'X-API-Key: {variables["KEYSTONE_INTEGRATION_KEY"]}' -d '{_EVENT}'

"""


_EVENT = (
    '{"anonymous_id": "browser-1", "identity": "ada@example.com", "event_type": "track",'
    ' "event_name": "Added to Cart", "message_id": "hello-1",'
    ' "payload": {"product_id": "sku-1", "quantity": 1}}'
)

if __name__ == "__main__":
    main(with_demo="--no-demo" not in sys.argv)
