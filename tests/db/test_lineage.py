"""Attributes in PostgreSQL: folded once, in any order, with one lineage row for a changed leaf."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import permutations
from time import sleep
from typing import LiteralString
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction

from identity import drafts
from identity.attributes import Operation, fold
from identity.lineage import Merged, ProfileOperation, apply_operations, merge_attributes
from identity.models import AttributeChange, AttributeOp, Identifier, Profile
from identity.races import LostRace
from identity.values import Json
from keystone.clock import from_ms
from keystone.db import Cursor, Row, ingest_transaction
from keystone.models import Organization

NOW = from_ms(1_790_000_000_000)
CHICAGO, MIAMI = {"address": {"city": "Chicago", "zip": 1}}, {"address": {"city": "Miami"}}


class CountingCursor(Cursor):
    """Knows how many statements it ran."""

    statements = 0

    def run(self, sql: LiteralString, **params: object) -> list[Row]:
        self.statements += 1
        return super().run(sql, **params)


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
            source_id=uuid4(),
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


def test_chicago_to_miami_logs_exactly_one_row() -> None:
    person = Person()
    arrive(person.says(0, CHICAGO))
    moved = person.says(1, MIAMI)
    assert arrive(moved) == {moved.op.event_id: 1}
    row = AttributeChange.objects.get(profile_id=person.id, event_id=moved.op.event_id)
    assert (row.path, row.op, row.old, row.new) == (
        ["address", "city"],
        "change",
        "Chicago",
        "Miami",
    )
    assert (row.occurred_at, row.recorded_at) == (moved.op.occurred_at, NOW)
    assert (row.source_id, row.organization_id) == (moved.source_id, person.organization_id)
    assert row.merge_id is None


def test_an_operation_that_comes_twice_has_one_effect() -> None:
    person = Person()
    said = [person.says(0, {"a": [1]}), person.says(1, {"a": 2})]
    arrive(*said, *said)
    version = Profile.objects.get(id=person.id).version
    assert arrive(*said) == {}
    assert person.attributes() == {"a": [1, 2]}
    assert Profile.objects.get(id=person.id).version == version
    assert len(person.lineage()) == 2


def test_every_order_of_arrival_gives_the_same_person() -> None:
    patches: Sequence[dict[str, Json]] = [{"a": 1, "b": "x"}, {"a": [2.0]}, {"a": 3, "b": None}]
    for order in permutations(range(3)):
        person = Person()
        said = [person.says(second, patch) for second, patch in enumerate(patches)]
        for each in order:
            arrive(said[each])
        state = fold([each.op for each in said])
        assert person.attributes() == state.attributes == {"a": [1, 2, 3], "b": None}
        assert {key: tuple(at) for key, at in person.profile.mentioned.items()} == state.mentioned


def test_a_batch_gives_what_single_events_give() -> None:
    one, many = Person(), Person()
    patches: Sequence[dict[str, Json]] = [{"a": 1}, {"a": [2]}, {"a": 2, "b": {"c": 1}}]
    for second, patch in enumerate(patches):
        arrive(one.says(second, patch))
    arrive(*[many.says(second, patch) for second, patch in reversed([*enumerate(patches)])])
    assert one.attributes() == many.attributes()
    assert one.lineage() == many.lineage()


def test_statements_are_as_many_for_1_as_for_500_operations() -> None:
    counts = []
    for size in (1, 500):
        people = [Person() for _ in range(min(size, 50))]
        said = [people[each % len(people)].says(each, {"a": each}) for each in range(size)]
        with counting() as cursor:
            apply_operations(cursor, said, NOW)
        counts.append(cursor.statements)
    assert counts == [4, 4]


def test_late_operations_cost_one_statement_more_however_many() -> None:
    counts = []
    for size in (1, 50):
        people = [Person() for _ in range(size)]
        arrive(*[person.says(9, {"a": [9], "b": 9}) for person in people])
        with counting() as cursor:
            apply_operations(cursor, [person.says(1, {"a": 1}) for person in people], NOW)
        counts.append(cursor.statements)
    assert counts == [5, 5]


def test_nothing_said_runs_no_statement() -> None:
    with counting() as cursor:
        assert apply_operations(cursor, [], NOW) == {}
        assert apply_operations(cursor, [Person().says(0, {})], NOW) == {}
        assert merge_attributes(cursor, [], NOW) == {}
    assert cursor.statements == 0


def test_a_late_list_makes_only_its_own_key_be_folded_again() -> None:
    person = Person()
    arrive(person.says(10, {"a": "old", "b": 1}), person.says(20, {"a": "new"}))
    late = person.says(5, {"a": ["first"], "b": 0})
    assert arrive(late) == {late.op.event_id: 1}
    assert person.attributes() == {"a": ["first", "old", "new"], "b": 1}
    assert person.lineage()[-1] == ("a", "change", "new", ["first", "old", "new"])


def test_late_and_newer_operations_of_one_batch_log_the_key_once() -> None:
    person = Person()
    arrive(person.says(10, {"a": "x"}))
    late, newer = person.says(5, {"a": ["first"]}), person.says(20, {"a": "z"})
    assert arrive(newer, late) == {newer.op.event_id: 1}
    assert person.lineage()[-1] == ("a", "change", "x", ["first", "x", "z"])


def test_operations_of_all_identifiers_of_a_person_count() -> None:
    person = Person()
    other = Person(person.organization_id)
    Identifier.objects.filter(key=other.key).update(profile_id=person.id)
    other.profile = person.profile
    arrive(person.says(10, {"a": [1]}))
    arrive(other.says(20, {"a": 2}))
    arrive(person.says(15, {"a": [0]}))
    assert person.attributes() == {"a": [0, 2]}


def test_a_patch_is_stored_as_received() -> None:
    person = Person()
    arrive(person.says(0, {"a": None, "b": {"c": None, "d": 1e300}, "e": 9.223372036854776e18}))
    assert AttributeOp.objects.get(actor_key=person.key).patch["b"]["c"] is None
    assert person.attributes() == {"b": {"d": 10**300}, "e": 9_223_372_036_854_776_000}


def test_numbers_are_the_same_from_memory_and_from_history() -> None:
    person = Person()
    numbers: dict[str, Json] = {"a": [1e300, 0.1, 5e-324, 1.0, 9.223372036854776e18, 2**63]}
    arrive(person.says(10, numbers))
    before = person.attributes()
    assert arrive(person.says(5, {"a": [0]})) == {}
    assert person.attributes() == before


def test_an_operation_without_effect_moves_the_version_on() -> None:
    person = Person()
    arrive(person.says(10, {"a": 1}))
    arrive(person.says(5, {"a": 0}))
    person.profile.refresh_from_db()
    assert (person.profile.version, person.profile.attributes) == (2, {"a": 1})


def test_a_writer_who_was_overtaken_has_lost_its_race() -> None:
    person = Person()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Profile.objects.filter(id=person.id).update(version=7)
            loser = pool.submit(_arrive_in_a_thread, person.says(0, {"a": 1}))
            _wait_for_a_lock_wait_on_us()
        with pytest.raises(LostRace):
            loser.result()
    assert person.attributes() == {}
    assert not AttributeOp.objects.filter(actor_key=person.key).exists()


def _arrive_in_a_thread(said: ProfileOperation) -> None:
    try:
        arrive(said)
    finally:
        connections.close_all()


def _wait_for_a_lock_wait_on_us() -> None:
    waiting = "SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    with connection.cursor() as cursor:
        while not cursor.execute(waiting).fetchall():
            sleep(0.005)


def test_a_profile_that_is_gone_is_a_lost_race() -> None:
    person = Person()
    said = person.says(0, {"a": 1})
    Profile.objects.filter(id=person.id).delete()
    with pytest.raises(LostRace):
        arrive(said)


def test_a_profile_that_was_merged_away_takes_no_operations() -> None:
    winner = Person()
    loser = Person(winner.organization_id)
    collapse(winner, loser)
    with pytest.raises(LostRace):
        arrive(loser.says(0, {"a": 1}))


def test_a_full_profile_takes_no_new_keys() -> None:
    person = Person()
    arrive(person.says(0, {"a": "x", "big": "x" * drafts.SIZE_MAX}))
    arrive(person.says(1, {"a": "y", "b": 1}))
    assert person.attributes().keys() == {"a", "big"}
    assert person.attributes()["a"] == "y"


def test_a_collapse_takes_over_what_only_the_loser_knew() -> None:
    winner = Person()
    loser = Person(winner.organization_id)
    arrive(winner.says(0, {"a": 1}), loser.says(0, {"b": {"c": 2}}))
    [merged], before = collapse(winner, loser)
    assert winner.attributes() == {"a": 1, "b": {"c": 2}}
    assert before == {merged.merge_id: {"winner": {"a": 1}, "loser": {"b": {"c": 2}}}}
    row = AttributeChange.objects.get(merge_id=merged.merge_id)
    assert (row.profile_id, row.path, row.op, row.new) == (winner.id, ["b", "c"], "add", 2)
    assert (row.event_id, row.source_id, row.occurred_at) == (
        merged.event_id,
        merged.source_id,
        NOW,
    )


@pytest.mark.parametrize(
    ("winner_at", "stands", "lost"), [(0, "loser's", "winner's"), (9, "winner's", "loser's")]
)
def test_the_latest_event_time_wins_and_the_other_value_is_kept(
    winner_at: int, stands: str, lost: str
) -> None:
    winner = Person()
    loser = Person(winner.organization_id)
    arrive(winner.says(winner_at, {"a": "winner's"}), loser.says(5, {"a": "loser's"}))
    collapse(winner, loser)
    assert winner.attributes() == {"a": stands}
    assert winner.lineage()[-1] == ("a", "change", lost, stands)
    assert len(winner.lineage()) == 2


def test_a_clash_that_history_decides_is_the_fold_of_both_sides() -> None:
    winner = Person()
    loser = Person(winner.organization_id)
    said = [
        winner.says(0, {"a": [1], "o": {"p": 1}}),
        loser.says(1, {"a": 2, "o": {"q": 2}}),
        winner.says(2, {"a": 3, "o": {"p": 3}}),
    ]
    arrive(*said)
    collapse(winner, loser)
    assert winner.attributes() == {"a": [1, 2, 3], "o": {"p": 3, "q": 2}}
    state = fold([each.op for each in said])
    assert {key: tuple(at) for key, at in winner.profile.mentioned.items()} == state.mentioned


def test_several_losers_and_new_operations_in_one_transaction() -> None:
    winner = Person()
    losers = [Person(winner.organization_id) for _ in range(3)]
    said = [loser.says(second, {"a": [second], "b": second}) for second, loser in enumerate(losers)]
    arrive(*said)
    new = winner.says(9, {"a": "new"})
    with transaction.atomic():
        collapse(winner, *losers)
        assert arrive(new) == {new.op.event_id: 1}
    assert winner.attributes() == {"a": [2, "new"], "b": 2}


def test_a_collapse_leaves_the_loser_its_attributes_but_no_open_race() -> None:
    winner = Person()
    loser = Person(winner.organization_id)
    arrive(loser.says(0, {"a": 1}))
    loser.profile.refresh_from_db()
    version = loser.profile.version
    collapse(winner, loser)
    assert loser.attributes() == {"a": 1}
    assert loser.profile.version == version + 1


def test_statements_are_as_many_for_1_as_for_20_collapses() -> None:
    counts = []
    for size in (1, 20):
        winner = Person()
        losers = [Person(winner.organization_id) for _ in range(size)]
        arrive(*[person.says(0, {"a": [1]}) for person in (winner, *losers)])
        merges = [
            Merged(
                merge_id=uuid4(),
                organization_id=winner.organization_id,
                winner_id=winner.id,
                loser_id=loser.id,
                event_id=None,
                source_id=None,
                at=NOW,
            )
            for loser in losers
        ]
        with counting() as cursor:
            merge_attributes(cursor, merges, NOW)
        counts.append(cursor.statements)
    assert counts[0] == counts[1]
