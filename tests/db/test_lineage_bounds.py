"""What a request may read and lineage may keep is bounded; what a person is in the end is not."""

from __future__ import annotations

from uuid import UUID

import pytest

from identity import history
from identity.backlog import Work
from identity.lineage import apply_operations
from identity.models import AttributeChange, AttributeOp, ProfileWork
from identity.unite import unite
from identity.values import Json
from keystone.db import ingest_transaction
from keystone.ids import new_id
from tests.db.people import (
    NOW,
    Person,
    arrive,
    counting,
    people_of,
    staff_merge,
    undo,
    work_off,
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound what is folded in a request to three operations that mention the key."""
    for name in ("FOLDED_MIN", "FOLDED_MAX"):
        monkeypatch.setattr(history, name, 3)


def left(organization_id: UUID) -> list[tuple[str, UUID, bool]]:
    rows = ProfileWork.objects.filter(organization_id=organization_id)
    return [(row.kind, row.profile_id, row.done_at is None) for row in rows]


def with_history() -> Person:
    person = Person()
    arrive(*[person.says(second, {"a": [second], "b": second}) for second in range(10, 14)])
    return person


def test_a_late_operation_beyond_the_bound_is_folded_a_moment_later() -> None:
    person = with_history()
    late = person.says(11, {"a": "late", "b": 0, "new": 1})
    assert arrive(late) == {late.op.event_id: 1}  # what is new stands at once
    assert person.attributes() == {"a": [13], "b": 13, "new": 1}
    assert AttributeOp.objects.filter(event_id=late.op.event_id).exists()
    assert left(person.organization_id) == [("refold", person.id, True)]
    work_off()
    assert left(person.organization_id) == [("refold", person.id, False)]
    people_of(person.organization_id)


def test_lineage_of_the_fold_names_what_made_it_necessary() -> None:
    person = Person()
    arrive(*[person.says(second, {"a": second}) for second in range(10, 14)])
    late = person.says(5, {"a": ["first"]})
    assert arrive(late) == {}
    work_off()
    row = AttributeChange.objects.filter(profile_id=person.id).latest("id")
    assert (row.old, row.new) == (13, ["first", 10, 11, 12, 13])
    assert (row.event_id, row.source_id) == (late.op.event_id, late.source_id)
    assert row.occurred_at == late.op.occurred_at


def test_one_row_asks_for_many_folds_and_is_opened_again() -> None:
    person = Person()
    arrive(*[person.says(second, {"a": second}) for second in range(10, 14)])
    for second in range(3):
        arrive(person.says(second, {"a": [second]}))
    assert left(person.organization_id) == [("refold", person.id, True)]
    work_off()
    arrive(person.says(4, {"a": [4]}))
    assert left(person.organization_id) == [("refold", person.id, True)]
    work_off()
    people_of(person.organization_id)


def test_a_clash_beyond_the_bound_is_folded_a_moment_later() -> None:
    anchor = with_history()
    one = Person(anchor.organization_id)
    arrive(one.says(12, {"a": ["clash"], "c": 1}))
    merged = staff_merge(anchor, one)
    assert merged.status == "done"
    assert anchor.attributes() == {"a": [13], "b": 13, "c": 1}
    assert left(anchor.organization_id) == [("refold", anchor.id, True)]
    work_off()
    people_of(anchor.organization_id)
    row = AttributeChange.objects.filter(profile_id=anchor.id, path=["a"]).latest("id")
    assert (row.new, row.merge_id) == ([13], merged.merge_id)


def test_who_is_merged_before_the_fold_is_folded_in_the_end() -> None:
    person = with_history()
    winner = Person(person.organization_id)
    arrive(winner.says(0, {"z": 1}))
    arrive(person.says(5, {"a": "late", "b": [5]}))
    merged = staff_merge(winner, person)
    assert winner.attributes()["b"] == 13  # taken over as it was
    work_off()
    people_of(person.organization_id)
    arrive(person.says(6, {"a": "later", "b": [6]}))
    undo(merged.merge_id, person.organization_id)
    work_off()
    people_of(person.organization_id)


def test_an_undo_before_the_fold_is_exact() -> None:
    anchor = with_history()
    one = Person(anchor.organization_id)
    arrive(*[one.says(second, {"a": [second]}) for second in range(4)])
    merged = staff_merge(anchor, one)
    arrive(one.says(1, {"b": ["late"], "a": "late"}))
    undo(merged.merge_id, anchor.organization_id)
    people_of(anchor.organization_id)
    work_off()
    people_of(anchor.organization_id)


def test_it_is_looked_at_no_more_operations_than_the_bound_says() -> None:
    person = Person()
    arrive(person.says(20, {"a": [1]}), *[person.says(s, {"other": s}) for s in range(11)])
    arrive(person.says(1, {"a": [2]}))
    assert left(person.organization_id) == [("refold", person.id, True)]


def test_a_collapse_says_that_attributes_follow_later() -> None:
    anchor = with_history()
    clashing, plain = Person(anchor.organization_id), Person(anchor.organization_id)
    arrive(clashing.says(12, {"a": ["clash"]}), plain.says(12, {"c": 1}))
    for loser, postponed in ((plain, False), (clashing, True)):
        work = Work(
            id=new_id(),
            org_id=anchor.organization_id,
            kind="merge",
            profile_id=anchor.id,
            other_id=loser.id,
            rule="staff",
            seen_at=NOW,
        )
        with ingest_transaction() as cursor:
            assert unite(cursor, work, NOW).postponed == postponed


def test_postponing_costs_one_statement_however_many() -> None:
    counts = []
    for size in (1, 50):
        people = [with_history() for _ in range(size)]
        late = [person.says(1, {"a": ["late"]}) for person in people]
        with counting() as cursor:
            apply_operations(cursor, late, NOW)
        counts.append(cursor.statements)
        assert all(left(person.organization_id) for person in people)
    assert counts == [5, 5]


def test_a_large_value_is_whole_in_the_profile_and_a_number_in_lineage() -> None:
    person = Person()
    large: list[Json] = ["ä" * 4_100]
    arrive(person.says(0, {"a": large, "b": "x" * 8_190, "c": "x" * 8_191}))
    arrive(person.says(1, {"a": "y"}))
    assert person.attributes()["a"] == [*large, "y"]
    kept = {(path, op): (old, new) for path, op, old, new in person.lineage()}
    assert kept["a", "add"] == (None, {"$omitted_bytes": 8_204})
    assert kept["a", "change"] == ({"$omitted_bytes": 8_204}, {"$omitted_bytes": 8_208})
    assert kept["b", "add"][1] == "x" * 8_190
    assert kept["c", "add"][1] == {"$omitted_bytes": 8_193}


def test_lineage_of_a_growing_list_does_not_grow_with_its_square() -> None:
    person = Person()
    for each in range(200):
        arrive(person.says(each, {"a": [0] * 1_000 if not each else "x" * 100 + str(each)}))
    sizes = [len(str(row)) for row in person.lineage()]
    assert max(sizes) < 20_000
    assert sum(sizes[150:]) < 10_000
