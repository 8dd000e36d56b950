"""A person who is erased is gone from every table, and stays away."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry

from identity.identifiers import EMAIL, Identifier
from identity.models import AttributeChange, Erasure, IdentityPolicy, Merge, ProfileWork, Refusal
from identity.models import Identifier as IdentifierRow
from ingest.models import Event, FailedEvent, Tally
from keystone import clock
from keystone.people import erasure, erasures
from keystone.people.places import ADMIN_LOG, NOTHING_PERSONAL, PLACES
from keystone.source import Source
from tests.db.traces import Somebody, rows_of, tables, traces


@pytest.fixture
def ana(source: Source) -> Somebody:
    somebody = Somebody(source)
    somebody.lives()
    return somebody


@pytest.fixture
def bob(source: Source) -> Somebody:
    """Somebody else of the same organization."""
    somebody = Somebody(source)
    somebody.lives()
    return somebody


def test_every_table_is_a_place_or_says_why_not():
    places = {place.table for place in PLACES}
    undecided = set(tables()) - places - set(NOTHING_PERSONAL)
    assert not undecided, f"add these to keystone/people/places.py: {undecided}"
    assert not (places | set(NOTHING_PERSONAL)) - set(tables())
    assert not places & set(NOTHING_PERSONAL)


def test_there_is_something_in_every_place(ana, bob):
    ana.shares(bob)
    ana.is_looked_at()
    places = {place.table for place in PLACES if place.name not in _WITHOUT_VALUES}
    assert set(traces(*ana.marks)) == {*places, "django_admin_log"}


#: Ids only, or not everybody's.
_WITHOUT_VALUES = {"work", "order_operations", "orders"}


def test_nothing_is_left(ana, bob):
    ana.shares(bob)
    ana.is_looked_at()
    done = ana.is_erased()
    assert done.status == "completed"
    assert traces(*ana.marks) == {}


@pytest.mark.parametrize("index", range(6))
def test_any_identifier_names_the_whole_person(ana, index):
    ana.is_erased(ana.identifiers[index])
    assert traces(*ana.marks) == {}


def test_others_lose_nothing(ana, bob):
    models = [place.model for place in PLACES if place.model is not IdentityPolicy]
    before = rows_of(ana.source.organization_id, models)
    carl = Somebody(ana.source)
    carl.lives()
    carl.is_looked_at()
    carl.is_erased()
    after = rows_of(ana.source.organization_id, models)
    for name, rows in before.items():
        assert [row for row in after[name] if row in rows] == rows, name
    assert LogEntry.objects.filter(change_message=carl.mark).count() == 0


def test_the_identifiers_stay_as_tombstones(ana):
    ana.is_erased()
    keys = [ana.key(each) for each in ana.identifiers]
    rows = IdentifierRow.objects.filter(pk__in=keys)
    assert {(row.value, row.status) for row in rows} == {("", "erased")}
    assert rows.count() == 6
    assert ana.profile.attributes == ana.profile.mentioned == {}
    assert ana.profile.erased_at is not None


def test_the_certificate_counts_every_row(ana, bob):
    ana.shares(bob)
    ana.is_looked_at()
    keys = [ana.key(each) for each in ana.identifiers]
    person = ana.profile.id
    expected = {
        "identifiers": 6,
        "events": Event.objects.filter(actor_key__in=keys).count(),
        "operations": 5,
        "lineage": AttributeChange.objects.filter(organization_id=ana.source.organization_id)
        .exclude(profile_id=bob.profile.id)
        .exclude(profile_id__in=_parts(bob.profile.id))
        .count(),
        "profiles": 1 + len(_parts(person)),
        "merges": len(_parts(person)),
        "failed_events": 1,
        "refusals": Refusal.objects.filter(subject_key__in=keys).count(),
        "blocked_values": 1,
        ADMIN_LOG: LogEntry.objects.filter(change_message=ana.mark).count(),
    }
    counts = ana.is_erased().counts
    assert {name: counts.pop(name) for name in expected} == expected
    assert set(counts.values()) == {0}


def _parts(profile_id) -> list:
    merged = Merge.objects.filter(undone_at=None)
    found, new = [], [profile_id]
    while new:
        new = list(merged.filter(winner_id__in=new).values_list("loser_id", flat=True))
        found += new
    return found


def test_what_staff_did_is_still_known_but_not_to_whom(ana):
    ana.is_looked_at()
    profile = str(ana.profile.id)
    ana.is_erased()
    (entry,) = LogEntry.objects.filter(object_id=profile)
    assert (entry.object_repr, entry.change_message) == ("", "")
    assert entry.user.username.startswith("staff-")


def test_values_that_others_wanted_blocked_stay_blocked(ana):
    ana.is_looked_at()
    ana.is_erased()
    policy = IdentityPolicy.objects.get(pk=ana.source.organization_id)
    assert policy.blocked_values == ["email:test@example.com"]


@pytest.mark.parametrize("index", range(6))
def test_what_comes_later_is_dropped(ana, index):
    ana.is_erased()
    outcome = ana.does(ana.identifiers[index], attributes={"name": ana.mark})
    assert (outcome.status, outcome.reason) == ("dropped", "suppressed")
    assert traces(*ana.marks) == {}


def test_what_fails_later_is_not_kept(ana):
    ana.is_erased()
    for identifier in ana.identifiers:
        outcome = ana.fails(identifier)
        assert (outcome.status, outcome.reason) == ("dropped", "suppressed")
    assert traces(*ana.marks) == {}


def test_what_fails_later_is_counted_as_dropped(ana):
    ana.is_erased()
    ana.fails(ana.cookie)
    counted = Tally.objects.filter(organization_id=ana.source.organization_id)
    assert counted.get(outcome="dropped:suppressed").count == 1


def test_events_of_all_months_go(ana):
    for days in (0, 40, 400, 4_000):
        ana.does(ana.cookie, occurred_at=clock.now() - timedelta(days=days))
    assert ana.is_erased().counts["events"] == 7 + 4
    assert traces(*ana.marks) == {}


def test_who_only_names_an_erased_device_is_kept(ana, bob):
    ana.is_erased()
    outcome = bob.does(bob.email, ana.cookie)
    assert outcome.status == "stored"
    assert traces(*ana.marks) == {}


def test_a_message_that_comes_again_is_dropped_too(ana):
    said = {"message_id": "once", "occurred_at": clock.now()}
    first = ana.does(ana.email, **said)
    ana.is_erased()
    again = ana.does(ana.email, **said)
    assert (again.event_id, again.reason) == (first.event_id, "suppressed")
    assert not Event.objects.filter(pk=first.event_id).exists()


def test_who_is_only_known_by_what_failed_can_be_erased(source):
    ana = Somebody(source)
    ana.fails(ana.email, ana.cookie)
    done = ana.is_erased()
    assert done.counts["failed_events"] == 1
    assert traces(*ana.marks) == {}
    assert ana.does(ana.email).reason == "suppressed"


def test_a_failed_event_is_found_by_all_that_it_names(ana, bob):
    bob.fails(bob.email, ana.laptop)
    ana.is_erased()
    assert not FailedEvent.objects.filter(actor_keys__contains=[ana.key(ana.laptop)]).exists()
    assert FailedEvent.objects.filter(actor_keys__0=bob.key(bob.cookie)).exists()


def test_who_asks_again_gets_the_same_erasure(ana):
    first = ana.asks(ana.email)
    assert ana.asks(ana.cookie) == first
    erasure.erase(first)
    assert erasures.request(ana.source, ana.phone, clock.now()) == (first, False)


def test_nobody_is_erased_whom_nobody_knows(ana):
    stranger = Identifier(EMAIL, f"{uuid4().hex}@example.com")
    assert erasures.request(ana.source, stranger, clock.now()) is None


def test_the_person_is_whoever_has_the_identifier_when_it_begins(source):
    ana = Somebody(source)
    ana.does(ana.cookie)
    id_ = ana.asks(ana.cookie)
    ana.lives()
    erasure.erase(id_)
    assert traces(*ana.marks) == {}


def test_an_erasure_that_is_done_is_not_done_again(ana):
    done = ana.is_erased()
    erasure.erase(done.id)
    again = Erasure.objects.get(pk=done.id)
    assert (again.attempts, again.counts) == (1, done.counts)


def test_merges_that_are_under_way_are_waited_for(ana):
    work = _open_merge(ana)
    id_ = ana.asks()
    erasure.erase(id_)
    assert Erasure.objects.get(pk=id_).started_at is None
    work.done_at = clock.now()
    work.save()
    _go_on(id_)
    assert Erasure.objects.get(pk=id_).status == "completed"


def test_merges_that_never_come_are_not_waited_for_for_ever(ana):
    work = _open_merge(ana)
    id_ = ana.asks()
    Erasure.objects.filter(pk=id_).update(requested_at=clock.now() - timedelta(hours=1))
    erasure.erase(id_)
    work.refresh_from_db()
    assert work.done_at is not None
    assert Erasure.objects.get(pk=id_).counts["work"] == 1


def _open_merge(ana: Somebody) -> ProfileWork:
    now = clock.now()
    return ProfileWork.objects.create(
        organization_id=ana.source.organization_id,
        kind="merge",
        profile_id=ana.profile.id,
        other_id=uuid4(),
        seen_at=now,
        created_at=now,
        next_attempt_at=now + timedelta(days=1),
    )


def _go_on(id_) -> None:
    """Let the time pass after which somebody comes again."""
    Erasure.objects.filter(pk=id_).update(next_attempt_at=clock.now())
    erasure.erase(id_)
