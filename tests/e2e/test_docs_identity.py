"""docs/identity.md, told to a running Keystone: its story, and every row of its two tables."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from tests.e2e.test_docs_curl import UUID, Answer, Line, example_of, lines_of, run
from tests.live import Up
from tests.test_docs_identity import DOC, table

DOCUMENT = "docs/identity.md"
LINES = list(lines_of(DOCUMENT, "curl "))
NOTHING = object()

pytestmark = pytest.mark.xdist_group("live")


class Told(NamedTuple):
    """A line of the story, what it was answered, and whether that is what the document prints."""

    answer: Answer
    agrees: bool


class Ids:
    """The ids that the document made up, and what they really are."""

    def __init__(self) -> None:
        self.real: dict[str, str] = {}

    def put_in(self, command: str) -> str:
        return re.sub(UUID, lambda made_up: self.real[made_up[0]], command)

    def shows(self, shown: Any, real: Any) -> bool:
        """Say whether everything that is shown is really so; an answer may say more."""
        if isinstance(shown, dict):
            return all(
                name in real and self.shows(in_order(name, value), in_order(name, real[name]))
                for name, value in shown.items()
            )
        if isinstance(shown, list):
            return len(shown) == len(real) and all(map(self.shows, shown, real))
        if isinstance(shown, str) and re.fullmatch(UUID, shown):
            return bool(self.real.setdefault(shown, real) == real)
        return type(shown) is type(real) and bool(shown == real)


def in_order(name: str, value: Any) -> Any:
    """Return a value with its identifiers sorted: those last seen together have no order."""
    return sorted(value, key=lambda one: one["value"]) if name == "identifiers" else value


IDS = Ids()


@pytest.fixture(scope="module")
def story(live: Up) -> dict[Line, Told]:
    """All of it, told once, in its order."""
    return {line: tell(live, line) for line in LINES}


def tell(live: Up, line: Line) -> Told:
    answer = run(live, IDS.put_in(line.command), line.names)
    example = example_of(line)
    return Told(answer, example is None or IDS.shows(example, answer.body))


@pytest.mark.parametrize("line", LINES, ids=str)
def test_every_line_of_the_story_answers_what_the_document_prints(
    story: dict[Line, Told], line: Line
) -> None:
    answer, agrees = story[line]
    assert answer.status in (200, 201), answer.body
    assert agrees, answer.body


def test_every_answer_in_the_document_was_compared() -> None:
    assert sum(example_of(line) is not None for line in LINES) == DOC.count("```json")


def test_different_ids_of_the_document_are_different_ids(story: dict[Line, Told]) -> None:
    assert len(set(IDS.real.values())) == len(IDS.real) == len(set(re.findall(UUID, DOC)))


def test_what_nobody_signs_for_on_the_tablet_is_its_owners(
    live: Up, story: dict[Line, Told]
) -> None:
    visit = {"anonymous_id": "kitchen-tablet", "event_type": "page"}
    assert World.of(live).send(visit)["profile_id"] == whose(live, "email", "mia@example.com")


def test_after_the_undo_explain_tells_that_somebody_took_the_merge_back(
    live: Up, story: dict[Line, Told]
) -> None:
    asked = "/v1/explain?a=email:mia@example.com&b=crm_id:C-7"
    reasons = [each["reason"] for each in get(live, asked)["why_not"]]
    assert reasons == ["cannot_link", "cannot_link", "untrusted", "shared_device"]


def get(live: Up, path: str) -> dict[str, Any]:
    key = live.variables["KEYSTONE_INTEGRATION_KEY"]
    return live.request("GET", path, x_api_key=key).json()


def whose(live: Up, kind: str, value: str) -> str | None:
    """Return who has an identifier by now; None where nobody has."""
    return get(live, f"/v1/profiles/by/{kind}/{value}").get("id")


class World(NamedTuple):
    """Ada, Bob and a shadow whom nobody else has met, and what names them."""

    live: Up
    ids: Mapping[str, str]
    cookies: Mapping[str, str | None]
    identities: Mapping[str, Any]

    @classmethod
    def of(cls, live: Up) -> World:
        name, digits = secrets.token_hex(4), f"{secrets.randbelow(10**7):07}"
        ada, bobs_phone = f"ada-{name}@example.com", f"+4915{digits}11"
        identities = {
            **{"–": None, "new": f"new-{name}@example.com", "Bob's": bobs_phone, "Ada's": ada},
            "Ada's, and a new phone": {"email": ada, "phone": f"+4915{digits}22"},
            "Ada's, and another customer id": {"email": ada, "crm_id": f"B-{name}"},
            "Ada's and Bob's": {"email": ada, "phone": bobs_phone},
        }
        cookies = {"–": None, **{each: f"{each[-3:]}-{name}".strip() for each in COOKIES[1:]}}
        world = cls(live, {}, cookies, identities)
        known: dict[str, dict[str, Any]] = {
            "Ada": {
                "identity": {"email": ada, "crm_id": f"A-{name}"},
                "anonymous_id": cookies["Ada's"],
            },
            "Bob": {"identity": bobs_phone},
            "the shadow": {"anonymous_id": cookies["a shadow's"]},
        }
        ids = {who: world.send({**said, "event_type": "page"}) for who, said in known.items()}
        return world._replace(ids={who: said["profile_id"] for who, said in ids.items()})

    def send(self, event: dict[str, Any], key: str = "KEYSTONE_INTEGRATION_KEY") -> dict[str, Any]:
        raw = self.live.variables[key]
        return self.live.request("POST", "/ingest", event, x_api_key=raw).json()

    def actor(self, event_id: str) -> str | None:
        """Return the person behind the identifier that an event carried."""
        said = get(self.live, f"/v1/events/{event_id}")["identifier"]
        return whose(self.live, said["kind"], said["value"])

    def cookies_person(self, cookie: str) -> str | None:
        return whose(self.live, "anonymous_id", self.cookies[cookie] or "")


class Happened(NamedTuple):
    """One row of the table, as it came out."""

    world: World
    cookie: str
    person: str  # whose event it is
    answer: dict[str, Any]

    @property
    def cookies_person(self) -> str | None:
        return self.world.cookies_person(self.cookie)

    def stays(self, kind: str, identity: str, who: str) -> bool:
        value = self.world.identities[identity]
        return whose(self.world.live, kind, value) == self.world.ids[who]


COOKIES = ("–", "new", "a shadow's", "Ada's")
ROWS = table("Whose event it is")

#: What the table says of whose an event is.
WHOSE: dict[str, Callable[[Happened], bool]] = {
    "a new anchor's": lambda it: it.person not in it.world.ids.values() and kind(it) == "anchor",
    "a new shadow's": lambda it: it.person not in it.world.ids.values() and kind(it) == "shadow",
    "the shadow's": lambda it: it.person == it.world.ids["the shadow"],
    "Ada's": lambda it: it.person == it.world.ids["Ada"],
    "Bob's": lambda it: it.person == it.world.ids["Bob"],
}
#: What else it says, and whom the event made part of that person.
AND: dict[str, tuple[Callable[[Happened], bool], str]] = {
    "": (lambda it: True, ""),
    "the cookie is its, too": (lambda it: it.cookies_person == it.person, ""),
    "the cookie joins him": (lambda it: it.cookies_person == it.world.ids["Bob"], ""),
    "the shadow becomes part of it": (lambda it: it.cookies_person == it.person, "the shadow"),
    "the shadow becomes part of him": (lambda it: it.cookies_person == it.person, "the shadow"),
    "the cookie stays Ada's": (lambda it: it.cookies_person == it.world.ids["Ada"], ""),
    "the phone joins her": (lambda it: phones(it) == 1, ""),
    "the address stays Ada's": (lambda it: it.stays("email", "Ada's", "Ada"), ""),
    "Bob, the younger, becomes part of her": (lambda it: it.stays("phone", "Bob's", "Ada"), "Bob"),
    "Bob stays Bob": (lambda it: it.stays("phone", "Bob's", "Bob"), ""),
}


def kind(it: Happened) -> str:
    found: str = get(it.world.live, f"/v1/profiles/{it.person}")["kind"]
    return found


def phones(it: Happened) -> int:
    names = get(it.world.live, f"/v1/profiles/{it.world.ids['Ada']}")["identifiers"]
    return sum(name["kind"] == "phone" for name in names)


@pytest.mark.parametrize(
    ("cookie", "identity", "person", "then"),
    [(each, *row[1:]) for row in ROWS for each in (COOKIES if row[0] == "any" else row[:1])],
)
def test_an_event_is_whose_the_table_says(
    live: Up, cookie: str, identity: str, person: str, then: str
) -> None:
    world = World.of(live)
    said, _, by = identity.partition(", by a ")
    key = "KEYSTONE_TRACKER_KEY" if by == "public key" else "KEYSTONE_INTEGRATION_KEY"
    event = {"anonymous_id": world.cookies[cookie], "identity": world.identities[said]}
    answer = world.send({**event, "event_type": "page"}, key)
    it = Happened(world, cookie, world.actor(answer["event_id"]) or "", answer)
    holds, joined = AND[then]
    assert answer.get("profile_id", it.person) == it.person  # a public key is not told
    assert WHOSE[person](it)
    assert holds(it)
    merged = set(answer.get("merged_profile_ids", ()))
    if joined:
        assert world.ids[joined] in merged
    else:
        assert merged <= {world.ids["the shadow"]}


def test_every_row_of_the_table_was_tried() -> None:
    assert len(ROWS) == 16
    assert {row[3] for row in ROWS} == AND.keys()
    assert {row[2] for row in ROWS} == WHOSE.keys()


HEAD = DOC.partition("\n## Attributes\n")[2].partition("| |")[2].splitlines()[0].split("|")[:-1]
CELLS = [
    (row[0], head.strip(), cell)
    for row in table("Attributes")
    for head, cell in zip(HEAD, row[1:], strict=True)
]


def test_attributes_become_what_the_table_says(live: Up) -> None:
    world, name = World.of(live), secrets.token_hex(4)
    said = [
        {
            "identity": f"{name}-{number}",
            "event_type": "identify",
            "timestamp": f"2026-06-01T09:00:0{second}Z",
            "attributes": {"it": value},
        }
        for number, (before, incoming, _) in enumerate(CELLS)
        for second, value in enumerate([*first(before), value_of(incoming)])
    ]
    answers = world.send({"batch": said})["results"]
    assert {each["status"] for each in answers} == {"processed"}
    found = [
        get(live, f"/v1/profiles/by/crm_id/{name}-{number}")["attributes"].get("it", NOTHING)
        for number in range(len(CELLS))
    ]
    assert len(CELLS) == 20
    for (before, incoming, after), it in zip(CELLS, found, strict=True):
        assert it is value_of(after) or it == value_of(after), (before, incoming)


def first(before: str) -> list[Any]:
    """Return what has to be said for something to be there; a null only stands over a value."""
    if before == "nothing":
        return []
    value = value_of(before)
    return [1, None] if value is None else [value]


def value_of(cell: str) -> Any:
    return NOTHING if cell == "nothing" else json.loads(cell.strip("`"))
