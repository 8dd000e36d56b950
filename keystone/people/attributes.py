"""A person's attributes, now or as they stood at a time: the fold of what was said up to then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from identity.attributes import Operation, sort_key
from identity.folding import Folding
from identity.models import AttributeOp, Identifier
from keystone.api import Refusal
from keystone.clock import iso
from keystone.people.profiles import attributes_of
from keystone.reading import JsonObject, Moment
from keystone.source import Source

#: A fold of more is not for a request: operations (and identifiers), characters of what they say.
OPERATIONS_MAX, SIZE_MAX = 20_000, 16_777_216
#: Times are written in milliseconds, so what happened within one counts.
_GRAIN = timedelta(milliseconds=1)


class AttributesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one person; `as_of` is null for now."""

    id: UUID
    as_of: Moment | None
    attributes: JsonObject
    requested_id: UUID | msgspec.UnsetType = msgspec.UNSET


def attributes_at(
    source: Source, profile_id: UUID, as_of: datetime | None
) -> AttributesAnswer | None:
    """Return what is known of a person, or was by what happened up to an event time.

    None where there is no such person. Raises `Refusal` 422 too_much_history.
    """
    known = attributes_of(source, profile_id)
    if known is None:
        return None
    person, attributes = known
    if as_of is not None:
        folding = Folding()
        for operation in sorted(_operations(source, person, as_of), key=sort_key):
            folding.take(operation)
        attributes = msgspec.json.encode(folding.attributes).decode()
    return AttributesAnswer(
        id=person,
        as_of=iso(as_of) if as_of else None,
        attributes=msgspec.Raw(attributes),
        requested_id=msgspec.UNSET if person == profile_id else profile_id,
    )


def _operations(source: Source, person: UUID, as_of: datetime) -> Iterator[Operation]:
    """Read what all identifiers of a person said up to a time; their order is the fold's affair."""
    size = 0
    said = AttributeOp.objects.filter(
        actor_key__in=_keys(source, person),
        organization_id=source.organization_id,
        occurred_at__lt=as_of.replace(microsecond=as_of.microsecond // 1000 * 1000) + _GRAIN,
    ).annotate(said=Cast("patch", TextField()))
    columns = ("actor_key", "event_id", "occurred_at", "client_ms", "strength", "said")
    # In a transaction it is streamed: outside, all of it would be written to disk beforehand.
    with transaction.atomic():
        rows = said.values_list(*columns)[: OPERATIONS_MAX + 1].iterator(chunk_size=1_000)
        for count, row in enumerate(rows, 1):
            size += len(row[-1])
            if count > OPERATIONS_MAX or size > SIZE_MAX:
                raise _too_much()
            yield _operation(*row)


def _keys(source: Source, person: UUID) -> list[UUID]:
    named = Identifier.objects.filter(profile_id=person, organization_id=source.organization_id)
    keys = list(named.values_list("key", flat=True)[: OPERATIONS_MAX + 1])
    if len(keys) > OPERATIONS_MAX:
        raise _too_much()
    return keys


def _operation(
    actor_key: UUID,
    event_id: UUID,
    occurred_at: datetime,
    client_ms: int,
    strength: int,
    patch: str,
) -> Operation:
    return Operation(
        actor_key=actor_key,
        event_id=event_id,
        occurred_at=occurred_at,
        client_ms=client_ms,
        strength=strength,
        patch=msgspec.json.decode(patch),
    )


def _too_much() -> Refusal:
    said = f"More than {OPERATIONS_MAX:,} operations (or 16 MiB of them) led to these attributes."
    return Refusal(422, "too_much_history", said)
