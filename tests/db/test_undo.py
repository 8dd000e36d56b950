"""A merge that is taken back leaves everything as if it had never been made."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from identity import history
from identity.identifiers import ANONYMOUS_ID, EMAIL
from identity.identifiers import Identifier as Name
from identity.models import (
    AttributeChange,
    CannotLink,
    Identifier,
    Merge,
    Profile,
    ProfileWork,
    Refusal,
)
from identity.undo import Asked, take_back
from identity.work import Impossible
from keystone.db import ingest_transaction
from keystone.source import Source
from tests.db.people import NOW, Person, arrive, counting, people_of, staff_merge, undo, work_off
from tests.db.test_pipeline import process
from tests.make import make_record

ADA, COOKIE = Name(EMAIL, "ada@example.com"), Name(ANONYMOUS_ID, "c1")


def three() -> tuple[Person, Person, Person]:
    """Make three people who say something of the same keys."""
    anchor = Person(kind="anchor")
    one, other = Person(anchor.organization_id), Person(anchor.organization_id)
    arrive(anchor.says(0, {"a": [1], "b": "anchor's", "o": {"p": 1}}))
    arrive(one.says(1, {"a": 2, "c": "one's", "o": {"q": None}}), one.says(5, {"b": None}))
    arrive(other.says(2, {"a": ["x"], "c": "other's", "o": {"p": 3, "r": [1]}}))
    return anchor, one, other


def test_both_sides_are_again_what_they_were() -> None:
    anchor, one, _ = three()
    before = people_of(anchor.organization_id)
    merged = staff_merge(anchor, one)
    assert people_of(anchor.organization_id) != before
    undone = undo(merged.merge_id, anchor.organization_id)
    assert people_of(anchor.organization_id) == before
    assert (undone.status, undone.winner_id, undone.loser_id) == ("done", anchor.id, one.id)
    assert (undone.identifiers, undone.identifier_count) == ([("anonymous_id", one.key.hex)], 1)


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_chain_is_taken_back_in_any_order(order: tuple[int, ...]) -> None:
    anchor, one, other = three()
    before = people_of(anchor.organization_id)
    merges = [staff_merge(one, other), staff_merge(anchor, one)]
    for each in order:
        undo(merges[each].merge_id, anchor.organization_id)
        people_of(anchor.organization_id)
    assert people_of(anchor.organization_id) == before


def test_a_loser_takes_along_who_had_joined_it() -> None:
    anchor, one, other = three()
    staff_merge(one, other)
    merged = staff_merge(anchor, one)
    together = people_of(anchor.organization_id)
    undone = undo(merged.merge_id, anchor.organization_id)
    assert undone.identifier_count == 2
    assert frozenset({one.key, other.key}) in people_of(anchor.organization_id)
    assert together.keys() == {frozenset({anchor.key, one.key, other.key})}
    assert other.root == one.id


def test_what_arrived_after_the_merge_goes_to_whose_identifier_said_it() -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    arrive(one.says(20, {"a": "late", "new": {"n": 1}}), anchor.says(21, {"a": 9, "b": 3}))
    arrive(one.says(3, {"a": [0]}), anchor.says(4, {"c": [5]}))
    undo(merged.merge_id, anchor.organization_id)
    parted = people_of(anchor.organization_id)
    assert parted[frozenset({one.key})][1] == {
        "a": [2, 0, "late"],
        "c": "one's",
        "o": {},
        "new": {"n": 1},
    }
    assert parted[frozenset({anchor.key})][1] == {"a": [1, 9], "b": 3, "c": [5], "o": {"p": 1}}


def test_any_merges_undone_in_any_order_were_never_made() -> None:
    """Twelve people, events in between; nobody says anything twice as the same person."""
    for seed in range(8):
        chance = random.Random(seed)
        people = [Person(kind="anchor")]
        owner = people[0].organization_id
        people += [Person(owner, chance.choice(["shadow", "anchor"])) for _ in range(8)]
        merges: list[UUID] = []
        for step in range(40):
            each, other = chance.sample(people, 2)
            value = chance.choice([step, [step], None, {"k": step}, {"k": None, "l": [step]}])
            arrive(each.says(chance.randrange(100), {chance.choice("abc"): value}))
            if chance.random() < 0.3:
                with suppress(Impossible):  # they are one already, or an anchor and a shadow
                    merges.append(staff_merge(each, other).merge_id)
            if merges and chance.random() < 0.1:
                undo(merges.pop(chance.randrange(len(merges))), owner)
        people_of(owner)
        chance.shuffle(merges)
        for merge in merges:
            undo(merge, owner)
        parted = people_of(owner)
        assert {key: kind for (key,), (kind, _, _) in parted.items()} == {
            person.key: person.profile.kind for person in people
        }


def test_an_undone_merge_is_not_undone_again() -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    undo(merged.merge_id, anchor.organization_id)
    before = people_of(anchor.organization_id), AttributeChange.objects.count()
    again = undo(merged.merge_id, anchor.organization_id)
    assert (again.status, again.identifier_count) == ("already_undone", 0)
    assert (people_of(anchor.organization_id), AttributeChange.objects.count()) == before
    assert CannotLink.objects.filter(merge_id=merged.merge_id).count() == 1


def test_a_dry_run_counts_and_changes_nothing() -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    before = people_of(anchor.organization_id)
    lineage = AttributeChange.objects.filter(organization_id=anchor.organization_id)
    rows = lineage.count()
    tried = undo(merged.merge_id, anchor.organization_id, dry_run=True)
    assert people_of(anchor.organization_id) == before
    assert lineage.count() == rows
    assert not ProfileWork.objects.filter(organization_id=anchor.organization_id).exists()
    assert not CannotLink.objects.filter(organization_id=anchor.organization_id).exists()
    done = undo(merged.merge_id, anchor.organization_id)
    assert (tried.dry_run, done.dry_run) == (True, False)
    assert tried.identifiers == done.identifiers
    assert tried.winner_changes == done.winner_changes
    assert tried.loser_changes == done.loser_changes
    assert lineage.count() - rows == (done.winner_changes or 0) + (done.loser_changes or 0)


def test_lineage_names_the_merge_and_only_what_changed() -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    rows = AttributeChange.objects.filter(merge_id=merged.merge_id).count()
    undo(merged.merge_id, anchor.organization_id)
    logged = list(AttributeChange.objects.filter(merge_id=merged.merge_id).order_by("id"))[rows:]
    assert {(row.profile_id, *row.path, row.op, row.event_id) for row in logged} == {
        (anchor.id, "a", "change", None),
        (anchor.id, "b", "change", None),
        (anchor.id, "c", "remove", None),
    }


def test_both_were_seen_when_their_identifiers_were() -> None:
    anchor, one, _ = three()
    first, last = NOW - timedelta(days=3), NOW + timedelta(days=3)
    Profile.objects.filter(id=one.id).update(first_seen=first, last_seen=last)
    Identifier.objects.filter(key=one.key).update(first_seen=first, last_seen=last)
    merged = staff_merge(anchor, one)
    anchor.profile.refresh_from_db()
    assert (anchor.profile.first_seen, anchor.profile.last_seen) == (first, last)
    undo(merged.merge_id, anchor.organization_id)
    seen = dict(Profile.objects.values_list("id", "last_seen"))
    assert (seen[anchor.id], seen[one.id]) == (NOW, last)


def test_a_loser_without_identifiers_becomes_a_root_too() -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    Identifier.objects.filter(key=one.key).delete()
    assert undo(merged.merge_id, anchor.organization_id).identifier_count == 0
    one.profile.refresh_from_db()
    assert (one.profile.merged_into, one.profile.attributes) == (None, {})


@pytest.mark.parametrize("who", range(2))
def test_a_merge_with_somebody_erased_stays(who: int) -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    Profile.objects.filter(id=(anchor, one)[who].id).update(erased_at=NOW)
    with pytest.raises(Impossible) as refused:
        undo(merged.merge_id, anchor.organization_id)
    assert refused.value.code == "erased"


def test_another_organizations_merge_is_not_found() -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    for merge_id, owner in ((merged.merge_id, uuid4()), (uuid4(), anchor.organization_id)):
        with pytest.raises(Impossible) as refused:
            undo(merge_id, owner)
        assert refused.value.code == "not_found"


def test_no_event_brings_the_two_together_again(source: Source) -> None:
    process(make_record(source, identifiers=(COOKIE,)))
    (login,) = process(make_record(source, identifiers=(ADA, COOKIE)))
    merge = Merge.objects.get(winner_id=login.profile_id)
    undo(merge.id, source.organization_id)
    (again,) = process(make_record(source, identifiers=(ADA, COOKIE)))
    assert (again.profile_id, again.merged_profile_ids) == (login.profile_id, ())
    refusal = Refusal.objects.get(organization_id=source.organization_id)
    assert (refusal.reason, refusal.event_id) == ("cannot_link", again.event_id)
    assert len(people_of(source.organization_id)) == 2


def test_whoever_joins_one_side_later_inherits_what_keeps_them_apart(source: Source) -> None:
    process(make_record(source, identifiers=(COOKIE,)))
    (login,) = process(make_record(source, identifiers=(ADA, COOKIE)))
    merge = Merge.objects.get(winner_id=login.profile_id)
    undo(merge.id, source.organization_id)
    bob = Name(EMAIL, "bob@example.com")
    (other,) = process(make_record(source, identifiers=(bob, COOKIE)))
    assert other.merged_profile_ids == (merge.loser_id,)
    again = Merge.objects.get(loser_id=merge.loser_id, undone_at=None)
    undo(again.id, source.organization_id)
    people_of(source.organization_id)  # looks at the cannot-links too
    assert len(people_of(source.organization_id)) == 3


def test_people_decide_against_a_cannot_link(source: Source) -> None:
    anchor, one, _ = three()
    undo(staff_merge(anchor, one).merge_id, anchor.organization_id)
    merged = staff_merge(anchor, one)
    assert not CannotLink.objects.filter(organization_id=anchor.organization_id).exists()
    assert one.root == anchor.id
    undo(merged.merge_id, anchor.organization_id)
    assert (
        CannotLink.objects.get(organization_id=anchor.organization_id).merge_id == merged.merge_id
    )


def test_a_history_too_long_for_the_lock_is_folded_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anchor, one, _ = three()
    before = people_of(anchor.organization_id)
    merged = staff_merge(anchor, one)
    monkeypatch.setattr(history, "LOCKED_MAX", 2)
    asked = undo(merged.merge_id, anchor.organization_id)
    assert (asked.status, asked.identifier_count, asked.winner_changes) == ("pending", None, None)
    assert one.root == anchor.id
    work_off()
    assert people_of(anchor.organization_id) == before
    by_merge = AttributeChange.objects.filter(profile_id=anchor.id, merge_id=merged.merge_id)
    assert by_merge.filter(path=["c"], op="remove").exists()


def test_what_is_said_between_undo_and_fold_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    anchor, one, _ = three()
    merged = staff_merge(anchor, one)
    monkeypatch.setattr(history, "LOCKED_MAX", 2)
    asked = Asked(organization_id=anchor.organization_id, merge_id=merged.merge_id, by="")
    with ingest_transaction() as cursor:
        assert take_back(cursor, asked, NOW).winner_changes is None
    assert one.root == one.id
    arrive(one.says(30, {"a": "between"}), anchor.says(31, {"a": ["between"]}))
    arrive(one.says(0, {"c": ["late"]}), anchor.says(0, {"b": ["late"]}))
    work_off()
    parted = people_of(anchor.organization_id)
    assert parted[frozenset({one.key})][1] == {"a": "between", "c": ["late", "one's"], "o": {}}


def test_statements_are_as_many_for_1_as_for_200_identifiers() -> None:
    counts = []
    for size in (1, 200):
        anchor = Person(kind="anchor")
        one, *others = [Person(anchor.organization_id) for _ in range(size)]
        for second, each in enumerate((anchor, one, *others)):
            arrive(each.says(second, {"a": [second]}))
        for each in others:
            staff_merge(one, each)
        merged = staff_merge(anchor, one)
        asked = Asked(organization_id=anchor.organization_id, merge_id=merged.merge_id, by="")
        with counting() as cursor:
            assert take_back(cursor, asked, NOW).identifier_count == size
        counts.append(cursor.statements)
    assert counts[0] == counts[1]
