"""Child processes that end with us, in order, and whose log lines say who speaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

_LAUNCH = Path(__file__).with_name("launch.py")
#: How often children are looked at, in seconds.
_GLANCE = 0.2
#: Takes a line and the name of who says it.
Log = Callable[[str, str], None]
_REQUESTS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Program(NamedTuple):
    """What to run, and how it is asked to end."""

    name: str
    command: Sequence[str]  # the first is a path
    folder: Path  # where it runs
    ending: signal.Signals = signal.SIGTERM
    user: str = ""  # who it runs as, when we are root
    patience_seconds: float = 15  # after that it is killed


class Ended(Exception):
    """A child ended although nobody asked it to."""


class Child:
    """One running program."""

    def __init__(
        self, program: Program, environ: Mapping[str, str] | None = None, log: Log | None = None
    ) -> None:
        """Start it. Call this from the main thread: "the parent died" means this *thread* did."""
        self.program = program
        ending, folder = str(int(program.ending)), str(program.folder)
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), ending]
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            [*launch, program.user, folder, *program.command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal reaches only us, so that children end in order.
            start_new_session=True,
        )
        stdout = self.process.stdout
        assert stdout is not None
        self._speaker = threading.Thread(
            target=_relay, args=(program.name, stdout, log or say), daemon=True
        )
        self._speaker.start()

    def check(self) -> None:
        """Raise `Ended` when it no longer runs."""
        code = self.process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise Ended(f"{self.program.name} {how}")

    def end(self) -> None:
        """Ask it to end, wait, kill it if it will not; nothing of its process group survives."""
        if self.process.poll() is None:
            self.process.send_signal(self.program.ending)
        try:
            self.process.wait(self.program.patience_seconds)
        except subprocess.TimeoutExpired:
            say(f"{self.program.name} does not end; killing it")
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # all gone; macOS says the latter of zombies
            pass
        self.process.wait()
        self._speaker.join(1)


class Family:
    """Children in the order they were started; leaving it ends them, the last one first."""

    def __init__(self, log: Log | None = None) -> None:
        self.children: list[Child] = []
        self._log = log

    def __enter__(self) -> Self:
        # Whoever asks us to end, in whichever way, is answered alike: by KeyboardInterrupt.
        self._handlers = {n: signal.signal(n, signal.default_int_handler) for n in _REQUESTS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in _REQUESTS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave orphans
        while self.children:
            self.children.pop().end()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self, program: Program, environ: Mapping[str, str] | None = None) -> Child:
        """Start one more."""
        child = Child(program, environ, self._log)
        self.children.append(child)
        return child

    def run(self, program: Program, environ: Mapping[str, str] | None = None) -> None:
        """Run one to its end; raise `Ended` when that is not a good one."""
        child = self.start(program, environ)
        good = child.process.wait() == 0
        child.end()
        self.children.remove(child)
        if not good:
            child.check()

    def check(self) -> None:
        """Raise `Ended` when one of them no longer runs."""
        for child in self.children:
            child.check()

    def watch(self) -> None:
        """Wait until one of them ends (raises `Ended`) or we are asked to (KeyboardInterrupt)."""
        while True:
            self.check()
            time.sleep(_GLANCE)


def say(line: str, name: str = "up") -> None:
    """Print one line under the name of who says it."""
    try:
        sys.stdout.write(f"{name:<8} | {line}\n")
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):  # whoever read us has left; that ends nothing
        pass


def _relay(name: str, lines: IO[bytes], log: Log) -> None:
    with lines:
        for line in lines:
            log(line.decode(errors="replace").rstrip(), name)
