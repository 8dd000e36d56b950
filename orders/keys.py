"""Pure: ids of orders, carts and products: digests, so that nothing is looked up to find them."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

import msgspec

ORDER, CHECKOUT, CART, PRODUCT = "order", "checkout", "cart", "product"


def key_of(organization_id: UUID, kind: str, external_id: str) -> UUID:
    """Return the id of an order, cart, checkout or product by what its shop calls it."""
    name = f"{kind}\0{external_id}".encode()
    digest = blake2b(name, digest_size=16, key=organization_id.bytes).digest()
    return msgspec.convert(digest, UUID)  # a third of the time of UUID(bytes=…)
