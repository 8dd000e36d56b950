"""Records what was kept apart, and quarantines devices that met too many people.

Done at the end of a transaction: a row that somebody else is inserting is waited for, and who
waits here holds nothing that the other still wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from identity.protect import SHARED_DEVICE, SUGGESTED, Policy, Refused
from keystone.db import Cursor, json_rows
from keystone.ids import new_id

_RECORD = """
INSERT INTO refusal (id, org_id, fingerprint, reason, subject_key, other_key, subject, other,
                     event_id, source_id, at, suggestion, decided_by)
SELECT id, org_id, fingerprint, reason, subject_key, other_key, subject, other,
       event_id, source_id, %(now)s, suggestion, ''
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, fingerprint uuid, reason text, subject_key uuid, other_key uuid,
    subject text, other text, event_id uuid, source_id uuid, suggestion text)
ON CONFLICT (fingerprint) DO NOTHING
RETURNING subject_key
"""
# Other people, not their identities; and not for a row that is busy: the next meeting counts again.
_QUARANTINE = """
UPDATE identifier SET status = 'quarantined'
WHERE key IN (
    SELECT device.key
    FROM json_to_recordset(%(rows)s::json) AS asked (key uuid, after int)
    JOIN identifier device ON device.key = asked.key AND device.status = 'active'
    WHERE asked.after <= (
        SELECT count(DISTINCT met.profile_id)
        FROM (SELECT other_key FROM refusal
              WHERE subject_key = asked.key AND reason = 'shared_device' LIMIT 10000) AS with_it
        JOIN identifier met ON met.key = with_it.other_key
        WHERE met.profile_id <> device.profile_id
    )
    ORDER BY device.key FOR UPDATE OF device SKIP LOCKED
)
"""
# By refusal_by_subject and refusal_by_other: what has just moved, and met whom it was kept from.
_ACCEPT = """
UPDATE refusal SET suggestion = 'accepted', decided_at = %(now)s, decided_by = %(by)s
FROM identifier moved, identifier met
WHERE moved.profile_id = %(profile)s AND moved.linked_at = %(now)s
  AND ((refusal.subject_key = moved.key AND met.key = refusal.other_key)
       OR (refusal.other_key = moved.key AND met.key = refusal.subject_key))
  AND met.profile_id = %(profile)s AND suggestion = 'open'
"""


def record(
    cursor: Cursor,
    refusals: Sequence[Refused],
    policies: Mapping[UUID, Policy],
    now: datetime,
) -> None:
    """Store refusals, each reason and pair once for ever; no statement for none."""
    if not refusals:
        return
    distinct = {each.fingerprint: each for each in refusals}
    rows = [_row(fingerprint, distinct[fingerprint]) for fingerprint in sorted(distinct)]
    recorded = {key for (key,) in cursor.run(_RECORD, rows=json_rows(rows), now=now)}
    shared = (each for each in refusals if each.reason == SHARED_DEVICE)
    _quarantine(cursor, (each for each in shared if each.subject in recorded), policies)


def accept(cursor: Cursor, profile_id: UUID, by: str, now: datetime) -> None:
    """Close suggestions to merge whom `profile_id` has just become; its identifiers moved `now`."""
    cursor.send(_ACCEPT, profile=profile_id, by=by, now=now)


def _row(fingerprint: UUID, refused: Refused) -> dict[str, object]:
    return {
        "id": new_id(),
        "org_id": refused.sighting.organization_id,
        "fingerprint": fingerprint,
        "reason": refused.reason,
        "subject_key": refused.subject,
        "other_key": refused.other,
        "subject": refused.named(refused.subject),
        "other": refused.named(refused.other),
        "event_id": refused.sighting.event_id,
        "source_id": refused.sighting.source_id,
        "suggestion": "open" if refused.reason in SUGGESTED else "",
    }


def _quarantine(
    cursor: Cursor, refusals: Iterable[Refused], policies: Mapping[UUID, Policy]
) -> None:
    default = Policy()
    after = {
        each.subject: policies.get(each.sighting.organization_id, default).quarantine_after
        for each in refusals
    }
    if after:
        rows = [{"key": key, "after": after[key]} for key in sorted(after)]
        cursor.send(_QUARANTINE, rows=json_rows(rows))
