"""The pages about identity: what names people, who became whom, what is kept apart, and by whom.

The page of a person looks across the house and is the roof's: `keystone.people.admin`.
"""

from __future__ import annotations

from identity.admin import merges, operations, people, policies, refusals
from identity.admin.search import searched

__all__ = ["merges", "operations", "people", "policies", "refusals", "searched"]
