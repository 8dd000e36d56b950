"""The demo organization is made once; what nobody knows any more is replaced."""

from __future__ import annotations

import secrets

import pytest
from django.contrib.auth import get_user_model

from keystone import clock, demo
from keystone.keys.format import digest
from keystone.models import ApiKey, Application, Organization

RAW = (
    "KEYSTONE_TRACKER_KEY",
    "KEYSTONE_INTEGRATION_KEY",
    "KEYSTONE_ADMIN_API_KEY",
    "KEYSTONE_CROW_KEY",
    "KEYSTONE_SEGMENT_WRITE_KEY",
)
NOTHING: dict[str, str] = {}


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of this test's own: the real one is found by its name."""
    own = secrets.token_hex(4)
    monkeypatch.setattr(demo, "_NAME", f"Demo {own}")
    monkeypatch.setattr(demo, "_ADMIN", f"admin-{own}")


def valid(raw: str) -> bool:
    return ApiKey.objects.filter(digest=digest(raw), revoked_at=None).exists()


def test_it_has_a_key_of_each_kind_a_shop_and_an_admin() -> None:
    made = demo.make(NOTHING, clock.now())
    assert all(valid(made[name]) for name in RAW)
    shop = Application.objects.get(id=made["KEYSTONE_CROCT_APP_ID"])
    assert shop.trusted_origins == ["http://localhost:*"]
    admin = get_user_model().objects.get(username=made["KEYSTONE_ADMIN_USER"])
    assert admin.is_superuser
    assert admin.check_password(made["KEYSTONE_ADMIN_PASSWORD"])


def test_made_again_it_stays_the_same() -> None:
    made = demo.make(NOTHING, clock.now())
    assert demo.make(made, clock.now()) == made
    organization = Organization.objects.get(id=made["KEYSTONE_ORG_ID"])
    assert organization.keys.count() == len(RAW)


def test_lost_keys_are_revoked_and_replaced() -> None:
    lost = demo.make(NOTHING, clock.now())
    found = demo.make(NOTHING, clock.now())
    assert not any(valid(lost[name]) for name in RAW)
    assert all(valid(found[name]) for name in RAW)


def test_a_revoked_key_is_replaced() -> None:
    made = demo.make(NOTHING, clock.now())
    revoked = made["KEYSTONE_TRACKER_KEY"]
    ApiKey.objects.filter(digest=digest(revoked)).update(revoked_at=clock.now())
    again = demo.make(made, clock.now())
    assert valid(again["KEYSTONE_TRACKER_KEY"])
    assert again["KEYSTONE_CROW_KEY"] == made["KEYSTONE_CROW_KEY"]


def test_a_lost_password_is_replaced() -> None:
    demo.make(NOTHING, clock.now())
    found = demo.make(NOTHING, clock.now())
    admin = get_user_model().objects.get(username=found["KEYSTONE_ADMIN_USER"])
    assert admin.check_password(found["KEYSTONE_ADMIN_PASSWORD"])


def test_a_password_that_staff_have_changed_stays_theirs() -> None:
    made = demo.make(NOTHING, clock.now())
    admin = get_user_model().objects.get(username=made["KEYSTONE_ADMIN_USER"])
    admin.set_password("their own")
    admin.save()
    for known in (made, demo.make(made, clock.now())):
        assert demo.make(known, clock.now())["KEYSTONE_ADMIN_PASSWORD"] == ""
    admin.refresh_from_db()
    assert admin.check_password("their own")
