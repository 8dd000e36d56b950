"""Whoever writes to a profile that has changed meanwhile has lost a race, and stored nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from django.db import connection, connections, transaction

from identity.lineage import ProfileOperation
from identity.models import AttributeOp, Profile
from identity.races import LostRace
from tests.db.people import Person, arrive, collapse


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
    said = loser.says(0, {"a": 1})
    collapse(winner, loser)
    with pytest.raises(LostRace):
        arrive(said)
