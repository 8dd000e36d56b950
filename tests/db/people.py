"""People whose identifiers say something, and what follows from it in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import LiteralString
from uuid import UUID, uuid4

from django.db import connection, transaction

from identity.attributes import Operation
from identity.lineage import Merged, ProfileOperation, apply_operations, merge_attributes
from identity.models import AttributeChange, Identifier, Profile
from identity.values import Json
from keystone.clock import from_ms
from keystone.db import Cursor, Row, ingest_transaction
from keystone.models import Organization

NOW = from_ms(1_790_000_000_000)


class CountingCursor(Cursor):
    """Knows how many statements it ran."""

    statements = 0

    def ask(self, sql: LiteralString, **params: object) -> Callable[[], list[Row]]:
        self.statements += 1
        return super().ask(sql, **params)


@contextmanager
def counting() -> Iterator[CountingCursor]:
    with transaction.atomic(), CountingCursor(connection.connection) as cursor:
        yield cursor


class Person:
    """A profile with one identifier, in an organization of its own."""

    def __init__(self, organization_id: UUID | None = None) -> None:
        self.organization_id = organization_id or Organization.objects.create(name="lineage").id
        self.profile = Profile.objects.create(
            organization_id=self.organization_id, kind="shadow", first_seen=NOW, last_seen=NOW
        )
        self.key = uuid4()
        Identifier.objects.create(
            key=self.key,
            organization_id=self.organization_id,
            kind="anonymous_id",
            value=self.key.hex,
            profile=self.profile,
            home_id=self.profile.id,
            source_id=uuid4(),
            linked_at=NOW,
            first_seen=NOW,
            last_seen=NOW,
        )

    @property
    def id(self) -> UUID:
        return self.profile.id

    def says(self, seconds: int, patch: dict[str, Json]) -> ProfileOperation:
        op = Operation(
            actor_key=self.key,
            event_id=uuid4(),
            occurred_at=NOW + timedelta(seconds=seconds),
            client_ms=0,
            strength=2,
            patch=patch,
        )
        return ProfileOperation(
            profile_id=self.id, organization_id=self.organization_id, source_id=uuid4(), op=op
        )

    def attributes(self) -> dict[str, Json]:
        self.profile.refresh_from_db()
        return self.profile.attributes

    def lineage(self) -> list[tuple[str, str, Json, Json]]:
        rows = AttributeChange.objects.filter(profile_id=self.id).order_by("id")
        return [(".".join(row.path), row.op, row.old, row.new) for row in rows]


def arrive(*said: ProfileOperation) -> dict[UUID, int]:
    """Apply what was said in one transaction; return the changes by event."""
    with ingest_transaction() as cursor:
        return apply_operations(cursor, said, NOW)


def collapse(winner: Person, *losers: Person) -> tuple[list[Merged], dict[UUID, dict[str, Json]]]:
    merges = [
        Merged(
            merge_id=uuid4(),
            organization_id=winner.organization_id,
            winner_id=winner.id,
            loser_id=loser.id,
            event_id=uuid4(),
            source_id=uuid4(),
            at=NOW,
        )
        for loser in losers
    ]
    with ingest_transaction() as cursor:
        ids = [loser.id for loser in losers]
        Identifier.objects.filter(profile_id__in=ids).update(profile_id=winner.id)
        Profile.objects.filter(id__in=ids).update(merged_into=winner.id)
        return merges, merge_attributes(cursor, merges, NOW)
