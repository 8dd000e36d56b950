"""Profiles while their attributes are being changed: read, folded again, written with lineage.

Each function is one statement for 1 or 5,000 profiles, over rows sorted by id. A profile goes from
the version read to the next one even where no attribute changes: what another transaction decides
meanwhile, not seeing our operations, must not stand.

Lineage keeps values of up to `LOGGED_MAX`; of a larger one it says how large it was. A list that is
appended to ten thousand times would otherwise be kept ten thousand times. What was said stays whole
in the operations, what came of it in the profile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from identity import backlog, history
from identity.attributes import KEYS_MAX, SortKey, State, replace
from identity.backlog import Refold
from identity.races import LostRace
from identity.values import Attributes, Change, Slot, changes
from keystone.db import Cursor, json_rows
from keystone.ids import new_id

V = TypeVar("V")

logger = logging.getLogger(__name__)

#: Bytes of JSON of a value that lineage keeps.
LOGGED_MAX = 8_192

# As text: msgspec takes numbers as their digits say, whatever the connection makes of jsonb.
_READ = """
SELECT place, version, merged_into IS NULL, attributes::text, mentioned::text
FROM json_to_recordset(%(rows)s::json) AS asked (place int, id uuid, org_id uuid)
JOIN profile ON profile.id = asked.id AND profile.org_id = asked.org_id
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
    #: Keys that history decides: `refold` puts them right, or the profile is `postponed`: they
    #: keep their value until `collapse_profiles` has folded it again.
    stale: set[str] = set()
    postponed: Cause | None = None
    #: By key, the last that had a part in it.
    causes: dict[str, Cause] = {}
    lineage: list[tuple[Cause, Change]] = []

    def log_changes(self, keys: Iterable[str]) -> None:
        """Add what became of some top-level keys, all in all, to the lineage."""
        found = changes(self.before, self.state.attributes, keys)
        self.lineage += [(self.causes[change.path[0]], change) for change in found]

    def settle(self, folded: State, cause: Cause, keys: Collection[str] | None = None) -> None:
        """Become what history adds up to, in some keys or in all; note what that changed."""
        if keys is None:
            self.state = folded
        else:
            self.state = State(
                {**_without(self.state.attributes, keys), **folded.attributes},
                {**_without(self.state.mentioned, keys), **folded.mentioned},
            )
        self.lineage += [(cause, each) for each in changes(self.before, self.state.attributes)]

    @property
    def only_keys(self) -> Collection[str] | None:
        """The keys of a profile that takes no new ones; None for all others."""
        is_full = self.state.full or len(self.state.mentioned) >= KEYS_MAX
        return self.state.mentioned.keys() if is_full else None


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

    A profile with more operations than a request may read is `postponed`. No statement when there
    are no stale keys.
    """
    stale = {draft.id: draft for draft in drafts if draft.stale}
    if not stale:
        return
    said, beyond = history.mentioning(cursor, {id_: stale[id_].stale for id_ in stale})
    for id_, draft in stale.items():
        if id_ in beyond:
            draft.postponed = max(draft.causes.values(), key=lambda cause: cause.occurred_at)
        else:
            draft.state = replace(draft.state, history.fold_keys(said[id_], draft.stale))


def write(cursor: Cursor, drafts: Collection[Draft], now: datetime) -> None:
    """Store what profiles have become, their lineage if there is any, and what is left to do.

    Raises `LostRace` when one of them was written since it was read.
    """
    written = cursor.ask(_UPDATE, rows=json_rows(map(_profile_row, drafts)))
    rows = [_lineage_row(draft, *why) for draft in drafts for why in draft.lineage]
    if rows:
        cursor.send(_LOG, rows=json_rows(rows), now=now)
    postponed = [_refold(each, each.postponed) for each in drafts if each.postponed]
    backlog.enqueue_refolds(cursor, postponed, now)
    if len(written()) < len(drafts):
        raise LostRace


def _draft(
    id_: UUID, organization_id: UUID, version: int, is_root: bool, attributes: str, mentioned: str
) -> Draft:
    known = _attributes(attributes)
    full = len(attributes) >= history.SIZE_MAX
    state = State(known, _mentioned(mentioned), full)
    draft = Draft(id_, organization_id, version, is_root, known, state)
    if draft.only_keys is not None:
        logger.warning("profile takes no new keys", extra={"profile_id": str(id_)})
    return draft


def _profile_row(draft: Draft) -> _ProfileRow:
    return _ProfileRow(draft.id, draft.version, draft.state.attributes, draft.state.mentioned)


def _lineage_row(draft: Draft, cause: Cause, change: Change) -> _LineageRow:
    return _LineageRow(
        new_id(),
        draft.organization_id,
        draft.id,
        change.path,
        change.op,
        _within_bounds(change.old),
        _within_bounds(change.new),
        cause.occurred_at,
        cause.event_id,
        cause.source_id,
        cause.merge_id,
    )


def _within_bounds(value: Slot) -> Slot:
    if not isinstance(value, str | list | dict) or len(value) == 0:
        return value
    if isinstance(value, str) and len(value) <= LOGGED_MAX // 6:  # \\u0000 is the longest
        return value
    size = len(msgspec.json.encode(value))
    return value if size <= LOGGED_MAX else {"$omitted_bytes": size}


def _refold(draft: Draft, cause: Cause) -> Refold:
    return Refold(
        profile_id=draft.id,
        organization_id=draft.organization_id,
        seen_at=cause.occurred_at,
        event_id=cause.event_id,
        source_id=cause.source_id,
        merge_id=cause.merge_id,
    )


def _without(values: Mapping[str, V], keys: Collection[str]) -> dict[str, V]:
    return {key: value for key, value in values.items() if key not in keys}
