"""Collapses profiles: the losers' identifiers come to point at the winner, and nothing else moves.

Events, sessions and orders point at identifiers, so a merge costs the same for a shadow with ten
events and with a hundred thousand, rewrites no history, and can be taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from identity.decide import Collapse, Plan
from identity.lineage import AttributesBefore, Merged, merge_attributes
from keystone.db import Cursor, json_rows

_REPOINT = """
UPDATE identifier SET profile_id = pair.winner
FROM json_to_recordset(%(pairs)s::json) AS pair (loser uuid, winner uuid)
WHERE identifier.profile_id = pair.loser
RETURNING pair.loser, identifier.key
"""
# Whoever was merged into a loser is now part of the winner: `merged_into` is always the root.
_RETIRE = """
WITH pair AS (
    SELECT * FROM json_to_recordset(%(pairs)s::json) AS pair (loser uuid, winner uuid)
), gone AS (
    SELECT loser AS id, winner FROM pair
    UNION
    SELECT earlier.id, winner FROM pair JOIN profile earlier ON earlier.merged_into = pair.loser
)
UPDATE profile SET merged_into = gone.winner FROM gone WHERE profile.id = gone.id
"""
_RECORD = """
INSERT INTO merge (id, org_id, winner_id, loser_id, identifiers, event_id, rule,
                   attributes_before, at, undone_by)
SELECT id, org_id, winner_id, loser_id, identifiers, event_id, rule, attributes_before, at, ''
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, winner_id uuid, loser_id uuid, identifiers uuid[], event_id uuid,
    rule text, attributes_before jsonb, at timestamptz)
"""


def collapse(cursor: Cursor, plan: Plan, now: datetime) -> None:
    """Carry out a plan's collapses; its new profiles and identifiers are inserted already."""
    losers = sorted((collapse.loser for collapse in plan.collapses), key=lambda loser: loser.id)
    pairs = json_rows({"loser": loser.id, "winner": loser.root.id} for loser in losers)
    moved = _moved(plan, cursor.run(_REPOINT, pairs=pairs))
    cursor.send(_RETIRE, pairs=pairs)
    before = merge_attributes(cursor, [_merged(collapse) for collapse in plan.collapses], now)
    rows = (_row(collapse, moved, before, now) for collapse in plan.collapses)
    cursor.send(_RECORD, rows=json_rows(rows))


def _moved(plan: Plan, repointed: Sequence[tuple[UUID, UUID]]) -> dict[UUID, list[UUID]]:
    """By loser, the identifiers it brought: those it had, and those of this very plan."""
    moved: dict[UUID, list[UUID]] = defaultdict(list)
    for loser, key in repointed:
        moved[loser].append(key)
    for link in plan.links:
        if link.person.winner is not None:
            moved[link.person.id].append(link.key)
    return moved


def _merged(collapse: Collapse) -> Merged:
    return Merged(
        merge_id=collapse.merge_id,
        organization_id=collapse.sighting.organization_id,
        winner_id=collapse.loser.root.id,
        loser_id=collapse.loser.id,
        event_id=collapse.sighting.event_id,
        source_id=collapse.sighting.source_id,
        at=collapse.sighting.seen_at,
    )


def _row(
    collapse: Collapse,
    moved: Mapping[UUID, Sequence[UUID]],
    before: Mapping[UUID, AttributesBefore],
    now: datetime,
) -> dict[str, object]:
    return {
        "id": collapse.merge_id,
        "org_id": collapse.sighting.organization_id,
        "winner_id": collapse.loser.root.id,
        "loser_id": collapse.loser.id,
        "identifiers": sorted(moved.get(collapse.loser.id, ())),
        "event_id": collapse.sighting.event_id,
        "rule": collapse.rule,
        "attributes_before": before[collapse.merge_id],
        "at": now,
    }
