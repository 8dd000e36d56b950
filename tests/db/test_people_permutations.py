"""Order of arrival does not matter (DESIGN §2, promise 3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.identifiers import SESSION
from identity.models import Identifier, Profile
from ingest.isolation import process_isolated
from ingest.models import Event
from ingest.record import Outcome, Record
from keystone import clock
from tests.db.people import People, people_of
from tests.db.worlds import Log, Tenant, expected, kind_of, logs, tellings

TELLINGS = 3


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant()


def tell(batches: Sequence[Sequence[Record]]) -> Counter[str]:
    """Process batch after batch; return how many records became what."""
    became: Counter[str] = Counter()
    for batch in batches:
        results = process_isolated(batch, clock.now())
        assert all(isinstance(result, Outcome) for result in results), results
        became.update(result.status for result in results if isinstance(result, Outcome))
    return became


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_order_gives_the_same_people(tenant: Tenant, data: st.DataObject) -> None:
    log = data.draw(logs())
    records = tenant.records(log.all)
    stands: Outlook | None = None
    for _ in range(TELLINGS):
        tenant.forget()
        told = data.draw(tellings(log))
        became = tell([[records[place] for place in batch] for batch in told])
        assert became == Counter(stored=len(records), duplicate=became["duplicate"])
        assert Event.objects.filter(organization_id=tenant.id).count() == len(records)
        look = outlook(tenant)
        assert_as_expected(log, tenant, look)
        stands = stands or look
        assert look.people == stands.people
        assert look.first_seen == stands.first_seen
    assert_seen_when_they_acted(tenant)


class Outlook(NamedTuple):
    """What is stored of people, by identifiers; (`last_seen` may lag a minute behind)."""

    people: People
    first_seen: dict[object, datetime]


def outlook(tenant: Tenant) -> Outlook:
    names = Identifier.objects.filter(organization_id=tenant.id).select_related("profile")
    owned: defaultdict[Profile, set[UUID]] = defaultdict(set)
    for name in names:
        owned[name.profile].add(name.key)
    # A session in company is not looked at: it may be no identifier yet.
    first_seen: dict[object, datetime] = {
        name.key: name.first_seen for name in names if name.kind != SESSION
    }
    people = {frozenset(keys): person.first_seen for person, keys in owned.items()}
    return Outlook(people_of(tenant.id), {**first_seen, **people})


def assert_as_expected(log: Log, tenant: Tenant, look: Outlook) -> None:
    who = {frozenset(map(tenant.key, person)): kind_of(person) for person in expected(log.all)}
    assert {keys: kind for keys, (kind, _, _) in look.people.items()} == who


def assert_seen_when_they_acted(tenant: Tenant) -> None:
    """A person was first seen at the earliest of the events that are theirs."""
    first: dict[UUID, datetime] = {}
    for event in Event.objects.filter(organization_id=tenant.id):
        known = first.get(event.actor_key, event.occurred_at)
        first[event.actor_key] = min(known, event.occurred_at)
    look = outlook(tenant)
    for keys in look.people:
        assert look.first_seen[keys] == min(first[key] for key in keys if key in first)
