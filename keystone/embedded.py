"""The default servers: a real PostgreSQL and a real Redis in `var/`, for whoever gives no URLs.

`database_url`, `redis_url` and `secret_key` follow from the folder alone, so that every command
finds the servers of a running `up`. Settings import this file: no Django in here.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from keystone import cluster
from keystone.processes import Child, Ended, Family, Program

_READY_SECONDS = 30.0
#: psql, other commands, one more machine while it starts, superuser_reserved_connections (3).
_RESERVE = 20


def secret_key(var: Path) -> str:
    """Return the secret of this installation; made once, by whoever comes first."""
    path = var / "secret_key"
    try:
        if not path.exists():
            _make_secret(path)
        return path.read_text().strip()
    except PermissionError:
        raise SystemExit(
            f"{path} belongs to another user: run as that user, or set KEYSTONE_VAR_DIR."
        ) from None


def _make_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".secret_key.{secrets.token_hex(4)}")
    write_private(draft, secrets.token_urlsafe(48))
    try:
        os.link(draft, path)  # of two that start at once, one wins and both read its secret
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first moment on."""
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)


def database_url(var: Path, name: str = cluster.NAME) -> str:
    """Return the URL of a database of the embedded PostgreSQL."""
    return f"postgresql:///{name}?host={quote(str(sockets(var)), safe='')}&user={cluster.NAME}"


def redis_url(var: Path) -> str:
    """Return the URL of the embedded Redis."""
    return f"unix://{sockets(var)}/redis.sock"


def sockets(var: Path) -> Path:
    """Return the folder of the servers' sockets: a socket's path may have some 100 characters.

    Not TMPDIR, which is long on macOS and differs between shells.
    """
    digest = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:12]
    return Path(f"/tmp/keystone-{os.getuid()}-{digest}")  # noqa: S108 - its owner is checked


def forget_sockets(var: Path) -> None:
    """Remove the sockets' folder once the servers have left it."""
    try:
        sockets(var).rmdir()
    except OSError:  # never made, or not empty
        pass


def connections(workers: int, threads: int, tasks: int) -> int:
    """Return the max_connections that fits by construction.

    Django keeps a connection for each thread that ever read something: per web worker all of its
    threads, the flusher, the probe and the key refresher; per Celery worker its task processes
    and itself; beat; and the reserve.
    """
    return workers * (threads + 3) + (tasks + 1) + 1 + _RESERVE


def start_postgresql(
    family: Family, var: Path, max_connections: int, *, durable: bool = True
) -> None:
    """Start PostgreSQL on `var/postgresql` (made first where missing), wait until it answers.

    `durable=False` survives the death of any process but no power cut: for tests. Raises
    `cluster.Unavailable` or `processes.Ended`.
    """
    data = var.resolve() / "postgresql"
    if not data.exists():
        cluster.make(family, data)
    cluster.end_leftover(data)
    user = cluster.owner(data)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": cluster.owned_folder(sockets(var), user),
        "max_connections": max_connections,
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",  # ingest writes steadily: the fewer checkpoints, the less it writes
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "synchronous_commit": "on",
        "fsync": "on" if durable else "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "update_process_title": "off",  # two microseconds a statement for what `ps` shows
        "log_checkpoints": "off",
        "log_line_prefix": "%t ",
    }
    switches = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(cluster.binary("postgres")), "-D", str(data), *switches]
    # SIGINT is "fast": it disconnects everybody. SIGTERM would wait for them to leave.
    child = family.start(Program("postgres", command, data, signal.SIGINT, user.pw_name, 60))
    _wait(child, lambda: _answers_from(var, data))


def start_redis(family: Family, var: Path) -> None:
    """Start Redis, wait until it answers. It keeps nothing: rows say what is to do (DESIGN §2)."""
    user = cluster.owner(var.resolve() / "postgresql")
    folder = cluster.owned_folder(sockets(var), user)
    socket = folder / "redis.sock"
    socket.unlink(missing_ok=True)
    listen = ["--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    keep_nothing = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    command = [str(cluster.binary("redis-server")), *listen, *keep_nothing, "--loglevel", "warning"]
    child = family.start(Program("redis", command, folder, user=user.pw_name))
    _wait(child, socket.is_socket)


def create_database(url: str) -> None:
    """Create the database that `url` names where it is missing and its server lets us look."""
    name = str(conninfo_to_dict(url).get("dbname") or cluster.NAME)
    try:
        server = psycopg.connect(url, dbname="postgres", autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:  # some managed servers have no such door; migrate says more
        return
    with server:
        found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not found:
            server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


def _answers_from(var: Path, data: Path) -> bool:
    """Say whether the server at our socket is the one that keeps `data`."""
    try:
        with psycopg.connect(database_url(var, "postgres"), connect_timeout=2) as server:
            row = server.execute("SHOW data_directory").fetchone()
    except psycopg.OperationalError:
        return False
    return row is not None and os.path.samefile(row[0], data)


def _wait(child: Child, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not ready():
        child.check()
        if time.monotonic() > deadline:
            raise Ended(f"{child.program.name} does not answer")
        time.sleep(0.05)
