"""Provisions products that events name: skeletons first, filled in by who knows more.

What an event tells of a product itself (`names.tells_of_products`) is its description: the newest
by event time stands. The line of an order is a skeleton: it fills what is empty, never more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from keystone.db import Cursor, json_rows, uuids
from orders.says import ProductSaid

_READ = """
SELECT id, org_id, external_id, first_seen, name, price, currency, brand, category, url, image_url,
       is_skeleton, described_at
FROM product WHERE id = ANY(%(ids)s::uuid[])
"""
# Somebody may have been there between reading and writing: nothing known is emptied, and no older
# description or skeleton overwrites a newer one.
_WRITE = """
INSERT INTO product AS known (id, org_id, external_id, first_seen, name, price, currency, brand,
                              category, url, image_url, is_skeleton, described_at)
SELECT id, org_id, external_id, first_seen, name, price, currency, brand,
       category, url, image_url, is_skeleton, described_at
FROM json_to_recordset(%(rows)s::json) AS new (
    id uuid, org_id uuid, external_id text, first_seen timestamptz, name text, price numeric,
    currency text, brand text, category text, url text, image_url text, is_skeleton bool,
    described_at timestamptz)
ON CONFLICT (id) DO UPDATE SET
    name = COALESCE(NULLIF(EXCLUDED.name, ''), known.name),
    price = COALESCE(EXCLUDED.price, known.price),
    currency = COALESCE(NULLIF(EXCLUDED.currency, ''), known.currency),
    brand = COALESCE(NULLIF(EXCLUDED.brand, ''), known.brand),
    category = COALESCE(NULLIF(EXCLUDED.category, ''), known.category),
    url = COALESCE(NULLIF(EXCLUDED.url, ''), known.url),
    image_url = COALESCE(NULLIF(EXCLUDED.image_url, ''), known.image_url),
    first_seen = LEAST(known.first_seen, EXCLUDED.first_seen),
    is_skeleton = known.is_skeleton AND EXCLUDED.is_skeleton,
    described_at = EXCLUDED.described_at
WHERE known.described_at IS NULL OR EXCLUDED.described_at >= known.described_at
"""
_FIELDS = ("name", "price", "currency", "brand", "category", "url", "image_url")
_NOTHING = (None, "")


class Mention(msgspec.Struct, frozen=True):
    """What one event says of one product."""

    id: UUID  # the product's
    organization_id: UUID
    at: datetime  # event time
    said: ProductSaid


class ProductRow(msgspec.Struct):
    """One product as it is stored."""

    id: UUID
    org_id: UUID
    external_id: str
    first_seen: datetime
    name: str = ""
    price: Decimal | None = None
    currency: str = ""
    brand: str = ""
    category: str = ""
    url: str = ""
    image_url: str = ""
    is_skeleton: bool = True
    described_at: datetime | None = None


def look_up(cursor: Cursor, mentions: Iterable[Mention]) -> Callable[[], dict[UUID, ProductRow]]:
    """Ask for the products that are mentioned; the call of what is returned waits for them."""
    answer = cursor.ask(_READ, ids=uuids({mention.id for mention in mentions}))
    return lambda: {row[0]: ProductRow(*row) for row in answer()}


def provision(cursor: Cursor, mentions: Iterable[Mention], known: dict[UUID, ProductRow]) -> None:
    """Make products of what nobody knew, and fill in what is new of others.

    Statements: none where everything is `known` as it is said, else one.
    """
    changed = {}
    for mention in sorted(mentions, key=lambda mention: mention.at):
        row = known.get(mention.id) or _new(mention)
        if take(row, mention) or mention.id not in known:
            known[mention.id] = changed[mention.id] = row
    if changed:
        cursor.send(_WRITE, rows=json_rows(changed[id_] for id_ in sorted(changed)))


def take(row: ProductRow, mention: Mention) -> bool:
    """Add what an event says of a product, in place; say whether that changed anything."""
    said = mention.said
    describes = said.is_full and (row.described_at is None or mention.at >= row.described_at)
    is_news = (said.is_full and row.is_skeleton) or mention.at < row.first_seen
    for field in _FIELDS:
        value, known = getattr(said, field), getattr(row, field)
        if value != known and value not in _NOTHING and (describes or known in _NOTHING):
            setattr(row, field, value)
            is_news = True
    # What only repeats what is known writes nothing: products are looked at all day.
    if describes and is_news:
        row.described_at = mention.at
    row.first_seen = min(row.first_seen, mention.at)
    row.is_skeleton = row.is_skeleton and not said.is_full
    return is_news


def _new(mention: Mention) -> ProductRow:
    return ProductRow(
        id=mention.id,
        org_id=mention.organization_id,
        external_id=mention.said.product_id,
        first_seen=mention.at,
    )
