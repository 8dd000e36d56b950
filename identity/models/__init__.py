"""People, what was said of them, what brought them together and what keeps them apart."""

from __future__ import annotations

from identity.models.attributes import AttributeChange, AttributeOp
from identity.models.erasure import Erasure
from identity.models.merges import CannotLink, Merge, ProfileWork
from identity.models.people import Identifier, Profile
from identity.models.protection import IdentityPolicy, Refusal

__all__ = [
    "AttributeChange",
    "AttributeOp",
    "CannotLink",
    "Erasure",
    "Identifier",
    "IdentityPolicy",
    "Merge",
    "Profile",
    "ProfileWork",
    "Refusal",
]
