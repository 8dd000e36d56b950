"""docs/identity.md says of reasons, limits and bounds what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from identity import history, resolve
from identity.identifiers import KINDS
from identity.protect import REASONS, SUGGESTED, Policy
from ingest import isolation

ROOT = Path(__file__).parent.parent
DOC = (ROOT / "docs/identity.md").read_text()
WALK = (ROOT / "docs/architecture.md").read_text()


def section(title: str) -> str:
    return DOC.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table(title: str) -> list[list[str]]:
    """Return the rows of the table of a section, below its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines[2:]]


APART = table("What keeps people apart")


def test_every_reason_of_a_refusal_is_documented() -> None:
    assert [row[0].strip("`") for row in APART] == list(REASONS)


def test_the_reasons_that_are_suggestions_are_documented() -> None:
    assert {row[0].strip("`") for row in APART if row[3] == "yes"} == SUGGESTED


def test_every_limit_is_documented_with_its_default() -> None:
    said = {name: number for row in APART for name, number in re.findall(r"`(\w+)` ?(\d*)", row[2])}
    policy = Policy()
    blocked = {"blocked_values": ""}  # `Policy.blocked`, as the admin calls it
    limits = (name for name in policy.__struct_fields__ if name != "blocked")
    assert said == {**{name: str(getattr(policy, name)) for name in limits}, **blocked}


def test_the_kinds_are_documented_strongest_first() -> None:
    (kinds,) = re.findall(r"strongest first: ([^;]+);", section("How it is kept"))
    assert re.findall(r"`(\w+)`", kinds) == list(KINDS)


@pytest.mark.parametrize(
    "bound",
    [
        f"more than {resolve.LARGE:,} identifiers",
        f"more than {history.LOCKED_MAX:,} operations",
        f"more than {history.FOLDED_MAX:,} operations",
    ],
)
def test_every_bound_of_a_request_is_documented(bound: str) -> None:
    assert bound in " ".join(section("What is done a moment later").split())


def test_a_merge_is_left_to_the_worker_after_as_many_lost_races_as_documented() -> None:
    assert isolation.DEFER_FROM == 5
    assert "lost its race five times" in section("What is done a moment later")


def test_the_document_can_be_read_at_once() -> None:
    assert len(DOC.splitlines()) <= 250


def test_the_walk_tells_of_what_follows_from_who_it_was() -> None:
    """What the pipeline does once attributes are folded, in the order in which it does."""
    source = (ROOT / "ingest/pipeline.py").read_text()
    steps = ["apply_operations(", "backlog.enqueue_merges", "orders.apply_facts"]
    steps += ["tally.count", "refusals.record"]
    assert sorted(steps, key=source.index) == steps
    files = ["identity/lineage.py", "identity/backlog.py", "orders/apply.py"]
    files += ["ingest/tally.py", "identity/refusals.py"]
    assert sorted((f"**`{name}`**" for name in files), key=WALK.index) == [
        f"**`{name}`**" for name in files
    ]
