"""`POST /v1/erasures`, `GET /v1/erasures/{id}`, and the door for whoever was erased."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from identity.models import Erasure
from keystone.people import erasure
from tests.db.traces import traces
from tests.http.echo import NewKey
from tests.http.sending import Answer, Tenant, at_once, code_of, event, make_tenant, post
from tests.http.stored import get
from tests.http.triggers import refusing


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


class Ana:
    """A visitor who tells a shop, through its door, who she is; `mark` is in all that she says."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant, self.mark = tenant, uuid4().hex
        self.email = f"{self.mark}@example.com"
        self.phone = f"+4477{str(UUID(self.mark).int)[-8:]}"
        self.names: list[dict[str, Any]] = [
            {"anonymous_id": f"cookie-{self.mark}"},
            {"anonymous_id": None, "session_id": f"session-{self.mark}"},
            {"anonymous_id": None, "identity": self.email},
            {"anonymous_id": None, "identity": f"phone:{self.phone}"},
            {"anonymous_id": None, "identity": {"crm_id": f"crm-{self.mark}"}},
        ]

    @property
    def marks(self) -> tuple[str, ...]:
        texts = self.mark, self.phone
        return *texts, *(text.encode().hex() for text in texts)

    def does(self, name: dict[str, Any], **fields: Any) -> Answer:
        said = {
            "event_name": f"Looked at {self.mark}",
            "payload": {"note": self.mark},
            "context": {
                "url": f"https://example.com/{self.mark}",
                "referrer": f"https://{self.mark}.example/",
                "user_agent": f"Browser of {self.mark}",
                "campaign": {"name": self.mark},
            },
            **fields,
        }
        return post(self.tenant.keys.integration, event(**{**name, **said}))

    def lives(self) -> None:
        cookie, session, email, _, _ = self.names
        self.does(session)
        self.does({**cookie, **{"session_id": session["session_id"]}})
        everything = {"email": self.email, "phone": self.phone, "crm_id": f"crm-{self.mark}"}
        traits = {"name": self.mark, "friends": [self.mark]}
        said = {"identity": everything, "event_type": "identify", "traits": traits}
        assert self.does(cookie, **said).json()["merged"] is True
        self.does(email, attributes={"name": f"Ana {self.mark}"})
        with refusing("event"):
            self.does(email, event_name="refused 22000")

    def asks(self, identifier: str | None = None) -> Answer:
        asked = {"identifier": identifier or f"email:{self.email}"}
        return post(self.tenant.keys.admin, asked, "/v1/erasures")

    def is_erased(self) -> UUID:
        id_ = UUID(self.asks().json()["id"])
        erasure.erase(id_)
        return id_


@pytest.fixture
def ana(tenant: Tenant) -> Ana:
    visitor = Ana(tenant)
    visitor.lives()
    return visitor


def test_an_erasure_is_accepted_and_done_a_moment_later(ana):
    answer = ana.asks()
    said = answer.json()
    assert answer.status_code == 202
    assert (said["status"], said["counts"]) == ("enqueued", {})
    erasure.erase(UUID(said["id"]))
    certificate = get(ana.tenant.keys.admin, f"/v1/erasures/{said['id']}").json()
    assert certificate["status"] == "completed"
    assert certificate["started_at"] <= certificate["finished_at"]
    assert {**certificate["counts"], "identifiers": 5, "events": 4} == certificate["counts"]


def test_the_certificate_says_who_asked(ana):
    said = ana.asks().json()
    raw = ana.tenant.keys.admin
    assert said["requested_by"] == f"key {raw[:8]}…{raw[-4:]}"


def test_nothing_that_came_in_is_left(ana):
    assert set(traces(*ana.marks)) >= {"event", "failed_event", "identifier", "profile"}
    ana.is_erased()
    assert traces(*ana.marks) == {}


def test_who_asks_again_is_answered_the_same(ana):
    first = ana.asks().json()
    again = ana.asks(f"phone:{ana.phone}")
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    erasure.erase(UUID(first["id"]))
    again = ana.asks(f"anonymous_id:cookie-{ana.mark}")
    assert (again.status_code, again.json()["status"]) == (200, "completed")


def test_many_who_ask_at_once_get_the_same_erasure(ana):
    def ask() -> Answer:
        try:
            return ana.asks()
        finally:
            connection.close()  # this thread's

    answers = at_once([ask] * 8)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_value_is_normalized_before_it_is_looked_up(ana):
    assert ana.asks(f"email: {ana.email.upper()} ").status_code == 202


@pytest.mark.parametrize("index", range(5))
def test_the_door_answers_200_to_what_comes_later_and_keeps_nothing(ana, index):
    ana.is_erased()
    answer = ana.does(ana.names[index], attributes={"name": ana.mark})
    said = answer.json()
    assert (answer.status_code, said["status"], said["reason"]) == (200, "dropped", "suppressed")
    assert traces(*ana.marks) == {}


def test_a_page_does_not_learn_that_somebody_was_erased(ana):
    ana.is_erased()
    said = post(ana.tenant.keys.tracker, event(**ana.names[0])).json()
    assert (said["status"], said["duplicate"]) == ("processed", False)
    assert "reason" not in said


def test_what_fails_later_is_answered_200_and_not_kept(ana):
    ana.is_erased()
    with refusing("event"):
        answer = ana.does(ana.names[0], event_name="refused 22000")
    assert (answer.status_code, answer.json()["reason"]) == (200, "suppressed")
    assert traces(*ana.marks) == {}


def test_what_is_dropped_is_in_the_tally(ana):
    ana.is_erased()
    for name in ana.names:
        ana.does(name)
    (hour,) = get(ana.tenant.keys.integration, "/v1/tally").json()["results"]
    assert hour["dropped"] == {"suppressed": 5}
    assert hour["received"] == hour["stored"] + hour["failed"] + 5


def test_of_a_batch_only_her_items_are_dropped(ana):
    ana.is_erased()
    items = [event(), event(**ana.names[2]), event()]
    results = post(ana.tenant.keys.integration, {"batch": items}).json()["results"]
    assert [each["status"] for each in results] == ["processed", "dropped", "processed"]


def test_she_is_not_found_any_more(ana):
    ana.is_erased()
    key = ana.tenant.keys.integration
    assert get(key, f"/v1/profiles/by/email/{ana.email}").status_code == 404
    assert get(key, "/v1/profiles", q=ana.mark).json()["results"] == []


def test_nobody_is_erased_whom_nobody_knows(tenant):
    answer = post(tenant.keys.admin, {"identifier": "email:stranger@example.com"}, "/v1/erasures")
    assert code_of(answer) == (404, "not_found")


def test_another_organizations_people_are_not_found(ana):
    other = make_tenant()
    asked = {"identifier": f"email:{ana.email}"}
    assert code_of(post(other.keys.admin, asked, "/v1/erasures")) == (404, "not_found")
    id_ = ana.asks().json()["id"]
    assert code_of(get(other.keys.admin, f"/v1/erasures/{id_}")) == (404, "not_found")
    assert Erasure.objects.filter(organization_id=other.organization.id).count() == 0


@pytest.mark.parametrize("id_", ["nothing", str(UUID(int=7))])
def test_an_erasure_that_never_was_is_not_found(tenant, id_):
    assert code_of(get(tenant.keys.admin, f"/v1/erasures/{id_}")) == (404, "not_found")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ana@example.com", "unknown_kind"),
        ("name:Ana", "unknown_kind"),
        ("email:", "empty"),
        ("email:nobody", "invalid_email"),
        ("crm_id:undefined", "placeholder"),
        (f"crm_id:{'x' * 300}", "too_long"),
    ],
)
def test_an_identifier_that_names_nobody_is_a_field_error(tenant, said, code):
    answer = post(tenant.keys.admin, {"identifier": said}, "/v1/erasures")
    assert code_of(answer) == (422, code)
    assert answer.json()["errors"][0]["loc"] == ["identifier"]


@pytest.mark.parametrize("body", [{}, {"identifier": 1}, []])
def test_a_body_without_an_identifier_is_refused(tenant, body):
    assert post(tenant.keys.admin, body, "/v1/erasures").status_code == 422


@pytest.mark.parametrize("scope", ["ingest", "viewer", "editor"])
def test_only_admins_erase_and_see_certificates(new: NewKey, scope):
    key = new("integration", scope)
    asked = {"identifier": "email:ana@example.com"}
    assert code_of(post(key, asked, "/v1/erasures")) == (403, "forbidden")
    assert code_of(get(key, f"/v1/erasures/{uuid4()}")) == (403, "forbidden")
