"""Reads the tally back: what became of everything that came in, per hour, key and door."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from keystone.clock import iso
from keystone.db import Row
from keystone.reading import Moment, select
from keystone.source import Source

_DROPPED = "dropped:"


class TallyHour(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of one key at one door; `received` is the sum of the others."""

    hour: Moment
    key: UUID
    door: str
    received: int
    stored: int
    duplicate: int
    dropped: dict[str, int]
    failed: int


class TallyPage(msgspec.Struct, frozen=True):
    """Hours, newest first."""

    results: list[TallyHour]
    next: str | None


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    hour: Annotated[datetime, msgspec.Meta(tz=True)]
    key: UUID
    door: Annotated[str, msgspec.Meta(pattern=r"^\w*$")]


# A page is made from what `tally_by_hour` finds in the time asked for; rolled up, that is a row
# an hour, key, door and outcome.
_PAGE = """
SELECT hour, source_id, door, json_object_agg(outcome, count)::text
FROM (
    SELECT hour, source_id, door, outcome, sum(count)::bigint AS count
    FROM tally
    WHERE org_id = %(organization)s
      AND (%(since)s::timestamptz IS NULL OR hour >= %(since)s)
      AND (%(before)s::timestamptz IS NULL OR hour < %(before)s)
      AND (%(key)s::uuid IS NULL OR source_id = %(key)s)
      AND (%(hour)s::timestamptz IS NULL OR (hour, source_id, door)
           < (%(hour)s::timestamptz, %(source)s::uuid, %(door)s))
    GROUP BY hour, source_id, door, outcome
) AS counted
GROUP BY hour, source_id, door
ORDER BY hour DESC, source_id DESC, door DESC LIMIT %(limit)s + 1
"""


def page(
    source: Source,
    *,
    limit: int,
    since: datetime | None = None,
    before: datetime | None = None,
    key: UUID | None = None,
    after: Position | None = None,
) -> tuple[list[TallyHour], Position | None]:
    """Return a page of the hours from that of `since` on and before `before`."""
    rows = select(
        _PAGE,
        organization=source.organization_id,
        since=since and since.replace(minute=0, second=0, microsecond=0),
        before=before,
        key=key,
        hour=after and after.hour,
        source=after and after.key,
        door=after and after.door,
        limit=limit,
    )
    shown = rows[:limit]
    return [_answer(row) for row in shown], Position(*shown[-1][:3]) if len(rows) > limit else None


def _answer(row: Row) -> TallyHour:
    hour, key, door, outcomes = row
    counts = msgspec.json.decode(outcomes, type=dict[str, int])
    dropped = {
        outcome.removeprefix(_DROPPED): count
        for outcome, count in sorted(counts.items())
        if outcome.startswith(_DROPPED)
    }
    stored, duplicate, failed = (counts.get(each, 0) for each in ("stored", "duplicate", "failed"))
    return TallyHour(
        hour=iso(hour),
        key=key,
        door=door,
        received=stored + duplicate + sum(dropped.values()) + failed,
        stored=stored,
        duplicate=duplicate,
        dropped=dropped,
        failed=failed,
    )
