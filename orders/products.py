"""Provisions products that events name: skeletons first, filled in by who knows more.

What an event tells of a product itself (`names.tells_of_products`) is its description: the newest
by event time stands. The line of an order is a skeleton: it fills what is empty, never more.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from keystone.db import Cursor, json_rows, uuid_array
from orders.keys import key_of
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
    is_skeleton = known.is_skeleton AND EXCLUDED.is_skeleton,
    described_at = EXCLUDED.described_at
WHERE known.described_at IS NULL OR EXCLUDED.described_at >= known.described_at
"""
_FIELDS = ("name", "price", "currency", "brand", "category", "url", "image_url")


class Mention(msgspec.Struct, frozen=True):
    """What one event says of one product."""

    organization_id: UUID
    at: datetime  # event time
    said: ProductSaid

    @property
    def id(self) -> UUID:
        """Return the product's id."""
        return key_of(self.organization_id, "product", self.said.product_id)


class ProductRow(msgspec.Struct, kw_only=True):
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


def provision(cursor: Cursor, mentions: Iterable[Mention]) -> None:
    """Make products of what nobody knew, and fill in what is new of others.

    Statements: none for no mentions, else 1, and one more when there is anything to write.
    """
    in_order = sorted(mentions, key=lambda mention: mention.at)
    if not in_order:
        return
    rows = _read(cursor, {mention.id for mention in in_order})
    before = {id_: msgspec.structs.astuple(row) for id_, row in rows.items()}
    for mention in in_order:
        row = rows.get(mention.id)
        if row is None:
            row = rows[mention.id] = _new(mention)
        take(row, mention)
    changed = [
        rows[id_] for id_ in sorted(rows) if msgspec.structs.astuple(rows[id_]) != before.get(id_)
    ]
    if changed:
        cursor.send(_WRITE, rows=json_rows(changed))


def take(row: ProductRow, mention: Mention) -> None:
    """Add what an event says of a product, in place."""
    said = {field: value for field in _FIELDS if (value := getattr(mention.said, field))}
    is_newest = row.described_at is None or mention.at >= row.described_at
    describes = mention.said.is_full and is_newest
    # What only repeats what is known writes nothing: products are looked at all day.
    if describes and (row.is_skeleton or any(getattr(row, f) != v for f, v in said.items())):
        row.described_at = mention.at
    for field, value in said.items():
        if describes or not getattr(row, field):
            setattr(row, field, value)
    row.is_skeleton = row.is_skeleton and not mention.said.is_full


def _new(mention: Mention) -> ProductRow:
    return ProductRow(
        id=mention.id,
        org_id=mention.organization_id,
        external_id=mention.said.product_id,
        first_seen=mention.at,
    )


def _read(cursor: Cursor, ids: Iterable[UUID]) -> dict[UUID, ProductRow]:
    columns = ProductRow.__struct_fields__
    found = cursor.run(_READ, ids=uuid_array(ids))
    return {row[0]: ProductRow(**dict(zip(columns, row, strict=True))) for row in found}
