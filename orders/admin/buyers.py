"""Whose orders are, as pages show it; and the newest orders of a person, for theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from django.utils.safestring import SafeString

from identity import names
from identity.models import Identifier
from keystone.staff.markup import coloured_text, link
from orders.admin.amounts import STATUS_LABELS, with_currency
from orders.models import Order

#: Orders on the page of a person.
ORDERS_SHOWN = 20

# order_by_actor, an arm for each identifier: a kiosk may have made any number of orders.
_NEWEST = """
SELECT arm.* FROM unnest(%(actors)s::uuid[]) AS actor (key) CROSS JOIN LATERAL (
    SELECT id, org_id, external_id, status, currency, total, created_at, abandoned_at
    FROM "order" WHERE actor_key = actor.key
    ORDER BY created_at DESC, id DESC LIMIT %(shown)s
) AS arm
ORDER BY created_at DESC, id DESC LIMIT %(shown)s
"""


class Buyer(NamedTuple):
    """Whose an identifier is now, and what they are called."""

    identifier: Identifier
    called: str

    @property
    def person(self) -> SafeString:
        """Lead to the person."""
        return link("identity_profile", self.identifier.profile_id, self.called or None)


class Bought(NamedTuple):
    """An order on the page of a person."""

    order: Order
    status: SafeString
    amount: str


def buyers_of(actors: Iterable[UUID | None]) -> dict[UUID, Buyer]:
    """Return whose these identifiers are; who was erased is missing. Two statements at most."""
    keys = {key for key in actors if key}
    alive = Identifier.objects.exclude(status=Identifier.Status.ERASED).in_bulk(keys)
    known = names.strongest_of(list({each.profile_id for each in alive.values()}))
    return {
        key: Buyer(each, known.get(each.profile_id, ("", ""))[1]) for key, each in alive.items()
    }


def newest_orders(actors: Iterable[UUID]) -> list[Bought]:
    """Return the newest orders that these identifiers made. One statement, whatever there is."""
    asked = {"actors": list(actors), "shown": ORDERS_SHOWN}
    return [
        Bought(
            order,
            coloured_text(order.status.replace("_", " "), STATUS_LABELS[order.status]),
            with_currency(order.total, order.currency),
        )
        for order in Order.objects.raw(_NEWEST, asked)
    ]
