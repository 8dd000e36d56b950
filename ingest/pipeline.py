"""What is done with records, in order, in one transaction. Written down here and nowhere else.

A constant number of statements for 1 or 5,000 records, each over rows sorted by key. Events come
first: what is already there has had its effect and drops out as a duplicate, so that every later
step happens exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from identity import backlog, protect, refusals
from identity.attributes import Operation
from identity.identifiers import STRENGTH, Identifier
from identity.lineage import ProfileOperation, apply_operations
from identity.resolve import look_up, resolve
from identity.sighting import Resolution, Sighting
from ingest import events, receipts, tally
from ingest.record import Outcome, Record
from keystone.clock import to_ms
from keystone.db import Cursor
from orders import apply as orders
from orders.says import is_about_orders


class _Case(msgspec.Struct, gc=False):
    """One record on its way."""

    record: Record
    sighting: Sighting
    is_new: bool  # stored just now: everything else has had its effect, or must have none
    person: Resolution | None = None  # None: somebody who was erased


def process(
    cursor: Cursor,
    records: Sequence[Record],
    now: datetime,
    *,
    careful: bool = False,
    defer: bool = False,
) -> list[Outcome]:
    """Store records (1..5,000, of any organizations) and let them have their effect.

    Returns one outcome a record, in order. `careful`: after a lost race, see `identity.resolve`.
    `defer`: merges are left to `collapse_profiles`.
    Raises `psycopg.Error` for what PostgreSQL refuses and `LostRace`; the transaction is then to
    be rolled back (`ingest.isolation`).
    """
    identifiers = [_keyed(record, record.identifiers) for record in records]
    actor_keys = [next(iter(keyed)) for keyed in identifiers]
    ids = receipts.settle(cursor, records, actor_keys)
    stored = events.insert(cursor, records, ids, actor_keys)
    sightings = list(map(_sighting, records, ids, actor_keys, identifiers))
    look = look_up(cursor, sightings)
    cases = list(map(_Case, records, sightings, stored()))
    found = look()
    erased = protect.suppressed(sightings, found.known)
    events.remove(cursor, erased)
    new = [case for case in cases if case.is_new and case.sighting.event_id not in erased]
    fresh = [case.sighting for case in new]
    plan = resolve(cursor, found, fresh, now, careful=careful, defer=defer)
    for case in cases:
        if case.sighting.event_id not in erased:
            case.person = plan.resolution(case.sighting)
    changes = apply_operations(cursor, [_said(case) for case in new if case.record.attributes], now)
    backlog.enqueue_merges(cursor, plan.pending, now)
    bought = orders.apply_facts(cursor, [_fact(case) for case in new if _is_about_orders(case)])
    outcomes = [
        _outcome(case, changes.get(id_, 0), bought.get(id_))
        for id_, case in zip(ids, cases, strict=True)
    ]
    tally.count(cursor, zip(records, outcomes, strict=True), now)
    refusals.record(cursor, plan.refusals, found.policies, now)
    return outcomes


def _keyed(record: Record, said: Sequence[Identifier]) -> dict[UUID, Identifier]:
    secret = record.source.organization_secret
    return {identifier.key(secret): identifier for identifier in said}


def _sighting(
    record: Record, id_: UUID, actor_key: UUID, identifiers: dict[UUID, Identifier]
) -> Sighting:
    return Sighting(
        organization_id=record.source.organization_id,
        source_id=record.source.key_id,
        event_id=id_,
        seen_at=record.occurred_at,
        actor_key=actor_key,
        identifiers=identifiers,
        mentions=_keyed(record, record.mentions),
        says_attributes=bool(record.attributes),
        trusted=not record.source.public,
    )


def _said(case: _Case) -> ProfileOperation:
    sighting = case.sighting
    person = case.person
    assert person is not None, "a new case has a person"
    return ProfileOperation(
        profile_id=person.profile_id,
        organization_id=sighting.organization_id,
        source_id=sighting.source_id,
        op=_operation(case.record, sighting),
    )


def _operation(record: Record, sighting: Sighting) -> Operation:
    received_ms = to_ms(record.received_at)
    return Operation(
        actor_key=sighting.actor_key,
        event_id=sighting.event_id,
        occurred_at=record.occurred_at,
        client_ms=received_ms if record.client_ms is None else record.client_ms,
        strength=STRENGTH[record.identifiers[0].kind],
        patch=record.attributes or {},
    )


def _is_about_orders(case: _Case) -> bool:
    record = case.record
    return is_about_orders(record.kind, record.name, record.payload)


def _fact(case: _Case) -> orders.Fact:
    record, sighting = case.record, case.sighting
    return orders.Fact(
        organization_id=sighting.organization_id,
        event_id=sighting.event_id,
        actor_key=sighting.actor_key,
        occurred_at=record.occurred_at,
        trusted=sighting.trusted,
        kind=record.kind,
        name=record.name,
        payload=record.payload,
    )


def _outcome(case: _Case, changes: int, bought: orders.Effect | None) -> Outcome:
    """A repeat answers the current person; it merged and changed nothing."""
    record, person, is_new = case.record, case.person, case.is_new
    event_id = case.sighting.event_id
    if person is None:
        return Outcome(status="dropped", event_id=event_id, reason="suppressed")
    return Outcome(
        status="stored" if is_new else "duplicate",
        event_id=event_id,
        profile_id=person.profile_id,
        profile_kind=person.kind,
        merged_profile_ids=person.merged if is_new else (),
        is_pending=person.pending and is_new,
        changes=changes if is_new else 0,
        order=bought.order if bought and is_new else None,
        warnings=(*record.warnings, *bought.warnings) if bought else record.warnings,
    )
