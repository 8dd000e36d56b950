"""`GET /v1/profiles/{id}/attributes`."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.identifiers import CRM_ID, EMAIL, Identifier
from identity.models import AttributeOp
from keystone.people import attributes
from tests.http.happening import happens, later
from tests.http.stored import COOKIE, after, get, store_profile

ANA = Identifier(EMAIL, "ana@example.com")


def says(organization, who, minutes, patch):
    """Store what an event of somebody said of them."""
    AttributeOp.objects.create(
        actor_key=who.key(bytes(organization.secret)),
        event_id=uuid4(),
        organization_id=organization.id,
        occurred_at=after(minutes),
        client_ms=0,
        strength=2,
        patch=patch,
    )


def test_attributes_are_what_is_stored_now(organization, keys):
    ana = store_profile(organization, ANA, attributes={"city": "Miami"})
    part = store_profile(organization, merged_into=ana.id, attributes={"city": "Chicago"})
    assert get(keys.integration, f"/v1/profiles/{part.id}/attributes").json() == {
        "id": str(ana.id),
        "as_of": None,
        "attributes": {"city": "Miami"},
        "requested_id": str(part.id),
    }


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (-1, {}),
        (0, {"address": {"city": "Chicago", "zip": "1"}}),
        (1, {"address": {"city": "Miami", "zip": "1"}}),
        (2, {"address": {"city": "Miami", "zip": "1"}, "plan": "gold"}),
    ],
)
def test_attributes_are_folded_from_what_all_identifiers_said_up_to_a_time(
    organization, keys, minutes, expected
):
    ana = store_profile(organization, ANA, COOKIE, attributes={"whatever": "is stored"})
    says(organization, ANA, 2, {"plan": "gold"})
    says(organization, COOKIE, 1, {"address": {"city": "Miami"}})
    says(organization, ANA, 0, {"address": {"city": "Chicago", "zip": "1"}})
    says(organization, Identifier(EMAIL, "bob@example.com"), 0, {"plan": "none"})
    answer = get(
        keys.integration, f"/v1/profiles/{ana.id}/attributes", as_of=after(minutes).isoformat()
    )
    assert answer.json()["attributes"] == expected


def test_once_everything_has_happened_the_fold_is_what_is_stored(source, keys):
    happens(source, COOKIE, minutes=3, attributes={"address": {"city": "Miami"}, "seen": ["b"]})
    happens(source, ANA, COOKIE, minutes=4, attributes={"seen": "c"})
    late = happens(source, ANA, minutes=1, attributes={"address": {"zip": "1"}, "seen": ["a"]})
    path = f"/v1/profiles/{late.profile_id}/attributes"
    stored = get(keys.integration, path).json()["attributes"]
    folded = get(keys.integration, path, as_of=later(4).isoformat()).json()["attributes"]
    assert folded == stored == {"address": {"city": "Miami", "zip": "1"}, "seen": ["b", "c"]}


def test_a_time_as_answers_write_it_includes_what_happened_then(organization, keys):
    ana = store_profile(organization, ANA)
    says(organization, ANA, 0.00001, {"city": "Miami"})  # 600 µs after nine
    answer = get(
        keys.integration, f"/v1/profiles/{ana.id}/attributes", as_of="2026-11-20T09:00:00.000Z"
    ).json()
    assert (answer["as_of"], answer["attributes"]) == (
        "2026-11-20T09:00:00.000Z",
        {"city": "Miami"},
    )


@pytest.mark.parametrize("bound", ["OPERATIONS_MAX", "SIZE_MAX"])
def test_a_history_that_is_too_long_for_a_request_is_refused(
    organization, keys, monkeypatch, bound
):
    ana = store_profile(organization, ANA)
    for each in range(3):
        says(organization, ANA, each, {"n": each})
    monkeypatch.setattr(attributes, bound, 2)
    path = f"/v1/profiles/{ana.id}/attributes"
    answer = get(keys.integration, path, as_of=after(9).isoformat())
    assert (answer.status_code, answer.json()["code"]) == (422, "too_much_history")
    assert get(keys.integration, path).status_code == 200


def test_a_time_that_is_none_is_refused(organization, keys):
    ana = store_profile(organization, ANA)
    answer = get(keys.integration, f"/v1/profiles/{ana.id}/attributes", as_of="then")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_time")


def test_the_number_of_statements_does_not_depend_on_how_much_was_said(organization, keys):
    counts = []
    for number, more in enumerate((1, 3_000)):
        name = Identifier(CRM_ID, f"x{number}")
        profile = store_profile(organization, name)
        AttributeOp.objects.bulk_create(
            AttributeOp(
                actor_key=name.key(bytes(organization.secret)),
                event_id=uuid4(),
                organization_id=organization.id,
                occurred_at=after(each / 1000),
                client_ms=0,
                strength=2,
                patch={"n": each},
            )
            for each in range(more)
        )
        path = f"/v1/profiles/{profile.id}/attributes"
        with CaptureQueriesContext(connection) as queries:
            answer = get(keys.integration, path, as_of=after(60).isoformat()).json()
        assert answer["attributes"] == {"n": more - 1}
        counts.append(len(queries))
    assert counts[0] == counts[1]
