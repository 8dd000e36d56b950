"""Eight writers at once over a few hot people: nothing is lost, nothing dangles, nobody deadlocks.

What the writers bring is a log that has one result in any order (`tests.db.worlds`), so that the
storm has to come to the same one.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import pytest
from django.db import connection

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE
from identity.identifiers import Identifier as Name
from identity.models import Merge, Profile, ProfileWork
from identity.perform import work_through
from identity.work import Impossible, merge_by_hand, undo_by_hand
from ingest.isolation import Contended, Result, process_isolated
from ingest.models import Event
from ingest.record import Outcome, Record
from keystone import clock
from tests.db.people import people_of, work_off
from tests.db.test_people_permutations import (
    assert_as_expected,
    assert_seen_when_they_acted,
    outlook,
)
from tests.db.worlds import KEYS, Log, Said, Tenant

WRITERS, BATCH_MAX = 8, 6
PEOPLE, COOKIES, VISITS, HOURS = 3, 12, 3, 9


def storm_log(chance: random.Random) -> list[Said]:
    """Few people; everybody logs in with every cookie, whose shadows collapse all the time."""
    said: list[Said] = []
    for number in range(PEOPLE):
        names = [
            Name(CRM_ID, f"{number}"),
            *(Name(EMAIL, f"{number}-{n}@example.com") for n in range(3)),
            Name(PHONE, f"+491511234560{number}"),
        ]
        said += [Said(frozenset({name, names[0]}), patch=patch(chance)) for name in names[1:]]
        for place in range(COOKIES):
            cookie = Name(ANONYMOUS_ID, f"{number}-{place}")
            visits = [Said(frozenset({cookie}), public=True)] * VISITS
            login = Said(frozenset({chance.choice(names), cookie}), public=chance.random() < 0.5)
            said += [*visits, login]
    chance.shuffle(said)
    return [
        each._replace(second=chance.randrange(HOURS * 3_600), patch=patch(chance)) for each in said
    ]


def patch(chance: random.Random) -> dict[str, object] | None:
    if chance.random() < 0.5:
        return None
    value = chance.choice([chance.randrange(9), [chance.randrange(9)], None, {"k": 1}])
    return {chance.choice(KEYS): value}


class Storm:
    """Threads with connections of their own; whatever one of them raises is kept."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.became: Counter[str] = Counter()
        self.contended = 0
        self.calm = threading.Event()

    def thread(self, run: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:  # noqa: BLE001 - told by the test
                self.errors.append(error)
            finally:
                connection.close()

        return threading.Thread(target=guarded)

    def write(self, batches: Iterable[Sequence[Record]]) -> None:
        for batch in batches:
            results = self.patiently(batch)
            self.errors += [result for result in results if isinstance(result, Exception)]
            self.became.update(each.status for each in results if isinstance(each, Outcome))

    def patiently(self, batch: Sequence[Record]) -> list[Result]:
        """Come again when told to, as senders do."""
        while True:
            try:
                return process_isolated(batch, clock.now())
            except Contended:
                self.contended += 1

    def until_calm(self, once: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            while not self.calm.is_set():
                once()

        return run

    def rage(self, writers: Sequence[Callable[[], None]], *others: Callable[[], None]) -> None:
        """Run all at once; the others until the writers are done."""
        writing = [self.thread(run) for run in writers]
        beside = [self.thread(self.until_calm(run)) for run in others]
        for thread in [*writing, *beside]:
            thread.start()
        for thread in writing:
            thread.join()
        self.calm.set()
        for thread in beside:
            thread.join()
        assert self.errors == []


def writers_of(
    storm: Storm, records: Sequence[Record], chance: random.Random
) -> list[Callable[[], None]]:
    """Share the records out, some of them twice, in batches of any size."""
    writers: list[Callable[[], None]] = []
    for place in range(WRITERS):
        mine = [*records[place::WRITERS], *chance.sample(records, 3)]
        batches: list[list[Record]] = []
        while mine:
            size = chance.randint(1, BATCH_MAX)
            batches.append(mine[:size])
            mine = mine[size:]
        writers.append(partial(storm.write, batches))
    return writers


def work() -> None:
    """Be the worker for a while."""
    work_through(0.05)
    threading.Event().wait(0.01)


def staff(tenant: Tenant, chance: random.Random) -> Callable[[], None]:
    """Merges people at random and takes merges back."""

    def once() -> None:
        roots = Profile.objects.filter(organization_id=tenant.id, merged_into=None)
        ids = list(roots.values_list("id", flat=True))
        merges = list(
            Merge.objects.filter(organization_id=tenant.id, undone_at=None).values_list(
                "id", flat=True
            )
        )
        try:
            if merges and chance.random() < 0.5:
                undo_by_hand(organization_id=tenant.id, merge_id=chance.choice(merges), by="staff")
            elif len(ids) > 1:
                winner, loser = chance.sample(ids, 2)
                merge_by_hand(
                    organization_id=tenant.id, winner_id=winner, loser_id=loser, by="staff"
                )
        except Impossible as why:
            if why.code not in {"same_person", "anchor_into_shadow"}:
                raise

    return once


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_comes_to_the_same_people_as_any_order(seed: int) -> None:
    chance, tenant, storm = random.Random(seed), Tenant(), Storm()
    log = storm_log(chance)
    storm.rage(writers_of(storm, tenant.records(log), chance), work)
    assert storm.contended == 0
    assert_everything_is_stored(tenant, storm, log)
    assert_as_expected(Log(log, []), tenant, outlook(tenant))
    assert_seen_when_they_acted(tenant)


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_with_staff_in_it_leaves_nothing_dangling(seed: int) -> None:
    chance, tenant, storm = random.Random(seed), Tenant(), Storm()
    log = storm_log(chance)
    deciding = [staff(tenant, random.Random(seed + each)) for each in (1, 2)]
    storm.rage(writers_of(storm, tenant.records(log), chance), work, *deciding)
    assert_everything_is_stored(tenant, storm, log)
    people_of(tenant.id)  # looks at everything that must hold of them


def assert_everything_is_stored(tenant: Tenant, storm: Storm, log: Sequence[Said]) -> None:
    work_off()
    assert not ProfileWork.objects.filter(organization_id=tenant.id, done_at=None).exists()
    assert storm.became["stored"] == len(log)
    assert Event.objects.filter(organization_id=tenant.id).count() == len(log)
