"""The failed-event inbox: records that were accepted but refused by PostgreSQL, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from identity import protect
from identity.identifiers import Identifier
from identity.resolve import look_up
from identity.sighting import Sighting
from ingest import receipts, tally
from ingest.record import FieldError, Outcome, Record
from keystone.db import Cursor
from keystone.ids import new_id

_KEEP = """
INSERT INTO failed_event (id, org_id, source_id, door, code, message, raw, actor_keys, event_id,
                          attempts, first_at, last_at)
VALUES (%(id)s, %(org_id)s, %(source_id)s, %(door)s, %(code)s, %(message)s, %(raw)s,
        %(actor_keys)s::uuid[], %(event_id)s, 1, %(now)s, %(now)s)
ON CONFLICT (event_id) DO UPDATE
SET attempts = failed_event.attempts + 1, last_at = EXCLUDED.last_at,
    code = EXCLUDED.code, message = EXCLUDED.message
"""
# Whoever erases somebody waits for the transactions that have an id, and that may not have seen
# the tombstones (`keystone.people.erasure`). So it comes before we look for these.
_BEGIN = "SELECT pg_current_xact_id()"


def keep(cursor: Cursor, record: Record, error: Exception, now: datetime) -> Outcome:
    """Keep a record with its reason and count it; the same event is one row, however often sent.

    What is about somebody who was erased is dropped.
    """
    cursor.send(_BEGIN)
    said, mentioned = _keyed(record, record.identifiers), _keyed(record, record.mentions)
    (id_,) = receipts.settle(cursor, [record], [next(iter(said))])
    sighting = Sighting(
        organization_id=record.source.organization_id,
        source_id=record.source.key_id,
        event_id=id_,
        seen_at=record.occurred_at,
        actor_key=next(iter(said)),
        identifiers=said,
        mentions=mentioned,
    )
    if protect.suppressed([sighting], look_up(cursor, [sighting])().known):
        outcome = Outcome(status="dropped", event_id=id_, reason="suppressed")
    else:
        outcome = _keep(cursor, record, _reason(error), sighting, now)
    tally.count(cursor, [(record, outcome)], now)
    return outcome


def _keep(
    cursor: Cursor, record: Record, reason: FieldError, sighting: Sighting, now: datetime
) -> Outcome:
    cursor.send(
        _KEEP,
        id=new_id(),
        org_id=record.source.organization_id,
        source_id=record.source.key_id,
        door=record.door,
        code=reason.code,
        message=reason.message,
        raw=record.raw,
        actor_keys=list(dict.fromkeys((*sighting.identifiers, *sighting.mentions))),
        event_id=sighting.event_id,
        now=now,
    )
    return Outcome(
        status="failed", event_id=sighting.event_id, warnings=record.warnings, error=reason
    )


def _keyed(record: Record, said: Sequence[Identifier]) -> dict[UUID, Identifier]:
    return {each.key(record.source.organization_secret): each for each in said}


def _reason(error: Exception) -> FieldError:
    """Say what PostgreSQL said, without the value: that stays in the inbox, out of answers."""
    state = getattr(error, "sqlstate", None)
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    code = f"sqlstate_{state}" if state else type(error).__name__
    return FieldError(loc=(), code=code, message=primary or "The value cannot be stored.")
