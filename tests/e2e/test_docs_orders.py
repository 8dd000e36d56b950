"""The stories of docs/orders.md, told by curl to a running Keystone, end as they say there."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.e2e.test_docs_curl import Answer, Line, example_of, lines_of, run
from tests.live import ROOT, Up

DOCUMENT = "docs/orders.md"
TEXT = (ROOT / DOCUMENT).read_text().splitlines()

pytestmark = pytest.mark.xdist_group("live")


class Told(NamedTuple):
    """A line of a story, and what it was answered."""

    line: Line
    answer: Answer


def title_of(line: Line) -> str:
    """Return the heading below which a line stands."""
    above = reversed(TEXT[: line.number])
    return next(text for text in above if text.startswith("#")).lstrip("# ")


LINES = list(lines_of(DOCUMENT, "curl "))
STORIES = list(dict.fromkeys(map(title_of, LINES)))


def tell(live: Up, title: str) -> list[Told]:
    said = [line for line in LINES if title_of(line) == title]
    return [Told(line, run(live, line.command, line.names)) for line in said]


def shows(shown: Any, real: Any) -> bool:
    """Say whether everything that is shown is really so; an answer may say more."""
    if isinstance(shown, dict):
        return all(name in real and shows(value, real[name]) for name, value in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(real) and all(map(shows, shown, real))
    return bool(shown == real)


@pytest.fixture(scope="module")
def stories(live: Up) -> dict[str, list[Told]]:
    """All of them, told once: an event that is sent again says no more what became of its order."""
    return {title: tell(live, title) for title in STORIES}


@pytest.mark.parametrize("title", STORIES)
def test_a_story_ends_as_the_document_says(stories: dict[str, list[Told]], title: str) -> None:
    told = stories[title]
    for line, answer in told:
        assert answer.status == 200, answer.body
        if (example := example_of(line)) is not None:
            assert shows(example, answer.body), (str(line), answer.body)
    assert any(example_of(line) for line, _ in told)


def test_there_are_three_stories() -> None:
    assert len(STORIES) == 3


def test_the_order_and_its_carts_are_one_persons(stories: dict[str, list[Told]]) -> None:
    *_, order, person = stories[STORIES[0]]
    assert order.answer.body["profile_id"] == person.answer.body["id"]
    assert {"email", "anonymous_id"} == {each["kind"] for each in person.answer.body["identifiers"]}


def test_a_story_told_twice_changes_nothing(live: Up, stories: dict[str, list[Told]]) -> None:
    (*_, told), (*_, again) = stories[STORIES[2]], tell(live, STORIES[2])
    assert told.answer == again.answer
