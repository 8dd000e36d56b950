"""What the machine is, and what processes cost it."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

import psutil


def describe(folder: Path) -> str:
    """Return in one line what a figure depends on; `folder` is where PostgreSQL writes."""
    disk = _partition(folder)
    return (
        f"{os.cpu_count()} x {_processor()}, {psutil.virtual_memory().total / 2**30:.1f} GiB, "
        f"Python {platform.python_version()}, disk {disk.device} ({disk.fstype}), "
        f"fdatasync {fdatasync_us(folder):.0f} µs, load average {os.getloadavg()[0]:.1f}"
    )


def fdatasync_us(folder: Path, times: int = 200) -> float:
    """Return what one durable write of 8 kB costs, in µs (median): what a commit waits for."""
    probe = folder / "fdatasync.probe"
    block, costs = b"\0" * 8_192, []
    with probe.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(block)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            costs.append(time.perf_counter() - started)
    probe.unlink()
    return statistics.median(costs) * 1e6


def is_in_memory(folder: Path) -> bool:
    """Say whether the folder is on no disk at all: a commit there is worth nothing."""
    return _partition(folder).fstype in {"tmpfs", "ramfs"}


def tree(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and everything that it has started."""
    return [root, *root.children(recursive=True)]


def cpu_seconds(root: psutil.Process) -> float:
    """Return the CPU time of a process and its children, those included that have ended."""
    times = root.cpu_times()
    ended = times.children_user + times.children_system
    living = (child.cpu_times() for child in root.children(recursive=True))
    return times.user + times.system + ended + sum(each.user + each.system for each in living)


def pss_mb(processes: Iterable[psutil.Process]) -> float:
    """Return what processes take of memory, in MB; a shared page counts once in all (PSS)."""
    return sum(_pss(each) for each in processes) / 1e6


def _pss(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.NoSuchProcess:  # a backend that has just left
        return 0


def _partition(folder: Path) -> psutil._common.sdiskpart:
    inside = [p for p in psutil.disk_partitions(all=True) if folder.is_relative_to(p.mountpoint)]
    return max(inside, key=lambda partition: len(partition.mountpoint))


def _processor() -> str:
    told = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in told.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()
