"""Reads products back: one by what its shop calls it, or all of them, newest first."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from keystone.clock import iso
from keystone.reading import Moment, select
from keystone.source import Source
from orders.keys import key_of
from orders.newest import Position, bound, page_of
from orders.read_money import Amount, amount_or_none


class ProductAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is sold; of a skeleton only orders and carts have spoken so far."""

    product_id: str
    name: str
    price: Amount | None
    currency: str
    brand: str
    category: str
    url: str
    image_url: str
    is_skeleton: bool
    first_seen: Moment


class ProductPage(msgspec.Struct, frozen=True):
    """Products, those first seen last at the top."""

    results: list[ProductAnswer]
    next: str | None


_COLUMNS = """id, external_id, name, price, currency, brand, category, url, image_url, is_skeleton,
              first_seen"""
_ONE = f"""
SELECT {_COLUMNS} FROM product WHERE id = %(id)s AND org_id = %(organization)s
"""  # noqa: S608 - constants
_PAGE = f"""
SELECT {_COLUMNS} FROM product
WHERE {{which}} AND (first_seen, id) < (%(at)s::timestamptz, %(id)s)
ORDER BY first_seen DESC, id DESC LIMIT %(limit)s + 1
"""  # noqa: S608 - constants
_ALL = _PAGE.format(which="org_id = %(organization)s")  # product_by_org
_SKELETONS = _PAGE.format(  # product_skeletons
    which="org_id = %(organization)s AND is_skeleton = %(skeleton)s"
)


class _Row(NamedTuple):
    id: UUID
    external_id: str
    name: str
    price: Decimal | None
    currency: str
    brand: str
    category: str
    url: str
    image_url: str
    is_skeleton: bool
    first_seen: datetime

    @property
    def position(self) -> Position:
        return Position(self.first_seen, self.id)


def one(source: Source, product_id: str) -> ProductAnswer | None:
    """Return a product of the caller's organization by what the shop calls it."""
    id_ = key_of(source.organization_id, "product", product_id.strip())
    rows = select(_ONE, id=id_, organization=source.organization_id)
    return _answer(_Row(*rows[0])) if rows else None


def of_organization(
    source: Source, *, limit: int, skeleton: bool | None = None, after: Position | None = None
) -> tuple[list[ProductAnswer], Position | None]:
    """Return a page of products; `skeleton`: only those that are, or only those that are none."""
    found = select(
        _ALL if skeleton is None else _SKELETONS,
        organization=source.organization_id,
        skeleton=skeleton,
        limit=limit,
        **bound(after),
    )
    rows, position = page_of([_Row(*row) for row in found], limit)
    return [_answer(row) for row in rows], position


def _answer(row: _Row) -> ProductAnswer:
    return ProductAnswer(
        product_id=row.external_id,
        name=row.name,
        price=amount_or_none(row.price),
        currency=row.currency,
        brand=row.brand,
        category=row.category,
        url=row.url,
        image_url=row.image_url,
        is_skeleton=row.is_skeleton,
        first_seen=iso(row.first_seen),
    )
