"""Profiles while their attributes are being changed: read, folded again, written with lineage.

Each function is one statement for 1 or 5,000 profiles, over rows sorted by id. A profile goes from
the version read to the next one even where no attribute changes: what another transaction decides
meanwhile, not seeing our operations, must not stand.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from identity.attributes import KEYS_MAX, Operation, SortKey, State, fold_key, replace
from identity.races import LostRace
from identity.values import Attributes, Change, Json, Slot, changes
from keystone.db import Cursor, json_rows
from keystone.ids import new_id

logger = logging.getLogger(__name__)

#: A profile of so many characters of JSON takes no new keys (keystone.md §6; a soft limit).
SIZE_MAX = 1_048_576

# As text: msgspec takes numbers as their digits say, whatever the connection makes of jsonb.
_READ = """
SELECT place, version, merged_into IS NULL, attributes::text, mentioned::text
FROM json_to_recordset(%(rows)s::json) AS asked (place int, id uuid, org_id uuid)
JOIN profile ON profile.id = asked.id AND profile.org_id = asked.org_id
"""
# By the indexes identifier (profile_id) and attribute_op (actor_key, event_id).
_HISTORY = """
SELECT asked.id, said.key, (patch -> said.key)::text,
       actor_key, attribute_op.event_id, occurred_at, client_ms, strength
FROM json_to_recordset(%(rows)s::json) AS asked (id uuid, keys text[])
JOIN identifier ON identifier.profile_id = asked.id
JOIN attribute_op ON attribute_op.actor_key = identifier.key AND patch ?| asked.keys
CROSS JOIN LATERAL unnest(asked.keys) AS said (key)
WHERE patch ? said.key
"""
_UPDATE = """
UPDATE profile
SET attributes = new.attributes, mentioned = new.mentioned, version = new.version + 1
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, version int, attributes jsonb, mentioned jsonb)
WHERE profile.id = new.id AND profile.version = new.version
RETURNING 1
"""
_LOG = """
INSERT INTO attribute_change (id, org_id, profile_id, path, op, old, new, occurred_at,
                              recorded_at, event_id, source_id, merge_id)
SELECT id, org_id, profile_id, path, op, old, new, occurred_at,
       %(now)s, event_id, source_id, merge_id
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, profile_id uuid, path text[], op text, old jsonb, new jsonb,
    occurred_at timestamptz, event_id uuid, source_id uuid, merge_id uuid)
"""

_value: Callable[[str], Json] = msgspec.json.Decoder().decode
_attributes: Callable[[str], Attributes] = msgspec.json.Decoder(dict).decode
_mentioned = msgspec.json.Decoder(dict[str, tuple[int, int, int, str]]).decode


class Cause(msgspec.Struct, frozen=True, gc=False):
    """What a lineage row gives as its reason."""

    occurred_at: datetime
    event_id: UUID | None
    source_id: UUID | None
    merge_id: UUID | None = None


class _ProfileRow(msgspec.Struct, gc=False):
    """As `_UPDATE` wants it."""

    id: UUID
    version: int
    attributes: Attributes
    mentioned: dict[str, SortKey]


class _LineageRow(msgspec.Struct, gc=False):
    """As `_LOG` wants it; null and absent are both null in SQL, `op` tells them apart."""

    id: UUID
    org_id: UUID
    profile_id: UUID
    path: tuple[str, ...]
    op: str
    old: Slot
    new: Slot
    occurred_at: datetime
    event_id: UUID | None
    source_id: UUID | None
    merge_id: UUID | None


class Draft(msgspec.Struct):
    """One profile: as it was read, as it is becoming, and why."""

    id: UUID
    organization_id: UUID
    version: int
    is_root: bool
    before: Attributes
    state: State
    #: Keys that history decides: `refold` puts them right.
    stale: set[str] = set()
    #: By key, the last that had a part in it.
    causes: dict[str, Cause] = {}
    lineage: list[tuple[Cause, Change]] = []

    def log_changes(self, keys: Iterable[str]) -> None:
        """Add what became of some top-level keys, all in all, to the lineage."""
        found = changes(self.before, self.state.attributes, keys)
        self.lineage += [(self.causes[change.path[0]], change) for change in found]


def read(cursor: Cursor, owners: Mapping[UUID, UUID]) -> dict[UUID, Draft]:
    """Read profiles; `owners` gives the organization of each id. The result is sorted by id.

    Raises `LostRace` when one of them is not there.
    """
    asked = sorted(owners.items(), key=lambda item: item[0].int)
    # Places, not ids, come back: making a UUID of each costs more than all else in here.
    rows = cursor.run(
        _READ,
        rows=json_rows(
            {"place": place, "id": id_, "org_id": organization_id}
            for place, (id_, organization_id) in enumerate(asked)
        ),
    )
    if len(rows) < len(asked):
        raise LostRace
    return {asked[row[0]][0]: _draft(*asked[row[0]], *row[1:]) for row in sorted(rows)}


def refold(cursor: Cursor, drafts: Iterable[Draft]) -> None:
    """Fold stale keys again, from the operations of all identifiers of their profiles.

    No statement when there are none.
    """
    stale = {draft.id: draft for draft in drafts if draft.stale}
    if not stale:
        return
    history = _history(cursor, stale.values())
    for draft in stale.values():
        folded = {key: fold_key(history[draft.id, key], key) for key in draft.stale}
        draft.state = replace(draft.state, folded)


def write(cursor: Cursor, drafts: Collection[Draft], now: datetime) -> None:
    """Store what profiles have become, and their lineage if there is any.

    Raises `LostRace` when one of them was written since it was read.
    """
    written = cursor.ask(_UPDATE, rows=json_rows(map(_profile_row, drafts)))
    rows = [_lineage_row(draft, *why) for draft in drafts for why in draft.lineage]
    if rows:
        cursor.send(_LOG, rows=json_rows(rows), now=now)
    if len(written()) < len(drafts):
        raise LostRace


def _draft(
    id_: UUID, organization_id: UUID, version: int, is_root: bool, attributes: str, mentioned: str
) -> Draft:
    known = _attributes(attributes)
    full = len(attributes) >= SIZE_MAX
    state = State(known, _mentioned(mentioned), full)
    if full or len(state.mentioned) >= KEYS_MAX:
        logger.warning("profile takes no new keys", extra={"profile_id": str(id_)})
    return Draft(id_, organization_id, version, is_root, known, state)


def _history(
    cursor: Cursor, drafts: Iterable[Draft]
) -> defaultdict[tuple[UUID, str], list[Operation]]:
    """By profile and stale key, what each operation that mentions the key says of it."""
    asked = ({"id": draft.id, "keys": sorted(draft.stale)} for draft in drafts)
    history: defaultdict[tuple[UUID, str], list[Operation]] = defaultdict(list)
    for id_, key, value, actor_key, event_id, occurred_at, client_ms, strength in cursor.run(
        _HISTORY, rows=json_rows(asked)
    ):
        said = Operation(
            actor_key=actor_key,
            event_id=event_id,
            occurred_at=occurred_at,
            client_ms=client_ms,
            strength=strength,
            patch={key: _value(value)},
        )
        history[id_, key].append(said)
    return history


def _profile_row(draft: Draft) -> _ProfileRow:
    return _ProfileRow(draft.id, draft.version, draft.state.attributes, draft.state.mentioned)


def _lineage_row(draft: Draft, cause: Cause, change: Change) -> _LineageRow:
    return _LineageRow(
        new_id(),
        draft.organization_id,
        draft.id,
        change.path,
        change.op,
        change.old,
        change.new,
        cause.occurred_at,
        cause.event_id,
        cause.source_id,
        cause.merge_id,
    )
