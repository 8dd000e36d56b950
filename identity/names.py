"""Finds people for staff: by whatever text names them, and by what to call them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from identity.identifiers import KINDS, Unusable, identifier
from identity.models import Identifier
from keystone.models import Organization
from keystone.reading import select

#: Organizations that one search tries: each has a digest of its own for every kind.
ORGANIZATIONS_MAX = 1_000

# Of a kiosk's thousands of devices some are looked at: the strongest of these names the person.
_STRONGEST = """
SELECT asked.id, said.kind, said.value
FROM unnest(%(ids)s::uuid[]) AS asked (id) CROSS JOIN LATERAL (
    SELECT kind, value
    FROM (SELECT kind, value, last_seen FROM identifier WHERE profile_id = asked.id LIMIT 100) few
    ORDER BY array_position(%(kinds)s::text[], kind::text), last_seen DESC LIMIT 1
) AS said
"""


def keys_of(text: str, organizations: Iterable[Organization]) -> list[UUID]:
    """Return the keys that a text has as an identifier of any kind, in each organization."""
    secrets = [bytes(organization.secret) for organization in organizations]
    said = []
    for kind in KINDS:
        try:
            said.append(identifier(kind, text))
        except Unusable:
            continue
    return [each.key(secret) for each in said if each for secret in secrets]


def known(text: str, organizations: Iterable[Organization]) -> list[Identifier]:
    """Return the identifiers that a text names."""
    return list(Identifier.objects.filter(key__in=keys_of(text, organizations)))


def strongest_of(profile_ids: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return the (kind, value) by which each person is best known."""
    rows = select(_STRONGEST, ids=list(profile_ids), kinds=list(KINDS))
    return {id_: (kind, value) for id_, kind, value in rows}


def as_id(text: str) -> UUID | None:
    """Read an id; None for what is none."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None
