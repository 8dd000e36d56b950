"""Attributes when two people become one: the fold of what both said, and its lineage."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import transaction

from identity.attributes import fold
from identity.lineage import Merged, merge_attributes
from identity.models import AttributeChange
from tests.db.people import NOW, Person, arrive, collapse, counting


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
