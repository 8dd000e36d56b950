"""Orders and products as the pipeline leaves them, for routes that read."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from identity.identifiers import Identifier
from keystone.db import ingest_transaction
from keystone.models import Organization
from orders.apply import Fact, apply_facts
from tests.http.stored import COOKIE, after


def buy(
    organization: Organization,
    order_id: str | int,
    name: str = "Order Completed",
    *,
    minute: float = 0,
    who: Identifier = COOKIE,
    **said: Any,
) -> UUID:
    """Let an event of a backend, so many minutes after MORNING, speak of an order."""
    return tell(organization, name, {"order_id": order_id, **said}, minute=minute, who=who)


def tell(
    organization: Organization,
    name: str,
    payload: dict[str, Any],
    *,
    minute: float = 0,
    who: Identifier = COOKIE,
) -> UUID:
    """Let an event have its effect on orders and products; return its id."""
    fact = Fact(
        organization_id=organization.id,
        event_id=uuid4(),
        actor_key=who.key(bytes(organization.secret)),
        occurred_at=after(minute),
        trusted=True,
        kind="track",
        name=name,
        payload=json.dumps(payload).encode(),
    )
    with ingest_transaction() as cursor:
        apply_facts(cursor, [fact])
    return fact.event_id
