"""Logs of what people did, and who is who in the end: generated, and told in any order.

A log is made so that keystone.md §5 gives it one result. What the rules themselves decide by who
came first is left out (DESIGN §2, promise 3), each where it is made:

- devices and addresses belong to one true person; nobody has two crm_ids or reaches a limit;
- all explicit identities of a person hang together by statements of a secret key, for one of a
  public key merges no anchors, and which of two identities is new depends on the order;
- an address among attributes is linked "unless another anchor has them": whoever's cookie
  mentions one also logs in with that cookie;
- a session "is created as an identifier only where neither of those is present": one that comes
  alone and in company is seen once more with each of its company at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from hypothesis import strategies as st

from identity.identifiers import (
    ANONYMOUS_ID,
    CRM_ID,
    EMAIL,
    EXPLICIT,
    PHONE,
    SESSION,
    Identifier,
    strongest_first,
)
from identity.values import Attributes, Json
from ingest.record import Record
from keystone import clock
from keystone.models import Organization
from keystone.source import Source
from tests.make import make_organization, make_record, make_source

NOW = clock.now().replace(microsecond=0)
KEYS = "abc"
_scalars = st.sampled_from([0, 1, 2.0, True, "x", "1"])
_leaves = st.one_of(_scalars, st.none(), st.lists(_scalars, max_size=2))
_values = st.one_of(_leaves, st.dictionaries(st.sampled_from("pq"), _leaves, max_size=2))
patches: st.SearchStrategy[Attributes | None] = st.one_of(
    st.none(), st.dictionaries(st.sampled_from(KEYS), _values, min_size=1, max_size=2)
)


class Said(NamedTuple):
    """One event, in no organization yet."""

    names: frozenset[Identifier]
    mentions: tuple[Identifier, ...] = ()
    patch: dict[str, Json] | None = None
    second: int = 0  # event time; many are equal
    jitter_ms: int = 0  # of the client's own clock
    public: bool = False


class Log(NamedTuple):
    """Events that may come in any order, and those that come last."""

    said: list[Said]
    closing: list[Said]

    @property
    def all(self) -> list[Said]:
        return [*self.said, *self.closing]


class Tenant:
    """An organization that is told a log, again and again: ids are the same each time."""

    def __init__(self) -> None:
        self.organization: Organization = make_organization()
        self.secret = make_source(self.organization)
        self.public = make_source(self.organization, "tracker")

    @property
    def id(self) -> UUID:
        return self.organization.id

    def record(self, said: Said, number: object) -> Record:
        """`number` is the message's id."""
        source: Source = self.public if said.public else self.secret
        at = NOW - timedelta(seconds=said.second)
        return make_record(
            source,
            kind="identify" if said.patch else "track",
            identifiers=strongest_first(sorted(said.names, key=lambda name: name.value)),
            mentions=said.mentions,
            attributes=said.patch,
            occurred_at=at,
            client_ms=clock.to_ms(at) + said.jitter_ms,
            message_id=f"{number}",
        )

    def records(self, log: Iterable[Said]) -> list[Record]:
        return [self.record(said, number) for number, said in enumerate(log)]

    def forget(self) -> None:
        """Be told nothing yet."""
        with connection.cursor() as cursor:
            for table in _TABLES:
                cursor.execute(f"DELETE FROM {table} WHERE org_id = %s", [self.id])

    def key(self, name: Identifier) -> UUID:
        return name.key(self.secret.organization_secret)


_TABLES = (
    *("event", "identifier", "profile", "attribute_op", "attribute_change"),
    *("merge", "cannot_link", "profile_work", "refusal", "tally"),
)


class _Person(NamedTuple):
    explicit: list[Identifier]
    cookies: list[Identifier]
    session: Identifier


@st.composite
def logs(draw: st.DrawFn, people_max: int = 3) -> Log:
    said: list[Said] = []
    closing: list[Said] = []
    for number in range(draw(st.integers(1, people_max))):
        person = _person(draw, f"{number}")
        said += _statements(draw, person)
        for cookie in person.cookies:
            said += _visits(draw, person, cookie)
        closing += _sessions(draw, person, said)
    return Log([_dated(draw, each) for each in said], [_dated(draw, each) for each in closing])


def _person(draw: st.DrawFn, name: str) -> _Person:
    counts = draw(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 2)))
    explicit = [
        *(Identifier(CRM_ID, name) for _ in range(counts[0])),
        *(Identifier(EMAIL, f"{name}-{n}@example.com") for n in range(counts[1])),
        *(Identifier(PHONE, f"+4915112345{name}{n}0") for n in range(counts[2])),
    ]
    cookies = [Identifier(ANONYMOUS_ID, f"{name}-{n}") for n in range(draw(st.integers(1, 3)))]
    return _Person(draw(st.permutations(explicit)), cookies, Identifier(SESSION, name))


def _statements(draw: st.DrawFn, person: _Person) -> list[Said]:
    """A tree of secret statements, and any others by whichever key."""
    said = [Said(frozenset({name})) for name in person.explicit if draw(st.booleans())]
    for place in range(1, len(person.explicit)):
        near = person.explicit[draw(st.integers(0, place - 1))]
        said.append(Said(frozenset({person.explicit[place], near})))
    if len(person.explicit) > 1:
        some = st.frozensets(st.sampled_from(person.explicit), min_size=1, max_size=3)
        others = draw(st.lists(st.tuples(some, st.booleans()), max_size=3))
        said += [Said(names, public=public) for names, public in others]
    return said


def _visits(draw: st.DrawFn, person: _Person, cookie: Identifier) -> list[Said]:
    """Browsing, logins, and addresses among the attributes of whoever logs in."""
    said = [Said(frozenset({cookie}), public=True)] * draw(st.integers(0, 2))
    if not person.explicit or draw(st.booleans()):
        return said or [Said(frozenset({cookie}))]
    own = st.sampled_from(person.explicit)
    for name, public in draw(st.lists(st.tuples(own, st.booleans()), min_size=1, max_size=3)):
        said.append(Said(frozenset({name, cookie}), public=public))
    addresses = [name for name in person.explicit if name.kind != CRM_ID]
    if addresses and draw(st.booleans()):
        mentioned = draw(st.sampled_from(addresses))
        actor = draw(st.sampled_from([frozenset({cookie}), frozenset({person.explicit[0]})]))
        if mentioned not in actor:
            patch: Attributes = {mentioned.kind: mentioned.value}
            said.append(Said(actor, (mentioned,), patch, public=draw(st.booleans())))
    return said


def _sessions(draw: st.DrawFn, person: _Person, said: list[Said]) -> list[Said]:
    """Visits alone, visits in company, or both; returns what heals the last."""
    alone, together = draw(st.booleans()), draw(st.integers(0, 2))
    if alone:
        said.append(Said(frozenset({person.session}), public=True))
    company = [*person.cookies, *person.explicit]
    met = [frozenset({person.session, draw(st.sampled_from(company))}) for _ in range(together)]
    said += [Said(names, public=draw(st.booleans())) for names in met]
    return [Said(names) for names in dict.fromkeys(met)] if alone else []


def _dated(draw: st.DrawFn, said: Said) -> Said:
    second, jitter = draw(st.integers(0, 6)), draw(st.sampled_from([0, 0, 7]))
    patch = draw(patches)
    if said.patch and patch:
        patch |= said.patch
    return said._replace(second=second, jitter_ms=jitter, patch=patch or said.patch)


@st.composite
def tellings(draw: st.DrawFn, log: Log) -> list[list[int]]:
    """The log in some order, with repetitions, in batches of any size: places in `log.all`."""
    places = range(len(log.all))
    first, last = places[: len(log.said)], places[len(log.said) :]
    again = draw(st.lists(st.sampled_from(first), max_size=4))
    told = [*draw(st.permutations([*first, *again])), *draw(st.permutations(last))]
    told += draw(st.lists(st.sampled_from(places), max_size=2))
    batches: list[list[int]] = []
    while told:
        size = draw(st.integers(1, len(told)))
        batches.append(told[:size])
        told = told[size:]
    return batches


def expected(log: Sequence[Said]) -> set[frozenset[Identifier]]:
    """Return who is who: whatever was named together, save sessions that never came alone."""
    alone = {name for said in log for name in said.names if len(said.names) == 1}
    people: list[set[Identifier]] = []
    for said in log:
        named = {n for n in said.names if n.kind != SESSION or n in alone} | {*said.mentions}
        joined = [person for person in people if person & named]
        people = [person for person in people if person not in joined]
        people.append(named.union(*joined))
    return {frozenset(person) for person in people if person}


def kind_of(person: Iterable[Identifier]) -> str:
    return "anchor" if any(name.kind in EXPLICIT for name in person) else "shadow"
