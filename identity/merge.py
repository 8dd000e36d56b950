"""Collapses profiles: the losers' identifiers come to point at the winner, and nothing else moves.

Events, sessions and orders point at identifiers, so a merge costs the same for a shadow with ten
events and with a hundred thousand, rewrites no history, and can be taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from identity.lineage import AttributesBefore, Merged, merge_attributes
from identity.sighting import Collapse, Link, Person, Place
from keystone.db import Cursor, json_rows, uuid_array

_REPOINT = """
UPDATE identifier SET profile_id = pair.winner, linked_at = %(now)s
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
# Whom the loser must not become one with, the winner must not either.
_BAR_LEFT = """
UPDATE cannot_link SET left_id = pair.winner
FROM json_to_recordset(%(pairs)s::json) AS pair (loser uuid, winner uuid)
WHERE left_id = pair.loser
"""
_BAR_RIGHT = """
UPDATE cannot_link SET right_id = pair.winner
FROM json_to_recordset(%(pairs)s::json) AS pair (loser uuid, winner uuid)
WHERE right_id = pair.loser
"""
# Whoever is named as one of many that are one person is what leads to the other person: so what led
# away from it leads to it. Not in force while they are turned: nobody may lose twice meanwhile.
_TURN = """
WITH RECURSIVE way AS (
    SELECT merge.id, merge.winner_id
    FROM unnest(%(homes)s::uuid[]) AS home JOIN merge ON loser_id = home AND undone_at IS NULL
    UNION ALL
    SELECT merge.id, merge.winner_id
    FROM way JOIN merge ON loser_id = way.winner_id AND undone_at IS NULL
)
UPDATE merge SET winner_id = loser_id, loser_id = merge.winner_id, undone_at = %(now)s
FROM way WHERE merge.id = way.id RETURNING merge.id
"""
_TURNED = "UPDATE merge SET undone_at = NULL WHERE id = ANY(%(ids)s::uuid[])"
_RECORD = """
INSERT INTO merge (id, org_id, winner_id, loser_id, identifiers, event_id, source_id, rule, by,
                   attributes_before, at, undone_by)
SELECT id, org_id, winner_id, loser_id, identifiers, event_id, source_id, rule, by,
       attributes_before, %(now)s, ''
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, winner_id uuid, loser_id uuid, identifiers uuid[], event_id uuid,
    source_id uuid, rule text, by text, attributes_before jsonb)
"""


def collapse(
    cursor: Cursor, collapses: Sequence[Collapse], links: Sequence[Link], now: datetime
) -> set[UUID]:
    """Carry out collapses of locked people; their new profiles and `links` are inserted already.

    Returns the winners whose attributes `collapse_profiles` will have put right a moment later.
    """
    losers = sorted((each.loser for each in collapses), key=lambda loser: loser.id)
    pairs = json_rows({"loser": loser.id, "winner": loser.root.id} for loser in losers)
    repointed = cursor.ask(_REPOINT, pairs=pairs, now=now)
    cursor.send(_RETIRE, pairs=pairs)
    if any(loser.barred for loser in losers):
        cursor.send(_BAR_LEFT, pairs=pairs)
        cursor.send(_BAR_RIGHT, pairs=pairs)
    moved = _moved(links, repointed())
    before, postponed = merge_attributes(cursor, [_merged(each) for each in collapses], now)
    ends, turned = _oriented(collapses)
    if turned:
        ids = cursor.run(_TURN, homes=uuid_array(turned), now=now)
        cursor.send(_TURNED, ids=uuid_array(id_ for (id_,) in ids))
    rows = (_row(each, *ends[each.merge_id], moved, before) for each in collapses)
    cursor.send(_RECORD, rows=json_rows(rows), now=now)
    return postponed


def _oriented(collapses: Sequence[Collapse]) -> tuple[dict[UUID, tuple[UUID, UUID]], list[UUID]]:
    """Return (loser, winner) by merge id, and homes from which merges in force are to be turned.

    A merge is between the two homes that were named together. All merges in force of a person lead
    to its root; where the loser is named by a home that is not its own root, that home is now the
    way out of all that the loser was.
    """
    near: defaultdict[Person, list[tuple[UUID, Place, Place]]] = defaultdict(list)
    for each in collapses:
        near[each.out_of.person].append((each.merge_id, each.out_of, each.into))
        near[each.into.person].append((each.merge_id, each.into, each.out_of))
    ends: dict[UUID, tuple[UUID, UUID]] = {}
    turned: list[UUID] = []
    reached = list({each.loser.root for each in collapses})
    while reached:
        for merge_id, here, there in near[reached.pop()]:
            if merge_id not in ends:
                ends[merge_id] = there.home, here.home
                reached.append(there.person)
                if there.home != there.person.id:
                    turned.append(there.home)
    return ends, turned


def _moved(links: Sequence[Link], repointed: Sequence[tuple[UUID, UUID]]) -> dict[UUID, list[UUID]]:
    """By loser, the identifiers it brought: those it had, and those it was just given."""
    moved: dict[UUID, list[UUID]] = defaultdict(list)
    for loser, key in repointed:
        moved[loser].append(key)
    for link in links:
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
    loser_id: UUID,
    winner_id: UUID,
    moved: Mapping[UUID, Sequence[UUID]],
    before: Mapping[UUID, AttributesBefore],
) -> dict[str, object]:
    return {
        "id": collapse.merge_id,
        "org_id": collapse.sighting.organization_id,
        # Who were named together, not who these are part of: an undo takes one step back.
        "winner_id": winner_id,
        "loser_id": loser_id,
        "identifiers": sorted(moved.get(collapse.loser.id, ())),
        "event_id": collapse.sighting.event_id,
        "source_id": collapse.sighting.source_id,
        "rule": collapse.rule,
        "by": collapse.by,
        "attributes_before": before[collapse.merge_id],
    }
