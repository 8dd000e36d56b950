"""One bad event never harms its neighbours: not in its body, not in its flush, not afterwards."""

from __future__ import annotations

from collections import Counter
from functools import partial
from uuid import uuid4

import pytest

from ingest.models import FailedEvent
from tests.http.sending import Answer, Tenant, at_once, code_of, event, make_tenant, patiently, post
from tests.http.stored import get
from tests.http.triggers import refusing

DATA, BUG, INTERNAL, DISK_FULL = "22000", "P0001", "XX000", "53100"


@pytest.fixture(scope="module")
def good() -> Tenant:
    """Whose events are always fine."""
    tenant = make_tenant()
    post(tenant.keys.integration, event())  # from now on the key is known
    return tenant


@pytest.fixture
def bad() -> Tenant:
    """Whose events are refused at times; a new one each time: the batcher remembers."""
    tenant = make_tenant()
    patiently(lambda: post(tenant.keys.integration, event()))  # no outage of another test lasts
    return tenant


def poison(state: str = DATA, **fields: object) -> dict[str, object]:
    return event(event_name=f"refused {state}", **fields)


def among_neighbours(bad: Tenant, good: Tenant, *bodies: dict[str, object]) -> list[Answer]:
    """Send these and thirty good events at the same moment; return the former's answers."""
    sent = [event(event_name=f"Neighbour {uuid4()}") for _ in range(30)]
    calls = [partial(post, bad.keys.integration, body) for body in bodies]
    calls += [partial(post, good.keys.integration, body) for body in sent]
    answers = at_once(calls)
    neighbours = answers[len(bodies) :]
    assert Counter(answer.status_code for answer in neighbours) == {200: 30}
    assert {str(body["event_name"]) for body in sent} <= set(good.names())
    return answers[: len(bodies)]


def inbox(tenant: Tenant) -> list[FailedEvent]:
    return list(FailedEvent.objects.filter(organization_id=tenant.organization.id))


def test_a_record_that_postgresql_refuses_is_its_senders_own_affair(
    bad: Tenant, good: Tenant
) -> None:
    said = poison()
    with refusing("event"):
        (answer,) = among_neighbours(bad, good, said)
    assert code_of(answer) == (422, "failed_event")
    (kept,) = inbox(bad)
    assert (kept.code, kept.door, kept.attempts) == ("sqlstate_22000", "ingest", 1)
    assert said["message_id"].encode() in bytes(kept.raw)


def test_the_answer_says_why_but_not_what(bad: Tenant) -> None:
    with refusing("event"):
        answer = post(bad.keys.integration, poison(payload={"secret": "hush"}))
    (error,) = answer.json()["errors"]
    assert error == {"loc": [], "code": "sqlstate_22000", "message": "refused by a test"}
    assert b"hush" not in answer.content


def test_a_refused_item_of_a_batch_is_an_error_in_its_place(bad: Tenant) -> None:
    said = [event(event_name="One"), poison(), {}, event(event_name="Four")]
    with refusing("event"):
        results = post(bad.keys.integration, {"batch": said}).json()["results"]
    codes = [result.get("code", "stored") for result in results]
    assert codes == ["stored", "failed_event", "invalid_event", "stored"]
    assert {"One", "Four"} <= set(bad.names())
    assert len(inbox(bad)) == 1


@pytest.mark.parametrize(
    "said",
    [{}, {"timestamp": "2026-11-01T10:00:00Z"}, {"message_id": None, "timestamp": 1795248000}],
    ids=["id", "id and time", "content and time"],
)
def test_poison_sent_again_stays_one_row_of_the_inbox(bad: Tenant, said: dict[str, object]) -> None:
    message = poison(**said)
    with refusing("event"):
        for _ in range(3):
            assert post(bad.keys.integration, message).status_code == 422
    (kept,) = inbox(bad)
    assert kept.attempts == 3


def test_what_was_refused_is_stored_once_the_fault_is_gone(bad: Tenant) -> None:
    said = poison()
    with refusing("event"):
        post(bad.keys.integration, said)
    answer = post(bad.keys.integration, said).json()
    assert (answer["duplicate"], said["event_name"] in bad.names()) == (False, True)
    assert answer["event_id"] == str(inbox(bad)[0].event_id)


def test_every_record_is_counted_however_it_ended(bad: Tenant) -> None:
    with refusing("event"):
        post(bad.keys.integration, {"batch": [poison(), event(), poison(), event(), {}]})
    (hour,) = get(bad.keys.integration, "/v1/tally").json()["results"]
    assert [hour[name] for name in ("received", "stored", "failed")] == [5, 3, 2]


def test_what_is_refused_at_commit_was_never_answered_ok(bad: Tenant, good: Tenant) -> None:
    said = poison()
    with refusing("event", at_commit=True):
        (answer,) = among_neighbours(bad, good, said)
    assert code_of(answer) == (422, "failed_event")
    assert said["event_name"] not in bad.names()
    assert len(inbox(bad)) == 1


@pytest.mark.parametrize("state", [BUG, INTERNAL])
def test_our_own_fault_is_a_500_to_its_sender_only(bad: Tenant, good: Tenant, state: str) -> None:
    with refusing("event"):
        (answer,) = among_neighbours(bad, good, poison(state))
    assert code_of(answer) == (500, "server_error")
    assert inbox(bad) == []


def test_an_inbox_that_refuses_too_harms_nobody_else(bad: Tenant, good: Tenant) -> None:
    with refusing("event"), refusing("failed_event", always=DATA):
        (answer,) = among_neighbours(bad, good, poison())
    assert code_of(answer) == (500, "server_error")


def test_many_kinds_of_faults_in_one_flush_each_get_their_own_answer(
    bad: Tenant, good: Tenant
) -> None:
    with refusing("event"):
        answers = among_neighbours(bad, good, poison(BUG), event(), poison(DATA), poison(INTERNAL))
    assert [answer.status_code for answer in answers] == [500, 200, 422, 500]


def test_infrastructure_is_nobodys_fault_and_nothing_is_dead_lettered(bad: Tenant) -> None:
    said = poison(DISK_FULL)
    with refusing("event"):
        answer = post(bad.keys.integration, said)
    assert code_of(answer) == (503, "unavailable")
    assert inbox(bad) == []
    assert patiently(lambda: post(bad.keys.integration, said)).json()["duplicate"] is False


def test_a_body_full_of_poison_makes_nobody_else_wait_in_vain(bad: Tenant, good: Tenant) -> None:
    full = {"batch": [poison() for _ in range(500)]}
    with refusing("event"):
        for _ in range(2):  # the second time its key is known for it
            (answer,) = among_neighbours(bad, good, full)
    assert answer.status_code in {200, 503}  # as far as the time allows
    assert bad.names() == ["Seen"]
