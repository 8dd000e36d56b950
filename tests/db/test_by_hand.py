"""What people decide about profiles, at once or by a worker."""

from __future__ import annotations

import pytest

from identity.identifiers import EMAIL, PHONE, Identifier
from identity.models import Merge, Profile, ProfileWork, Refusal
from identity.work import Impossible, merge_by_hand
from ingest.isolation import process_isolated
from keystone import clock
from keystone.models import Organization
from tests.db.people import NOW, Person, people_of, staff_merge, undo, work_off
from tests.make import make_record, make_source


def test_people_override_limits() -> None:
    anchor = Person(kind="anchor")
    other = Person(anchor.organization_id, "anchor")
    assert staff_merge(other, anchor).status == "done"
    assert anchor.root == other.id
    merge = Merge.objects.get(organization_id=anchor.organization_id)
    assert (merge.rule, merge.by, merge.event_id, merge.source_id) == (
        "staff",
        "staff ada",
        None,
        None,
    )


def test_a_merge_by_hand_closes_the_suggestion_to_make_it(organization: Organization) -> None:
    page, backend = make_source(organization, "tracker"), make_source(organization)
    ada, phone = Identifier(EMAIL, "ada@example.com"), Identifier(PHONE, "+4915112345678")
    now = clock.now()
    said = [make_record(backend, identifiers=(one,)) for one in (ada, phone)]
    outcomes = process_isolated([*said, make_record(page, identifiers=(ada, phone))], now)
    suggestion = Refusal.objects.get(organization_id=organization.id)
    assert suggestion.suggestion == "open"
    one, other = (each.profile_id for each in outcomes[:2])
    merge_by_hand(organization_id=organization.id, winner_id=one, loser_id=other, by="staff ada")
    suggestion.refresh_from_db()
    assert (suggestion.suggestion, suggestion.decided_by) == ("accepted", "staff ada")


def test_an_id_that_was_merged_away_stands_for_its_root() -> None:
    anchor = Person(kind="anchor")
    other = Person(anchor.organization_id)
    one = Person(anchor.organization_id)
    staff_merge(anchor, one)
    done = staff_merge(one, other)
    assert (done.winner_id, done.loser_id) == (anchor.id, other.id)


@pytest.mark.parametrize("what", ["same_person", "anchor_into_shadow", "not_found", "erased"])
def test_what_people_cannot_decide(what: str) -> None:
    anchor = Person(kind="anchor")
    one = Person(anchor.organization_id)
    winner, loser = one, anchor
    if what == "same_person":
        staff_merge(anchor, one)
    elif what == "not_found":
        loser = Person(kind="anchor")  # another organization's
    elif what == "erased":
        Profile.objects.filter(id=loser.id).update(erased_at=NOW)
    with pytest.raises(Impossible) as refused:
        staff_merge(winner, loser)
    assert refused.value.code == {"erased": "not_found"}.get(what, what)
    assert not left(anchor)


def test_what_is_large_is_left_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identity.unite.LARGE", 0)
    monkeypatch.setattr("identity.undo.LARGE", 0)
    anchor = Person(kind="anchor")
    one = Person(anchor.organization_id)
    before = people_of(anchor.organization_id)
    done = staff_merge(anchor, one)
    assert done.status == "pending"
    assert one.root == one.id
    work_off()
    assert one.root == anchor.id
    assert Merge.objects.get(id=done.merge_id).by == "staff ada"
    asked = undo(done.merge_id, anchor.organization_id)
    assert (asked.status, one.root) == ("pending", anchor.id)
    assert undo(done.merge_id, anchor.organization_id, dry_run=True).status == "pending"
    assert left(anchor) == ["merge", "undo"]
    work_off()
    assert people_of(anchor.organization_id) == before


def left(person: Person) -> list[str]:
    """Return the kinds of the organization's rows of work."""
    rows = ProfileWork.objects.filter(organization_id=person.organization_id)
    return [row.kind for row in rows.order_by("id")]
