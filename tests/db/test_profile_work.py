"""Rows of work are done once, by whichever worker, whatever kills it; and as the pipeline would."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import connection

from identity import backlog
from identity.backlog import Work, claim
from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL
from identity.identifiers import Identifier as Name
from identity.models import Identifier, IdentityPolicy, Merge, Profile, ProfileWork
from identity.perform import perform, work_through
from identity.tasks import ring
from ingest import pipeline
from ingest.record import Outcome, Record
from keystone import clock
from keystone.celery import app
from keystone.db import ingest_transaction
from keystone.ids import new_id
from keystone.source import Source
from tests.db.people import NOW, Person, arrive, people_of, staff_merge, undo, work_off
from tests.db.test_pipeline import process
from tests.make import make_record, make_source

ADA, BOB = Name(EMAIL, "ada@example.com"), Name(EMAIL, "bob@example.com")
COOKIE, OTHER = Name(ANONYMOUS_ID, "c1"), Name(ANONYMOUS_ID, "c2")
CRM, CRM_2 = Name(CRM_ID, "1"), Name(CRM_ID, "2")


def defer(*records: Record) -> list[Outcome]:
    """Process records as a request does that keeps losing its race."""
    with ingest_transaction() as cursor:
        return pipeline.process(cursor, records, clock.now(), defer=True)


def rows(organization_id: UUID) -> list[ProfileWork]:
    return list(ProfileWork.objects.filter(organization_id=organization_id).order_by("id"))


def leave(winner: Person, loser: Person, rule: str = "identified") -> Work:
    """Leave a merge that an event asked for to the worker, as the pipeline does."""
    work = Work(
        id=new_id(),
        org_id=winner.organization_id,
        kind="merge",
        profile_id=winner.id,
        other_id=loser.id,
        merge_id=new_id(),
        event_id=uuid4(),
        source_id=uuid4(),
        rule=rule,
        seen_at=NOW,
    )
    with ingest_transaction() as cursor:
        backlog.enqueue(cursor, [work], clock.now())
    return work


def outcome(work: Work) -> tuple[bool, str]:
    row = ProfileWork.objects.get(id=work.id)
    return row.done_at is not None, row.error


def visits(source: Source) -> list[Record]:
    """Tell a story with every rule that merges: shadows, a session, a mention, a statement."""
    start = clock.now() - timedelta(hours=1)
    visit = Name("session", "s1")
    said: Sequence[tuple[tuple[Name, ...], tuple[Name, ...], int]] = [
        ((visit,), (), 1),
        ((COOKIE,), (), 2),
        ((COOKIE, visit), (), 3),
        ((ADA, COOKIE), (), 4),
        ((OTHER,), (), 5),
        ((OTHER,), (BOB,), 6),
        ((CRM,), (), 7),
        ((CRM, ADA), (), 8),
        ((BOB, OTHER, COOKIE), (), 9),
        ((CRM_2, ADA), (), 10),
    ]
    return [
        make_record(
            source,
            identifiers=identifiers,
            mentions=mentions,
            attributes={"a": [n], "n": n},
            occurred_at=start + timedelta(seconds=n),
        )
        for identifiers, mentions, n in said
    ]


def persons(source: Source) -> set[tuple[frozenset[str], str, str]]:
    """Return an organization's people by what names them."""
    found = people_of(source.organization_id)
    names = dict(
        Identifier.objects.filter(organization_id=source.organization_id).values_list(
            "key", "value"
        )
    )
    return {
        (frozenset(names[key] for key in keys), kind, str(sorted(attributes.items())))
        for keys, (kind, attributes, _) in found.items()
    }


def test_what_a_request_left_ends_as_if_it_had_done_it(source: Source) -> None:
    at_once, deferred = make_source(), make_source()
    for one, other in zip(visits(at_once), visits(deferred), strict=True):
        process(one)
        defer(other)
        work_off()
    assert persons(deferred) == persons(at_once)


def test_a_pending_merge_is_answered_as_pending_and_keeps_its_id(source: Source) -> None:
    process(make_record(source, identifiers=(COOKIE,)))
    (login,) = defer(make_record(source, identifiers=(ADA, COOKIE)))
    assert (login.is_pending, login.merged_profile_ids) == (True, ())
    (row,) = rows(source.organization_id)
    assert (row.kind, row.rule, row.event_id) == ("merge", "identified", login.event_id)
    work_off()
    merge = Merge.objects.get(organization_id=source.organization_id)
    assert (merge.id, merge.winner_id, merge.event_id, merge.rule) == (
        row.merge_id,
        login.profile_id,
        login.event_id,
        "identified",
    )


def test_the_winner_was_seen_when_the_loser_was() -> None:
    anchor = Person(kind="anchor")
    one = Person(anchor.organization_id)
    earlier = NOW - timedelta(days=2)
    Profile.objects.filter(id=one.id).update(first_seen=earlier)
    perform(leave(anchor, one), NOW)
    anchor.profile.refresh_from_db()
    assert (anchor.profile.first_seen, anchor.profile.last_seen) == (earlier, NOW)


def test_an_attempt_is_counted_before_it_is_made_and_comes_again_if_it_kills() -> None:
    anchor = Person(kind="anchor")
    work = leave(anchor, Person(anchor.organization_id))
    work_off_others(work)
    now = clock.now()
    claimed = claim(now)  # and here the worker is killed
    assert claimed is not None
    assert (claimed.id, claimed.attempts) == (work.id, 1)
    assert ProfileWork.objects.get(id=work.id).attempts == 1
    assert claim(now + timedelta(seconds=59)) is None
    again = claim(now + timedelta(seconds=61))
    assert again is not None
    assert (again.id, again.attempts) == (work.id, 2)
    perform(again, now)
    assert outcome(work) == (True, "")


def work_off_others(work: Work) -> None:
    """Leave nothing due but one row."""
    ProfileWork.objects.filter(done_at=None).exclude(id=work.id).update(done_at=NOW)


def test_a_row_delivered_twice_has_one_effect_also_after_an_undo() -> None:
    anchor = Person(kind="anchor")
    one = Person(anchor.organization_id)
    work = leave(anchor, one)
    perform(work, NOW)
    perform(work, NOW)
    assert outcome(work) == (True, "")
    assert work.merge_id
    undo(work.merge_id, anchor.organization_id)
    perform(work, NOW)
    assert one.root == one.id
    assert Merge.objects.filter(organization_id=anchor.organization_id).count() == 1


def test_workers_at_once_do_everything_once() -> None:
    anchor = Person(kind="anchor")
    shadows = [Person(anchor.organization_id) for _ in range(40)]
    arrive(*[each.says(n, {"a": [n]}) for n, each in enumerate(shadows)])
    works = [leave(anchor, each) for each in shadows]
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work_through(20)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work_off()  # what lost every race is due a moment later
    assert errors == []
    assert {outcome(work) for work in works} == {(True, "")}
    assert len(people_of(anchor.organization_id)) == 1
    assert Merge.objects.filter(winner_id=anchor.id).count() == 40


def test_one_bad_row_keeps_no_other_back() -> None:
    anchor = Person(kind="anchor")
    one = Person(anchor.organization_id)
    bad, good = leave(anchor, one), leave(anchor, one)
    ProfileWork.objects.filter(id=bad.id).update(kind="what")
    work_through(10)
    assert outcome(bad) == (False, "KeyError")
    assert outcome(good) == (True, "")


def test_a_row_that_fails_comes_again_after_ever_longer_but_always() -> None:
    anchor = Person(kind="anchor")
    bad = leave(anchor, Person(anchor.organization_id))
    waits = []
    for attempts in (0, 3, 30):
        ProfileWork.objects.update_or_create(
            id=bad.id, defaults={"kind": "what", "attempts": attempts, "next_attempt_at": NOW}
        )
        work_off_others(bad)
        claimed = claim(NOW)
        assert claimed is not None
        perform(claimed, NOW)
        waits.append(ProfileWork.objects.get(id=bad.id).next_attempt_at - NOW)
    assert waits == [timedelta(seconds=2), timedelta(seconds=16), timedelta(hours=1)]
    ProfileWork.objects.filter(id=bad.id).delete()


def test_who_is_one_person_already_stays_so() -> None:
    anchor = Person(kind="anchor")
    one = Person(anchor.organization_id)
    first, second = leave(anchor, one), leave(anchor, one)
    perform(first, NOW)
    perform(second, NOW)
    assert outcome(second) == (True, "same_person")
    assert len(people_of(anchor.organization_id)) == 1


def test_an_event_does_not_bring_together_what_was_taken_apart_meanwhile() -> None:
    anchor = Person(kind="anchor")
    one = Person(anchor.organization_id)
    work = leave(anchor, one)
    undo(staff_merge(anchor, one).merge_id, anchor.organization_id)
    perform(work, NOW)
    assert outcome(work) == (True, "cannot_link")
    assert one.root == one.id


def test_a_device_does_not_make_two_anchors_one_a_moment_later() -> None:
    anchor = Person(kind="anchor")
    other, device = Person(anchor.organization_id, "anchor"), Person(anchor.organization_id)
    work = leave(anchor, device)
    perform(leave(other, device), NOW)
    perform(work, NOW)
    assert outcome(work) == (True, "anchors")
    assert device.root == other.id


def test_a_shadow_that_took_in_nobody_joins_the_anchor_that_its_loser_became_part_of() -> None:
    anchor = Person(kind="anchor")
    one, other = Person(anchor.organization_id), Person(anchor.organization_id)
    work = leave(one, other, "same_session")
    perform(leave(anchor, other), NOW)
    perform(work, NOW)
    assert (one.root, other.root) == (anchor.id, anchor.id)


def test_a_statement_is_judged_again_by_the_limits() -> None:
    anchor = Person(kind="anchor")  # each has a crm_id
    other = Person(anchor.organization_id, "anchor")
    work = leave(anchor, other, "stated")
    perform(work, NOW)
    assert outcome(work) == (True, "crm_conflict")
    IdentityPolicy.objects.create(organization_id=anchor.organization_id, crm_ids=2)
    perform(leave(other, anchor, "stated"), NOW)
    assert other.root == anchor.id  # the older


def test_a_bell_that_is_rung_reaches_the_queue() -> None:
    with app.connection_for_read() as broker:
        queue = broker.default_channel.client
        before = queue.llen("celery")
        ring()
        deadline = time.monotonic() + 10
        while queue.llen("celery") == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
