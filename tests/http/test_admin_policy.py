"""An organization's rules of linking, as its admins set them."""

from __future__ import annotations

import pytest

from identity.models import IdentityPolicy
from identity.protect import Policy
from keystone.models import Membership
from tests.http.staffed import make_client, make_house, text, url

RULES = {
    "crm_ids": "2",
    "emails": "3",
    "phones": "4",
    "quarantine_after": "5",
    "public_links_per_hour": "6",
    "blocked_values": "",
}


@pytest.fixture
def house():
    made = make_house()
    IdentityPolicy.objects.filter(pk=made.organization.pk).delete()
    return made


def save(client, house, **changed):
    return client.post(url(IdentityPolicy, "change", house.organization.pk), {**RULES, **changed})


def stored(house):
    return IdentityPolicy.objects.filter(pk=house.organization.pk).values().first()


@pytest.mark.parametrize("role", Membership.Role.values)
def test_without_rules_of_their_own_the_defaults_are_shown_and_none_are_made(role, house):
    client = make_client(**{role: house})
    page = text(client.get(url(IdentityPolicy)))
    assert "defaults" in page
    assert house.organization.name in page
    shown = text(client.get(url(IdentityPolicy, "change", house.organization.pk)))
    assert str(Policy().public_links_per_hour) in shown
    assert stored(house) is None


def test_an_admin_sets_rules_and_the_pipeline_has_them(house):
    client = make_client(admin=house)
    assert save(client, house).status_code == 302
    kept = stored(house)
    assert [kept[name] for name in RULES if name != "blocked_values"] == [2, 3, 4, 5, 6]
    assert save(client, house, emails="9").status_code == 302
    assert stored(house)["emails"] == 9


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_is_no_admin_sets_none(role, house):
    assert save(make_client(**{role: house}), house).status_code == 403
    assert stored(house) is None


def test_an_admin_of_another_organization_sets_none(house):
    elsewhere = make_client(admin=make_house())
    assert save(elsewhere, house).headers["Location"] == "/admin/"
    both = make_client(admin=make_house(), viewer=house)
    assert save(both, house).status_code == 403
    assert stored(house) is None


def test_blocked_values_are_normalized_and_each_is_kept_once(house):
    said = "email: Test@Example.com \n\nEMAIL:test@example.com\nphone:0044 20 7946 0958\ncrm_id:12"
    save(make_client(admin=house), house, blocked_values=said)
    expected = ["email:test@example.com", "phone:+442079460958", "crm_id:12"]
    assert stored(house)["blocked_values"] == expected
    page = text(make_client(admin=house).get(url(IdentityPolicy, "change", house.organization.pk)))
    assert "\n".join(expected) in page


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("email:nobody", "Line 2, email:nobody: not an e-mail address"),
        ("test@example.com", "write kind:value"),
        ("email:", "write kind:value"),
        ("shoe:12", "a kind is one of"),
        ("crm_id:null", "names nobody anyway"),
    ],
)
def test_what_is_no_identifier_is_told_with_its_line(line, fault, house):
    page = text(save(make_client(admin=house), house, blocked_values=f"crm_id:1\n{line}"))
    assert fault in page.replace("&#x27;", "'")
    assert stored(house) is None


def test_a_thousand_values_may_be_blocked(house):
    client = make_client(admin=house)
    values = "\n".join(f"crm_id:{number}" for number in range(1, 1_002))
    assert "At most 1,000" in text(save(client, house, blocked_values=values))
    assert stored(house) is None
    save(client, house, blocked_values=values.rpartition("\n")[0])
    assert len(stored(house)["blocked_values"]) == 1_000


@pytest.mark.parametrize("number", ["0", "-1", "99999999999", "x", ""])
def test_a_limit_is_a_number_from_one(number, house):
    text(save(make_client(admin=house), house, emails=number))
    assert stored(house) is None
