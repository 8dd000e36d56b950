"""Lists people: newest first, filtered, or whoever an identifier begins like a text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from unicodedata import normalize
from uuid import UUID

import msgspec

from identity.identifiers import e164
from identity.read_merges import IdentifierName
from identity.strongest import strongest_of
from keystone import bounded
from keystone.clock import iso
from keystone.reading import Moment, select
from keystone.source import Source

#: Identifiers shown of each person.
SHOWN = 5
#: Identifiers that begin like a text and are looked at, at most; beyond these a page is `capped`.
MATCHES_MAX = 10_000


class ProfileSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One person, and the few identifiers by which they are best known, strongest first."""

    id: UUID
    kind: str
    identifiers: list[IdentifierName]
    first_seen: Moment
    last_seen: Moment


class ProfilePage(msgspec.Struct, frozen=True):
    """People, newest first."""

    results: list[ProfileSummary]
    next: str | None
    #: So many identifiers begin like `q` that people are missing.
    capped: bool | msgspec.UnsetType = msgspec.UNSET


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which people a page shows."""

    limit: int
    kind: str | None = None
    #: The beginning of an identifier's value.
    text: str | None = None
    seen_after: datetime | None = None
    #: Id of the last person on the page before.
    after: UUID | None = None


class People(NamedTuple):
    """A page, the id after which the next one begins, and whether people are missing."""

    page: list[ProfileSummary]
    position: UUID | None
    capped: bool = False


_MATCHES = """merged_into IS NULL AND erased_at IS NULL
              AND (%(kind)s::text IS NULL OR kind = %(kind)s)
              AND (%(seen_after)s::timestamptz IS NULL OR last_seen > %(seen_after)s)"""
# profile_by_org, whose order no other index has; merged-away profiles are looked at, too.
_NEWEST = f"""
SELECT id, kind, first_seen, last_seen, depth, matches
FROM (
    SELECT org_id, id, kind, first_seen, last_seen,
           row_number() OVER (ORDER BY org_id DESC, id DESC) AS depth,
           {_MATCHES} AS matches
    FROM profile
    WHERE org_id >= %(organization)s AND (org_id, id) < (%(organization)s, %(beyond)s::uuid)
    ORDER BY org_id DESC, id DESC LIMIT %(reach)s
) AS looked_at
WHERE matches OR depth = %(reach)s ORDER BY org_id DESC, id DESC LIMIT %(limit)s + 1
"""  # noqa: S608 - constants
# identifier_by_value, which is sorted by bytes: a range of them, so that no LIKE needs escaping.
# The first row tells of `capped` even where nobody is left to show.
_NAMED = f"""
WITH found AS MATERIALIZED (
    SELECT arm.profile_id, arm.place
    FROM unnest(%(prefixes)s::text[]) AS said (prefix) CROSS JOIN LATERAL (
        SELECT profile_id, row_number() OVER (ORDER BY value USING ~<~) AS place
        FROM identifier
        WHERE org_id = %(organization)s AND status <> 'erased'
          AND value ~>=~ said.prefix AND value ~<~ (said.prefix || %(last)s)
        ORDER BY value USING ~<~ LIMIT %(most)s + 1
    ) AS arm
)
SELECT id, kind, first_seen, last_seen, 0, TRUE, bound.is_reached
FROM (SELECT COALESCE(max(place) > %(most)s, FALSE) AS is_reached FROM found) AS bound
LEFT JOIN LATERAL (
    SELECT id, kind, first_seen, last_seen
    FROM (SELECT DISTINCT profile_id FROM found WHERE profile_id < %(beyond)s) AS named
    CROSS JOIN LATERAL (
        SELECT * FROM profile
        WHERE id = named.profile_id AND org_id = %(organization)s AND {_MATCHES} LIMIT 1
    ) AS one
    ORDER BY id DESC LIMIT %(limit)s + 1
) AS person ON TRUE
ORDER BY id DESC
"""  # noqa: S608 - constants
_BEYOND = UUID(int=(1 << 128) - 1)
#: Sorted after every character that a value may go on with.
_LAST = "\U0010ffff"


class _Row(NamedTuple):
    id: UUID
    kind: str
    first_seen: datetime
    last_seen: datetime
    depth: int
    matches: bool


def people(source: Source, wanted: Wanted) -> People:
    """Return a page of the people of the caller's organization, newest first."""
    params = {
        "organization": source.organization_id,
        "beyond": wanted.after or _BEYOND,
        "kind": wanted.kind,
        "seen_after": wanted.seen_after,
        "limit": wanted.limit,
    }
    if wanted.text is None:
        reach = max(wanted.limit + 1, bounded.REACH)
        looked_at = [_Row(*row) for row in select(_NEWEST, **params, reach=reach)]
        rows, last = bounded.whole(looked_at, wanted.limit, reach)
        return People(_shown(rows), last and last.id)
    found = select(_NAMED, **params, prefixes=prefixes(wanted.text), last=_LAST, most=MATCHES_MAX)
    named = [_Row(*row[:-1]) for row in found if row[0]]
    rows = named[: wanted.limit]
    return People(_shown(rows), rows[-1].id if len(named) > len(rows) else None, found[0][-1])


def prefixes(text: str) -> list[str]:
    """Return how an identifier may begin whose beginning is given: as it stands, or normalized.

    >>> prefixes("Ana@"), prefixes("0044 20 7946 0958")
    (['Ana@', 'ana@'], ['+442079460958', '0044 20 7946 0958'])
    """
    text = text.strip()
    return sorted({text, normalize("NFC", text.lower()), e164(text) or text})


def _shown(rows: Sequence[_Row]) -> list[ProfileSummary]:
    known = strongest_of([row.id for row in rows], SHOWN)
    return [
        ProfileSummary(
            id=row.id,
            kind=row.kind,
            identifiers=[name for _, name in known.get(row.id, ())],
            first_seen=iso(row.first_seen),
            last_seen=iso(row.last_seen),
        )
        for row in rows
    ]
