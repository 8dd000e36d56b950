"""Who is calling: what a key proves, as a plain value that travels with every record."""

from __future__ import annotations

from uuid import UUID

import msgspec

# Reading rights contain one another; `ingest` (write only) stands apart.
_IMPLIED = {
    "viewer": frozenset({"viewer", "editor", "admin"}),
    "editor": frozenset({"editor", "admin"}),
    "admin": frozenset({"admin"}),
    "ingest": frozenset({"ingest"}),
}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A caller, resolved from its key. The organization always comes from here, never a body."""

    key_id: UUID
    organization_id: UUID
    #: 32 random bytes of the organization; identifier digests are keyed by them (DESIGN §4).
    organization_secret: bytes
    scopes: frozenset[str]
    #: A public key stands in a page's source: whoever reads it must learn nothing (keystone.md §2).
    public: bool
    allowed_domains: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        """Say whether the key carries `scope`, or one that contains it."""
        return not _IMPLIED[scope].isdisjoint(self.scopes)
