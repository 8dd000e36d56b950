"""Reads the identifiers by which people are best known: strongest kind first, then newest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from identity.identifiers import KINDS
from identity.read_merges import IdentifierName
from keystone.reading import select

# By identifier_by_profile (profile_id, kind, linked_at): of a kiosk's thousands of devices the
# newest few are looked at.
_STRONGEST = """
SELECT asked.id, said.key, said.kind, said.value
FROM unnest(%(ids)s::uuid[]) AS asked (id) CROSS JOIN LATERAL (
    SELECT arm.*, sort.rank
    FROM unnest(%(kinds)s::text[]) WITH ORDINALITY AS sort (kind, rank) CROSS JOIN LATERAL (
        SELECT key, kind, value, linked_at
        FROM identifier
        WHERE profile_id = asked.id AND identifier.kind = sort.kind AND status <> 'erased'
        ORDER BY linked_at DESC LIMIT %(most)s
    ) AS arm
    ORDER BY rank, linked_at DESC, key LIMIT %(most)s
) AS said
ORDER BY asked.id, said.rank, said.linked_at DESC, said.key
"""


def strongest_of(
    profile_ids: Collection[UUID], most: int
) -> dict[UUID, list[tuple[UUID, IdentifierName]]]:
    """Return by person the (key, name) of at most so many of its identifiers, not the erased."""
    found = defaultdict(list)
    for id_, key, kind, value in select(
        _STRONGEST, ids=list(profile_ids), kinds=list(KINDS), most=most
    ):
        found[id_].append((key, IdentifierName(kind, value)))
    return found
