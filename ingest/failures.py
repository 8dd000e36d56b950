"""The failed-event inbox: records that were accepted but refused by PostgreSQL, with the reason."""

from __future__ import annotations

from datetime import datetime

from ingest import receipts, tally
from ingest.record import FieldError, Outcome, Record
from keystone.db import Cursor
from keystone.ids import new_id

_KEEP = """
INSERT INTO failed_event (id, org_id, source_id, door, code, message, raw, event_id,
                          attempts, first_at, last_at)
VALUES (%(id)s, %(org_id)s, %(source_id)s, %(door)s, %(code)s, %(message)s, %(raw)s,
        %(event_id)s, 1, %(now)s, %(now)s)
ON CONFLICT (event_id) DO UPDATE
SET attempts = failed_event.attempts + 1, last_at = EXCLUDED.last_at,
    code = EXCLUDED.code, message = EXCLUDED.message
"""


def keep(cursor: Cursor, record: Record, error: Exception, now: datetime) -> Outcome:
    """Keep a record with its reason and count it; the same event is one row, however often sent."""
    reason = _reason(error)
    actor_key = record.identifiers[0].key(record.source.organization_secret)
    (id_,) = receipts.settle(cursor, [record], [actor_key])
    cursor.send(
        _KEEP,
        id=new_id(),
        org_id=record.source.organization_id,
        source_id=record.source.key_id,
        door=record.door,
        code=reason.code,
        message=reason.message,
        raw=record.raw,
        event_id=id_,
        now=now,
    )
    outcome = Outcome(status="failed", event_id=id_, warnings=record.warnings, error=reason)
    tally.count(cursor, [(record, outcome)], now)
    return outcome


def _reason(error: Exception) -> FieldError:
    """Say what PostgreSQL said, without the value: that stays in the inbox, out of answers."""
    state = getattr(error, "sqlstate", None)
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    code = f"sqlstate_{state}" if state else type(error).__name__
    return FieldError(loc=(), code=code, message=primary or "The value cannot be stored.")
