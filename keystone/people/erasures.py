"""Requests to erase people, and how far each is: rows that hold keys, ids and counts only."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from identity.identifiers import EXPLICIT, Identifier
from identity.models import Erasure
from keystone.clock import iso
from keystone.db import Cursor
from keystone.ids import new_id
from keystone.models import ApiKey
from keystone.people.erasure import committed, lock_owner
from keystone.reading import Moment
from keystone.source import Source

_IS_KEPT_OUT = """
SELECT EXISTS (SELECT FROM failed_event WHERE actor_keys @> ARRAY[%(key)s::uuid])
    OR EXISTS (SELECT FROM refusal WHERE subject_key = %(key)s OR other_key = %(key)s)
"""
_ADOPT = """
WITH person AS (
    INSERT INTO profile (id, org_id, kind, attributes, mentioned, version, first_seen, last_seen)
    VALUES (%(person)s, %(org_id)s, %(profile_kind)s, '{}', '{}', 0, %(now)s, %(now)s)
)
INSERT INTO identifier (key, org_id, kind, value, profile_id, home_id, source_id,
                        linked_at, first_seen, last_seen, status)
VALUES (%(key)s, %(org_id)s, %(kind)s, '', %(person)s, %(person)s, %(source_id)s,
        %(now)s, %(now)s, %(now)s, 'active')
"""
# The one that runs, else the last one, of whoever has the identifier now.
_KNOWN = """
SELECT id FROM erasure
WHERE org_id = %(org_id)s
  AND (profile_id = %(person)s OR identifier_key = %(key)s AND finished_at IS NULL)
ORDER BY finished_at IS NULL DESC, id DESC LIMIT 1
"""
_ASK = """
INSERT INTO erasure (id, org_id, identifier_key, profile_id, status, requested_by, requested_at,
                     counts, attempts, next_attempt_at)
VALUES (%(id)s, %(org_id)s, %(key)s, %(person)s, 'enqueued', %(by)s, %(now)s, '{}', 0, %(now)s)
"""


class ErasureAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate: who asked when, how far it is, how many rows were erased in each place."""

    id: UUID
    status: str  # enqueued, running, completed
    profile_id: UUID
    requested_at: Moment
    requested_by: str
    started_at: Moment | None
    finished_at: Moment | None
    counts: dict[str, int]


def request(source: Source, named: Identifier, now: datetime) -> tuple[UUID, bool] | None:
    """Ask for a person to be erased; return the id of the erasure, and whether it is new.

    None where nothing at all is known under this identifier. Whoever asks again gets the same one.
    """
    by = f"key {ApiKey.objects.get(pk=source.key_id).display}"
    return committed(lambda cursor: _request(cursor, source, named, now, by))


def by_id(source: Source, id_: UUID) -> ErasureAnswer | None:
    """Return an erasure of the caller's organization."""
    row = Erasure.objects.filter(pk=id_, organization_id=source.organization_id).first()
    if row is None:
        return None
    return ErasureAnswer(
        id=row.id,
        status=row.status,
        profile_id=row.profile_id,
        requested_at=iso(row.requested_at),
        requested_by=row.requested_by,
        started_at=iso(row.started_at) if row.started_at else None,
        finished_at=iso(row.finished_at) if row.finished_at else None,
        counts=row.counts,
    )


def _request(
    cursor: Cursor, source: Source, named: Identifier, now: datetime, by: str
) -> tuple[UUID, bool] | None:
    key = named.key(source.organization_secret)
    said = {"org_id": source.organization_id, "key": key, "now": now}
    person = lock_owner(cursor, key)
    if person is None:
        if not cursor.run(_IS_KEPT_OUT, key=key)[0][0]:
            return None
        person = _adopt(cursor, source, named, said)
    known = cursor.run(_KNOWN, org_id=source.organization_id, key=key, person=person)
    if known:
        return known[0][0], False
    id_ = new_id()
    cursor.send(_ASK, **said, id=id_, person=person, by=by)
    return id_, True


def _adopt(cursor: Cursor, source: Source, named: Identifier, said: dict[str, object]) -> UUID:
    """Make a person of an identifier that only failed events or refusals name.

    Without its value: for the tombstone, by which that identifier is known from now on.
    """
    person = new_id()
    cursor.send(
        _ADOPT,
        **said,
        person=person,
        kind=named.kind,
        profile_kind="anchor" if named.kind in EXPLICIT else "shadow",
        source_id=source.key_id,
    )
    return person
