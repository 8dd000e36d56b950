"""People whose identifiers say something, and what follows from it in PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import LiteralString
from uuid import UUID, uuid4

from django.db import connection, transaction

from identity.attributes import Operation, fold
from identity.lineage import Merged, ProfileOperation, apply_operations, merge_attributes
from identity.models import (
    AttributeChange,
    AttributeOp,
    CannotLink,
    Identifier,
    Merge,
    Profile,
    ProfileWork,
)
from identity.perform import work_through
from identity.values import Attributes, Json
from identity.work import Done, Undone, merge_by_hand, undo_by_hand
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

    def __init__(self, organization_id: UUID | None = None, kind: str = "shadow") -> None:
        self.organization_id = organization_id or Organization.objects.create(name="lineage").id
        self.profile = Profile.objects.create(
            organization_id=self.organization_id, kind=kind, first_seen=NOW, last_seen=NOW
        )
        self.key = uuid4()
        Identifier.objects.create(
            key=self.key,
            organization_id=self.organization_id,
            kind="anonymous_id" if kind == "shadow" else "crm_id",
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
            profile_id=self.root, organization_id=self.organization_id, source_id=uuid4(), op=op
        )

    @property
    def root(self) -> UUID:
        """Whoever it is part of by now."""
        self.profile.refresh_from_db()
        return self.profile.merged_into or self.profile.id

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
        return merges, merge_attributes(cursor, merges, NOW)[0]


def staff_merge(winner: Person, loser: Person) -> Done:
    return merge_by_hand(
        organization_id=winner.organization_id,
        winner_id=winner.id,
        loser_id=loser.id,
        by="staff ada",
    )


def undo(merge_id: UUID, organization_id: UUID, *, dry_run: bool = False) -> Undone:
    return undo_by_hand(
        organization_id=organization_id, merge_id=merge_id, by="staff ada", dry_run=dry_run
    )


def work_off() -> None:
    """Do as a worker does, also what is not due yet."""
    for _ in range(3):  # one row may lead to another
        ProfileWork.objects.filter(done_at=None).update(next_attempt_at=NOW)
        work_through(10)


#: Identifier keys, kind, attributes and the keys mentioned, of one person.
People = dict[frozenset[UUID], tuple[str, Attributes, dict[str, tuple[object, ...]]]]


def people_of(organization_id: UUID) -> People:
    """Return an organization's people; first look whether all that must hold of them does."""
    profiles = {row.id: row for row in Profile.objects.filter(organization_id=organization_id)}
    identifiers = Identifier.objects.filter(organization_id=organization_id)
    joined = dict(
        Merge.objects.filter(organization_id=organization_id, undone_at=None).values_list(
            "loser_id", "winner_id"
        )
    )

    def root(id_: UUID) -> UUID:
        return root(joined[id_]) if id_ in joined else id_

    assert {id_: row.merged_into or id_ for id_, row in profiles.items()} == {
        id_: root(id_) for id_ in profiles
    }
    assert all(each.profile_id == root(each.home_id) for each in identifiers)
    for barred in CannotLink.objects.filter(organization_id=organization_id):
        assert barred.left_id == root(barred.left_home_id)
        assert barred.right_id == root(barred.right_home_id)
    keys: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for each in identifiers:
        keys[each.profile_id].add(each.key)
    found: People = {}
    for id_, names in keys.items():
        row = profiles[id_]
        mentioned = {key: tuple(at) for key, at in row.mentioned.items()}
        state = fold(_operations(names))
        assert (row.attributes, mentioned) == (state.attributes, state.mentioned)
        found[frozenset(names)] = (row.kind, row.attributes, mentioned)
    return found


def _operations(keys: set[UUID]) -> list[Operation]:
    return [
        Operation(
            actor_key=row.actor_key,
            event_id=row.event_id,
            occurred_at=row.occurred_at,
            client_ms=row.client_ms,
            strength=row.strength,
            patch=row.patch,
        )
        for row in AttributeOp.objects.filter(actor_key__in=keys)
    ]
