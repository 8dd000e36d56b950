"""One run: the real `manage.py up`, rounds in which everything is measured once, a report."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from tests.bench import load, machine, people, pipeline, report
from tests.bench.load import Load, Target
from tests.bench.pipeline import Workbench
from tests.live import Up

#: In the order of a round; (a), (b) and (c) at 64 connections stand side by side.
TARGETS = (
    Target("b", "/ingest", 1),
    Target("b", "/ingest", 16),
    Target("a", "/bench/floor", 64),
    Target("b", "/ingest", 64),
    Target("c", "/bench/single", 64),
    Target("b", "/ingest", 256),
    Target("d", "/ingest", 16, 10),
)
_WARM_UP_SECONDS = 2.0
_SETTLE_SECONDS = 3.0


def run(options: Namespace, folder: Path) -> bool:
    """Measure in `folder`; print the report; say whether every goal was reached."""
    found = report.Findings()
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    up = Up(folder / "var", environ)
    try:
        up.wait_until_up()
        time.sleep(_SETTLE_SECONDS)
        found.idle_mb = machine.pss_mb(up.processes())
        found.machine = f"{machine.describe(folder)}; load by {load.generator_name()}"
        found.in_memory = machine.is_in_memory(folder)
        _measure(up, options, folder, found)
        found.busy_mb = machine.pss_mb(up.processes())
    finally:
        up.end()
    _say(report.text(found))
    return report.reached(found)


def _measure(up: Up, options: Namespace, folder: Path, found: report.Findings) -> None:
    workbench, doors = Workbench(up.variables["KEYSTONE_TRACKER_KEY"]), Load(up, folder)
    workbench.acquaint()
    targets = [target for target in TARGETS if target.letter in options.only]
    sizes = pipeline.SIZES if "e" in options.only else ()
    for target in {target.path: target for target in targets}.values():
        doors.measure(target, _WARM_UP_SECONDS)
    for number in range(options.rounds):
        _say(f"round {number + 1} of {options.rounds}")
        for target in targets:
            found.doors[target].append(doors.measure(target, options.seconds))
        for size in sizes:
            found.pipeline[size].append(workbench.pipeline(size, options.seconds / 4))
            found.copy[size].append(workbench.copy(size, options.seconds / 4))
        if "i" in options.only:
            found.without_orders.append(workbench.pipeline(1_000, options.seconds / 2))
            found.with_orders.append(workbench.pipeline(1_000, options.seconds / 2, orders=0.05))
    _measure_people(up, options, found)


def _measure_people(up: Up, options: Namespace, found: report.Findings) -> None:
    """Once, not in rounds: each of these needs a crowd of its own."""
    # A secret key: what pages may link in an hour is bounded.
    key = up.variables["KEYSTONE_INTEGRATION_KEY"]
    if "f" in options.only:
        _say("storms of first logins")
        found.storms = [people.storm(key, crowd) for crowd in (people.FEW, people.MANY)]
    crowd = people.Crowd(key)
    if "g" in options.only:
        _say("merges of small and large shadows")
        found.merges = [crowd.merge_cost(events) for events in (people.SMALL, people.LARGE)]
    if "h" in options.only:
        _say("a long timeline")
        found.timeline_ms = crowd.timeline()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
