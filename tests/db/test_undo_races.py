"""Events, merges, undos and workers at once leave nobody in two places and nothing half done."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import pytest
from django.db import connection

from identity import history
from identity.identifiers import ANONYMOUS_ID, EMAIL, Identifier
from identity.models import AttributeOp, Merge, Profile
from identity.models import Identifier as StoredIdentifier
from identity.perform import work_through
from identity.work import Impossible, merge_by_hand
from ingest.models import Event
from keystone.source import Source
from tests.db.people import people_of, undo, work_off
from tests.db.test_pipeline import process
from tests.make import make_record

PEOPLE = [Identifier(EMAIL, f"{name}@example.com") for name in ("ada", "bob", "cleo", "dan")]
COOKIES = [Identifier(ANONYMOUS_ID, f"cookie-{n}") for n in range(8)]


def at_once(*work: Callable[[], None]) -> list[BaseException]:
    """Run each in a thread of its own; return what they raised."""
    errors: list[BaseException] = []

    def run(do: Callable[[], None]) -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(do,)) for do in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def send(source: Source, chance: random.Random) -> None:
    """Send events of known and unknown people that say something of a few keys."""
    for n in range(40):
        said = {chance.choice("abc"): chance.choice([n, [n], {"k": n}, None])}
        who = (chance.choice(PEOPLE), chance.choice(COOKIES))[chance.randrange(2) :]
        process(make_record(source, identifiers=who, attributes=said))


def decide(owner: UUID, chance: random.Random) -> None:
    """Merge people and take merges back as staff would who cannot make up their minds."""
    for _ in range(40):
        ids = list(Profile.objects.filter(organization_id=owner).values_list("id", flat=True))
        merges = list(Merge.objects.filter(organization_id=owner, undone_at=None))
        with suppress(Impossible):
            if merges and chance.random() < 0.5:
                undo(chance.choice(merges).id, owner)
            elif len(ids) > 1:
                winner, loser = chance.sample(ids, 2)
                merge_by_hand(organization_id=owner, winner_id=winner, loser_id=loser, by="staff")


@pytest.mark.parametrize("bounds", [{}, {"FOLDED_MIN": 2, "FOLDED_MAX": 2, "LOCKED_MAX": 30}])
def test_everybody_at_once_is_as_good_as_one_after_the_other(
    source: Source, bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, bound in bounds.items():
        monkeypatch.setattr(history, name, bound)
    owner, over = source.organization_id, threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            work_through(1)

    worker = threading.Thread(target=lambda: errors.extend(at_once(work)))
    senders = [lambda seed=seed: send(source, random.Random(seed)) for seed in range(3)]
    deciders = [lambda seed=seed: decide(owner, random.Random(seed)) for seed in (7, 8)]
    errors: list[BaseException] = []
    worker.start()
    errors += at_once(*senders, *deciders)
    over.set()
    worker.join()
    assert errors == []
    work_off()
    people_of(owner)  # looks whether all that must hold does
    assert Event.objects.filter(organization_id=owner).count() == 120
    keys = StoredIdentifier.objects.filter(organization_id=owner).values_list("key", flat=True)
    assert AttributeOp.objects.filter(actor_key__in=list(keys)).count() == 120
    for merge in Merge.objects.filter(organization_id=owner, undone_at=None):
        undo(merge.id, owner)
    work_off()
    people_of(owner)
    assert not Profile.objects.filter(organization_id=owner).exclude(merged_into=None).exists()
