"""What a run found, as a table, and whether it reaches the goals."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.bench import load, people, pipeline
from tests.bench.load import Target


@dataclass
class Findings:
    """Everything measured: by target or batch size, one sample a round."""

    machine: str = ""
    in_memory: bool = False
    idle_mb: float = 0.0
    busy_mb: float = 0.0
    doors: dict[Target, list[load.Sample]] = field(default_factory=lambda: defaultdict(list))
    pipeline: dict[int, list[pipeline.Sample]] = field(default_factory=lambda: defaultdict(list))
    copy: dict[int, list[pipeline.Sample]] = field(default_factory=lambda: defaultdict(list))
    without_orders: list[pipeline.Sample] = field(default_factory=list)
    with_orders: list[pipeline.Sample] = field(default_factory=list)
    storms: list[people.Storm] = field(default_factory=list)
    merges: list[people.Cost] = field(default_factory=list)
    timeline_ms: float | None = None


class Goal(NamedTuple):
    """One line of PASS or FAIL."""

    name: str
    reached: bool
    figure: str


def text(found: Findings) -> str:
    """Return the whole report."""
    lines = ["", found.machine, *_door_table(found), *_pipeline_table(found)]
    lines += [*_orders_table(found), *_people_table(found)]
    lines += [
        "",
        f"memory (PSS of all processes): idle {found.idle_mb:.0f} MB, "
        f"after the load {found.busy_mb:.0f} MB",
        "",
    ]
    for goal in goals(found):
        lines.append(f"{'PASS' if goal.reached else 'FAIL'}  {goal.name}: {goal.figure}")
    return "\n".join([*lines, *_alarms(found)])


def reached(found: Findings) -> bool:
    """Say whether every goal was reached and every answer was in order."""
    return all(goal.reached for goal in goals(found)) and not list(_alarms(found))


def goals(found: Findings) -> Iterator[Goal]:
    """Yield the goals whose figures were measured."""
    at_64 = {
        target.letter: samples
        for target, samples in found.doors.items()
        if target.connections == 64
    }
    for letter, least in (("a", 0.55), ("c", 1.3)):
        if "b" in at_64 and letter in at_64:
            ratio = _ratio(at_64["b"], at_64[letter])
            yield Goal(
                f"(b) @64 at least {least} of ({letter}) @64", ratio >= least, f"{ratio:.2f}"
            )
    if "b" in at_64:
        p99 = _median(sample.p99_ms for sample in at_64["b"])
        cost = _mean_cost(at_64["b"], "web_us") + _mean_cost(at_64["b"], "postgres_us")
        yield Goal("(b) @64 p99 below 60 ms", p99 < 60, f"{p99:.1f} ms")
        yield Goal(
            "(b) @64 app + PostgreSQL below 350 µs CPU an event", cost < 350, f"{cost:.0f} µs"
        )
    if 1_000 in found.pipeline:
        rate, copied = _rate(found.pipeline[1_000]), _rate(found.copy[1_000])
        least = max(20_000, 0.25 * copied)
        figure = f"{rate:,.0f} events/s, {rate / copied:.2f} of COPY"
        yield Goal(f"(e) at 1,000 records at least {least:,.0f} events/s", rate >= least, figure)
    if found.with_orders:
        ratio = _ratio(found.with_orders, found.without_orders)
        name = "(i) with 5 % of orders at least 0.85 of the events/s without"
        yield Goal(name, ratio >= 0.85, f"{ratio:.2f}")
    yield from _people_goals(found)
    yield Goal("idle memory below 450 MB", found.idle_mb < 450, f"{found.idle_mb:.0f} MB")


def _people_goals(found: Findings) -> Iterator[Goal]:
    for storm, least in zip(found.storms, (1_500, 3_000), strict=False):
        rate = storm.merges / storm.seconds
        name = f"(f) merges into {storm.people:,} people at least {least:,}/s"
        yield Goal(name, rate >= least, f"{rate:,.0f}/s")
    if found.merges:
        small, large = found.merges
        ratio = large.milliseconds / small.milliseconds
        slowest = max(each.milliseconds for each in found.merges)
        widest = max(each.wal_kb for each in found.merges)
        name = f"(g) a shadow of {large.events:,} events costs what one of {small.events} does"
        yield Goal(f"{name}, ± 20 %", 0.8 <= ratio <= 1.2, f"{ratio:.2f}")
        yield Goal("(g) a merge below 5 ms", slowest < 5, f"{slowest:.1f} ms")
        yield Goal("(g) a merge below 40 kB of WAL", widest < 40, f"{widest:.0f} kB")
    if found.timeline_ms is not None:
        name = f"(h) a page of a timeline of {people.TABLE:,} events below 20 ms"
        yield Goal(name, found.timeline_ms < 20, f"{found.timeline_ms:.1f} ms")


def _orders_table(found: Findings) -> Iterator[str]:
    for name, samples in (("no orders", found.without_orders), ("5 %", found.with_orders)):
        if samples:
            yield (
                f"{f'(i) pipeline at 1,000, {name}':38}{_rate(samples):10,.0f} events/s"
                f"{_mean_cost(samples, 'python_us'):8.1f} Python µs"
                f"{_mean_cost(samples, 'postgres_us'):8.1f} PG µs"
            )


def _people_table(found: Findings) -> Iterator[str]:
    if found.storms or found.merges:
        yield ""
    for storm in found.storms:
        yield (
            f"{f'(f) first logins of {storm.people:,} people':38}"
            f"{storm.merges / storm.seconds:10,.0f} merges/s"
            f"{storm.left:8,} left to the worker"
        )
    for cost in found.merges:
        yield (
            f"{f'(g) merge of a shadow, {cost.events:,} events':38}"
            f"{cost.milliseconds:10.2f} ms {cost.wal_kb:10.1f} kB of WAL"
        )


def _door_table(found: Findings) -> Iterator[str]:
    if found.doors:
        yield ""
        yield (
            f"{'':38}{'req/s':>8}{'events/s':>10}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}"
            f"{'app µs':>8}{'PG µs':>7}   (CPU an event)"
        )
    for target, samples in found.doors.items():
        seconds = sum(sample.seconds for sample in samples)
        yield (
            f"{target.name:38}{sum(s.requests for s in samples) / seconds:8,.0f}"
            f"{_rate(samples):10,.0f}{_median(s.p50_ms for s in samples):8.1f}"
            f"{_median(s.p99_ms for s in samples):8.1f}{max(s.max_ms for s in samples):8.0f}"
            f"{_mean_cost(samples, 'web_us'):8.0f}{_mean_cost(samples, 'postgres_us'):7.0f}"
        )


def _pipeline_table(found: Findings) -> Iterator[str]:
    if found.pipeline:
        yield ""
        yield (
            f"{'(e) pipeline.process, one process':38}{'events/s':>10}{'p50 ms':>8}{'max ms':>8}"
            f"{'Python µs':>11}{'PG µs':>7}{'COPY/s':>10}{'ratio':>7}"
        )
    for size, samples in found.pipeline.items():
        copied = found.copy[size]
        yield (
            f"{f'    {size:,} records a transaction':38}{_rate(samples):10,.0f}"
            f"{_median(s.p50_ms for s in samples):8.1f}{max(s.max_ms for s in samples):8.0f}"
            f"{_mean_cost(samples, 'python_us'):11.1f}{_mean_cost(samples, 'postgres_us'):7.1f}"
            f"{_rate(copied):10,.0f}{_ratio(samples, copied):7.2f}"
        )


def _alarms(found: Findings) -> Iterator[str]:
    """Yield what makes the figures worth nothing."""
    if found.in_memory:
        yield "\n!!! This folder is in memory: its commits are not durable. Use --folder."
    for target, samples in found.doors.items():
        for what in ("refused", "broken", "unaccounted"):
            if number := sum(getattr(sample, what) for sample in samples):
                yield f"\n!!! {target.name}: {number} {what}. The run is not valid."


def _rate(samples: Sequence[load.Sample | pipeline.Sample]) -> float:
    return sum(sample.events for sample in samples) / sum(sample.seconds for sample in samples)


def _ratio(
    ours: Sequence[load.Sample | pipeline.Sample], theirs: Sequence[load.Sample | pipeline.Sample]
) -> float:
    """Compare within each round, so that the machine's drift does not count; take the median."""
    pairs = zip(ours, theirs, strict=True)
    return _median(_rate([one]) / _rate([other]) for one, other in pairs)


def _mean_cost(samples: Sequence[load.Sample | pipeline.Sample], name: str) -> float:
    total = sum(getattr(sample, name) * sample.events for sample in samples)
    return total / sum(sample.events for sample in samples)


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)
