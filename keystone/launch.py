"""Become one child process: it ends with its parent, and what root may not run gets another user.

Run as a file, before any package is loaded, because what it does must happen in the child, after
the fork, and a fork of a process with threads may run no Python safely:

    python -I -S launch.py PARENT-PID SIGNAL USER-OR-EMPTY FOLDER PROGRAM ARGUMENT…
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _RAISE = 1, 28, 47, 2
_KEEP_CAPS, _NO_SETUID_FIXUP = 1 << 4, 1 << 2
_CAPABILITY_VERSION = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2  # capability numbers
#: The least that lets the other user into folders that only root may enter, tried in this order;
#: no parent folder is opened up for it.
_GRANTS: tuple[tuple[int, ...], ...] = ((), (_DAC_READ_SEARCH,), (_DAC_OVERRIDE,))


def main(parent: int, signal: int, user: str, folder: str, command: list[str]) -> None:
    """Replace this process by `command`, started in `folder`; returns only by raising OSError.

    `user`: who runs it when we are root; "" for ourselves.
    """
    changes = bool(user) and os.getuid() == 0
    if changes:
        _become(user)
    for grant in _GRANTS if changes and sys.platform == "linux" else ((),):
        if changes and not _grant(grant):
            continue
        _die_with(parent, signal)
        try:
            os.chdir(folder)
            os.execv(command[0], command)  # noqa: S606 - the command is our own
        except PermissionError as error:
            refusal = error
    raise refusal


def _become(user: str) -> None:
    entry = pwd.getpwnam(user)
    if sys.platform == "linux":
        # Capabilities outlive the change of user, and access(2), by which PostgreSQL looks for
        # its own files, does not leave them out.
        _libc().prctl(_PR_SET_SECUREBITS, _KEEP_CAPS | _NO_SETUID_FIXUP, 0, 0, 0)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _die_with(parent: int, signal: int) -> None:
    """Ask the kernel for `signal` when the parent dies. A change of uid forgets it: call it last.

    macOS has nothing like it: there a killed parent's servers are ended by the next start.
    """
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def _grant(capabilities: tuple[int, ...]) -> bool:
    """Leave these capabilities to what is executed next; False when we do not have them."""
    if sys.platform != "linux":
        return True
    libc, mask = _libc(), sum(1 << number for number in capabilities)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the same for bits 32-63
    libc.capget(header, data)
    data[0] = data[2] = mask
    if libc.capset(header, data) != 0:
        return False
    raised = [libc.prctl(_PR_CAP_AMBIENT, _RAISE, number, 0, 0) for number in capabilities]
    return not any(raised)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
    except (OSError, KeyError) as error:
        sys.exit(f"cannot start {sys.argv[5]}: {error}")
