"""What staff may do in the admin, by their role; and that the rest is refused."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.test import Client

from ingest.models import Event
from keystone.models import ApiKey, Application, Membership, Organization
from keystone.staff.admin import StaffAdmin
from tests.http.staffed import BIG, make_client, make_house, make_user, text, url

ROLES = Membership.Role.values
NEW_KEY = {"name": "New", "kind": "tracker", "scopes": ["ingest"], "allowed_domains": ""}


@pytest.fixture(scope="module")
def house():
    return make_house()


def rows_of(model, house):
    return model._default_manager.filter(organization_id=house.organization.pk).count()


@pytest.mark.parametrize("model", [*BIG, Organization], ids=lambda model: model.__name__)
@pytest.mark.parametrize("role", ROLES)
def test_read_only_pages_refuse_every_write(model, role, house):
    client = make_client(**{role: house})
    pk = house.rows[model].pk
    before = list(model._default_manager.filter(pk=pk).values())
    addresses = [url(model, "add"), url(model, "change", pk), url(model, "delete", pk)]
    assert [client.post(each, {"name": "x"}).status_code for each in addresses] == [403] * 3
    client.post(url(model), {"action": "delete_selected", "_selected_action": pk, "post": "yes"})
    assert list(model._default_manager.filter(pk=pk).values()) == before


@pytest.mark.parametrize("model", [ApiKey, Application, Membership])
@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_admins_write(model, role, house):
    client, pk = make_client(**{role: house}), house.rows[model].pk
    addresses = [url(model, "add"), url(model, "change", pk), url(model, "delete", pk)]
    assert [client.post(each).status_code for each in addresses] == [403] * 3


def test_an_admin_makes_a_key_and_sees_it_once(house):
    client = make_client(admin=house)
    asked = {**NEW_KEY, "organization": house.organization.pk, "name": "Once"}
    page = text(client.post(url(ApiKey, "add"), asked, follow=True))
    (raw,) = re.findall(r"ks_w_[0-9A-Za-z]{30}", page)
    key = ApiKey.objects.get(organization=house.organization, name="Once")
    assert key.display == f"{raw[:8]}…{raw[-4:]}"
    for address in (url(ApiKey), url(ApiKey, "change", key.pk), url(ApiKey, "history", key.pk)):
        assert raw not in text(client.get(address))


def test_a_key_that_must_not_be_is_refused_beside_its_field(house):
    client, before = make_client(admin=house), rows_of(ApiKey, house)
    asked = {**NEW_KEY, "organization": house.organization.pk}
    public_admin = text(client.post(url(ApiKey, "add"), {**asked, "scopes": ["admin"]}))
    bad_domain = text(client.post(url(ApiKey, "add"), {**asked, "allowed_domains": "shop"}))
    assert "A public tracker key cannot have admin." in public_admin
    assert "is no origin" in bad_domain
    assert rows_of(ApiKey, house) == before


def test_an_admin_revokes_keys(house):
    client = make_client(admin=house)
    client.post(
        url(ApiKey, "add"), {**NEW_KEY, "organization": house.organization.pk, "name": "Old"}
    )
    key = ApiKey.objects.get(organization=house.organization, name="Old")
    _revoke(client, key)
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert "Revoked." in text(client.get(url(ApiKey, "history", key.pk)))


def test_a_role_counts_in_its_organization_only(house):
    here = make_house()
    client = make_client(admin=here, viewer=house)
    key, application = house.rows[ApiKey], house.rows[Application]
    _revoke(client, key, organization=house.organization.pk)
    key.refresh_from_db()
    assert key.revoked_at is None
    assert client.post(url(Application, "change", application.pk), {"name": "x"}).status_code == 403
    before = rows_of(ApiKey, house), rows_of(Membership, house)
    for model, said in (
        (ApiKey, NEW_KEY),
        (Membership, {"user": make_user().username, "role": "admin"}),
    ):
        said = {**said, "organization": house.organization.pk}
        assert "Select a valid choice" in text(client.post(url(model, "add"), said))
    assert (rows_of(ApiKey, house), rows_of(Membership, house)) == before


def test_an_admin_lets_somebody_in_changes_their_role_and_shows_them_out(house):
    client, somebody = make_client(admin=house), make_user()
    said = {"user": somebody.username, "organization": house.organization.pk, "role": "viewer"}
    assert client.post(url(Membership, "add"), said).status_code == 302
    membership = Membership.objects.get(user=somebody)
    other = make_house()
    moved = {"user": "x", "organization": other.organization.pk, "role": "editor"}
    assert client.post(url(Membership, "change", membership.pk), moved).status_code == 302
    membership.refresh_from_db()
    assert (membership.role, membership.organization) == ("editor", house.organization)
    client.post(url(Membership, "delete", membership.pk), {"post": "yes"})
    assert not Membership.objects.filter(user=somebody).exists()


def test_a_form_names_no_user_that_was_not_typed_in(house):
    other = make_house()
    page = text(make_client(admin=house).get(url(Membership, "add")))
    assert other.mark not in page


def test_an_admin_changes_an_application(house):
    client, pk = make_client(admin=house), house.rows[Application].pk
    said = {"name": f"App {house.mark}", "trusted_origins": "https://a.example\nhttps://b.example"}
    assert client.post(url(Application, "change", pk), said).status_code == 302
    application = Application.objects.get(pk=pk)
    assert application.trusted_origins == ["https://a.example", "https://b.example"]
    assert "https://a.example\nhttps://b.example" in text(
        client.get(url(Application, "change", pk))
    )


def test_who_is_no_member_sees_nothing_whatever_django_permits(house):
    user = make_user()
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="ingest"))
    client = make_client(user)
    assert client.get(url(Event)).status_code == 403
    assert client.get(url(Event, "change", house.rows[Event].pk)).status_code == 403


def test_who_is_no_staff_any_more_is_sent_to_the_login(house):
    user = make_user()
    client = make_client(user, admin=house)
    User.objects.filter(pk=user.pk).update(is_staff=False)
    assert client.get(url(Event)).headers["Location"].startswith("/admin/login/")


def test_a_membership_ends_at_once(house):
    user = make_user()
    client = make_client(user, admin=house)
    assert client.get(url(Event)).status_code == 200
    Membership.objects.filter(user=user).delete()
    assert client.get(url(Event)).status_code == 403


@pytest.mark.parametrize("model", [m for m in site._registry if m.__module__.startswith("django")])
def test_only_superusers_manage_users(model, house):
    user = make_user()
    user.user_permissions.set(Permission.objects.all())
    client = make_client(user, admin=house)
    addresses = [url(model), url(model, "add"), url(model, "change", user.pk)]
    assert [client.get(each).status_code for each in addresses] == [403] * 3
    assert make_client(make_user(is_superuser=True)).get(url(model)).status_code == 200


def test_every_page_is_a_staff_page_or_the_superusers():
    others = {m.__name__ for m, page in site._registry.items() if not isinstance(page, StaffAdmin)}
    assert others == {"User"}


def test_a_login_is_locked_after_ten_failures():
    user, client = make_user(), Client()
    said = {"username": user.username, "password": "wrong"}
    answers = [client.post("/admin/login/", said).status_code for _ in range(10)]
    assert answers[:9] == [200] * 9
    assert client.post("/admin/login/", {**said, "password": "right"}).status_code == 429


def _revoke(client, key, **asked):
    said = {"action": "revoke", "index": "0", "_selected_action": key.pk}
    assert client.post(url(ApiKey), said, query_params=asked).status_code == 302
