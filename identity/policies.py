"""Reads organizations' rules of linking. Fresh for each batch: they travel with the look-up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from identity.protect import Policy
from keystone.db import Cursor, uuid_array

_READ = """
SELECT org_id, crm_ids, emails, phones, quarantine_after, public_links_per_hour, blocked_values
FROM identity_policy WHERE org_id = ANY(%(organizations)s::uuid[])
"""


def ask(cursor: Cursor, organizations: Iterable[UUID]) -> Callable[[], dict[UUID, Policy]]:
    """Ask for the rules of those that have their own; the call of what is returned waits."""
    answer = cursor.ask(_READ, organizations=uuid_array(set(organizations)))
    return lambda: {row[0]: _policy(*row[1:]) for row in answer()}


def _policy(
    crm_ids: int, emails: int, phones: int, after: int, links: int, blocked: list[str]
) -> Policy:
    return Policy(
        crm_ids=crm_ids,
        emails=emails,
        phones=phones,
        quarantine_after=after,
        public_links_per_hour=links,
        blocked=frozenset(blocked),
    )
