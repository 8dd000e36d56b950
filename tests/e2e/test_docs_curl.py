"""Whoever copies a line from the documents gets what they say: all of them are run here."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.live import ROOT, Up

DOCS = ("README.md", "docs/protocols/ingest.md", "docs/read-api.md", "docs/operations.md")
#: Makes of curl what a test needs, so that a document's line runs as it stands there.
CURL = 'curl() { command curl -sS --max-time 20 --write-out "\\n%{http_code}" "$@"; }'
#: A line of nothing but names, or of a file that has them.
NAMES = re.compile(r" *(\. \S+|([A-Z]+=\S+ ?)+)")
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

pytestmark = pytest.mark.xdist_group("live")


class Answer(NamedTuple):
    """What curl got."""

    status: int
    body: dict[str, Any]


class Line(NamedTuple):
    """A command as a document has it, and the names that it takes from lines before."""

    document: str
    number: int
    command: str
    names: str

    def __str__(self) -> str:
        return f"{Path(self.document).name}:{self.number}"


def lines_of(document: str, program: str) -> Iterator[Line]:
    """Find the commands that run `program`; one may go on over several lines."""
    text = (ROOT / document).read_text().splitlines()
    names = [line.strip() for line in text if NAMES.fullmatch(line)]
    for number, line in enumerate(text):
        if re.match(rf"\s*{program}", line):
            whole = line.strip()
            for more in text[number + 1 :]:
                if is_whole(whole):
                    break
                whole += f"\n{more}"
            yield Line(document, number + 1, whole, "\n".join(names))


def is_whole(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:  # a quotation is open
        return False
    return not command.endswith("\\")


CURLS = [line for document in DOCS for line in lines_of(document, "curl ")]
COMMANDS = [line for document in DOCS for line in lines_of(document, r"\S+ manage\.py create_key")]
README = [line for line in CURLS if line.document == "README.md"]


def run(live: Up, command: str, names: str = "") -> Answer:
    """Run a line of bash where `var/` is that of `live`."""
    script = "\n".join(["set -eu", CURL, ". var/dev.env", names, command])
    ended = subprocess.run(
        ["bash", "-c", script], cwd=live.var.parent, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
    body, _, status = ended.stdout.rpartition("\n")
    return Answer(int(status), json.loads(body))


def example_of(line: Line) -> dict[str, Any] | None:
    """Return the answer that the document prints below the command, if it does."""
    below = (ROOT / line.document).read_text().splitlines()[line.number - 1 :]
    text = "\n".join(below).removeprefix(line.command)
    found = re.match(r"\s*(?:```\s*)?```json\n(.*?)```", text, re.DOTALL)
    return json.loads(found[1]) if found else None


@pytest.fixture(scope="module")
def story(live: Up) -> list[Answer]:
    """What the README tells: its first line and its second, and both once more."""
    first, then = README
    return [run(live, line.command, line.names) for line in (first, then, first, then)]


@pytest.fixture(scope="module")
def ids(live: Up) -> dict[str, str]:
    """Return ids in the place of those that the documents made up, and Ana, whom they know."""
    order = {"identity": "ana@example.com", "event_type": "track", "event_name": "Order Completed"}
    order["payload"] = {"order_id": "A-17", "products": [{"product_id": "boots"}]}
    key = live.variables["KEYSTONE_INTEGRATION_KEY"]
    visit = {"anonymous_id": "ana-at-home", "event_type": "page"}
    live.request("POST", "/ingest", visit, x_api_key=key)  # the order's person takes it in
    order["anonymous_id"] = visit["anonymous_id"]
    said = live.request("POST", "/ingest", order, x_api_key=key).json()
    merges = f"/v1/profiles/{said['profile_id']}/merges"
    (merge, *_) = live.request("GET", merges, x_api_key=key).json()["results"]
    leaving = {"identity": "leaving@example.com", "event_type": "page"}
    live.request("POST", "/ingest", leaving, x_api_key=key)
    asked = {"identifier": f"email:{leaving['identity']}"}
    admin = live.variables["KEYSTONE_ADMIN_API_KEY"]
    erasure = live.request("POST", "/v1/erasures", asked, x_api_key=admin).json()
    return {
        "profiles": said["profile_id"],
        "events": said["event_id"],
        "merges": merge["id"],
        "erasures": erasure["id"],
    }


@pytest.mark.parametrize("line", CURLS, ids=str)
def test_every_curl_line_answers(
    live: Up, line: Line, story: list[Answer], ids: dict[str, str]
) -> None:
    command = line.command
    for noun, id_ in ids.items():
        command = re.sub(rf"/v1/{noun}/{UUID}", f"/v1/{noun}/{id_}", command)
    answer = run(live, command, line.names)
    assert 200 <= answer.status < 300, answer.body
    if (example := example_of(line)) is not None:
        for shown, real in zip(objects(example), objects(answer.body), strict=False):
            assert shown.keys() == real.keys()


def objects(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an answer and the items of its list; what there is of them may depend on the day."""
    return [body, *body.get("results", [])]


def test_the_readmes_first_line_makes_a_person(story: list[Answer]) -> None:
    body = story[0].body
    assert (body["profile_type"], body["duplicate"]) == ("anchor", False)


def test_the_readmes_first_line_sent_again_is_a_duplicate(story: list[Answer]) -> None:
    first, _, again, _ = story
    assert again.body["duplicate"] is True
    assert again.body["event_id"] == first.body["event_id"]


def test_the_readmes_second_line_finds_the_person(story: list[Answer]) -> None:
    first, found, _, found_again = story
    assert found.body["id"] == first.body["profile_id"]
    # Other documents' lines tell of the same person, before or after: only a duplicate adds nothing.
    assert found_again.body["event_count"] == found.body["event_count"] >= 1


def test_the_line_that_up_prints_does_what_up_says(live: Up) -> None:
    said = live.said().splitlines()
    start = next(number for number, line in enumerate(said) if line.startswith("curl "))
    command = "\n".join(said[start : start + 2])
    first, again = run(live, command), run(live, command)
    assert (first.status, first.body["profile_type"]) == (200, "anchor")
    assert (again.status, again.body["duplicate"]) == (200, True)


@pytest.mark.parametrize("line", COMMANDS, ids=str)
def test_every_command_that_makes_a_key_prints_one_that_counts(
    live: Up, up_environ: dict[str, str], line: Line
) -> None:
    words = shlex.split(line.command.replace("\\\n", " "))
    key = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=ROOT,
        env={**up_environ, "KEYSTONE_VAR_DIR": str(live.var)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()
    event = {"anonymous_id": "browser-2", "event_type": "page"}
    assert live.request("POST", "/ingest", event, x_api_key=key).status == 200
