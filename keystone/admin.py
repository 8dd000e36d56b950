"""The pages of the ground floor: organizations, who may see them, and the keys that speak for them."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import site
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from keystone import clock
from keystone.models import ApiKey, Application, Membership, Organization
from keystone.staff.admin import OrganizationsAdmin, StaffAdmin
from keystone.staff.forms import ApiKeyForm, ApplicationForm, MembershipForm
from keystone.staff.markup import column, list_link, moment
from keystone.staff.reach import reach_of

VIEWER, ADMIN = Membership.Role.VIEWER, Membership.Role.ADMIN

# Roles in organizations decide what staff may do; Django's groups and permissions play no part.
site.unregister(Group)
site.unregister(User)
site.index_title = "Keystone"


class SmallTableAdmin(StaffAdmin):
    """Tables that people write: few rows, so that counting them and joining names is cheap."""

    paginator = Paginator

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        mine = [id_ for id_, role in reach_of(request.user).roles.items() if role == ADMIN]
        only = {"organization": mine[0]} if len(mine) == 1 else {}
        return {**only, **super().get_changeform_initial_data(request)}

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: object
    ) -> forms.ModelChoiceField[Any] | None:
        if db_field.name == "organization":
            mine = Organization.objects.defer("secret").order_by("name")
            kwargs["queryset"] = reach_of(request.user).narrow(mine, "pk", ADMIN)
        field: forms.ModelChoiceField[Any] | None = super().formfield_for_foreignkey(
            db_field, request, **kwargs
        )
        return field


@admin.register(Organization)
class OrganizationAdmin(OrganizationsAdmin, SmallTableAdmin):
    list_display = ("name", "created", "people", "events", "keys")
    list_filter = ()
    search_fields = ("name",)
    editable = ("name",)
    heavy = ("secret",)
    add_fieldsets = ((None, {"fields": ("name",)}),)
    fieldsets = (
        (None, {"fields": ("name", "id", "created")}),
        ("Look at", {"fields": ("people", "events", "keys", "members", "applications")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user).everything

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return reach_of(request.user).everything

    @column("created")
    def created(self, row: Organization) -> SafeString:
        return moment(row.created_at)

    @column("people")
    def people(self, row: Organization) -> SafeString:
        return list_link("identity_profile", "People", organization=row.pk)

    @column("events")
    def events(self, row: Organization) -> SafeString:
        return list_link("ingest_event", "Events", organization=row.pk)

    @column("keys")
    def keys(self, row: Organization) -> SafeString:
        return list_link("keystone_apikey", "API keys", organization=row.pk)

    @column("members")
    def members(self, row: Organization) -> SafeString:
        return list_link("keystone_membership", "Members", organization=row.pk)

    @column("applications")
    def applications(self, row: Organization) -> SafeString:
        return list_link("keystone_application", "Applications", organization=row.pk)


@admin.register(Membership)
class MembershipAdmin(SmallTableAdmin):
    form = MembershipForm
    opens: ClassVar = {"add": ADMIN, "change": ADMIN, "delete": ADMIN}
    editable = ("role",)
    autocomplete_fields = ("organization",)
    list_display = ("user", "role_shown")
    list_select_related = ("user",)
    fieldsets = ((None, {"fields": ("user", "organization", "role")}),)

    @column("role", {"admin": "success", "editor": "info"})
    def role_shown(self, row: Membership) -> str:
        return row.role


@admin.register(ApiKey)
class ApiKeyAdmin(SmallTableAdmin):
    form = ApiKeyForm
    opens: ClassVar = {"add": ADMIN}
    heavy = ("digest",)
    actions = ("revoke",)
    autocomplete_fields = ("organization",)
    list_display = ("name", "key", "kind_shown", "may", "domains", "created", "state")
    add_fieldsets = (
        (None, {"fields": ("organization", "name", "kind", "scopes")}),
        (None, {"fields": ("allowed_domains", "expires_at")}),
    )
    fieldsets = (
        (None, {"fields": ("name", "key", "kind", "may", "domains", "organization", "id")}),
        (None, {"fields": ("created", "expires_at", "state")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        return super().get_queryset(request).defer("digest")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:
        """Show the raw key: this answer is the only one that ever has it."""
        said = 'Copy the key now, it is not shown again: <code class="ks-key">{}</code>'
        messages.warning(request, format_html(said, form.raw))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user).may(ADMIN)

    @admin.action(description="Revoke, for good", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Stop keys within 10 s in every process (keystone.md §1)."""
        mine = reach_of(request.user).narrow(queryset, "organization_id", ADMIN)
        keys = list(mine.filter(revoked_at=None))
        ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(revoked_at=clock.now())
        for key in keys:
            self.log_change(request, key, "Revoked.")
        self.message_user(request, f"Keys revoked: {len(keys)}.")

    @column("key")
    def key(self, row: ApiKey) -> SafeString:
        return format_html('<code class="ks-key">{}</code>', row.display)

    @column("kind", {"integration": "warning", "tracker": "info"})
    def kind_shown(self, row: ApiKey) -> str:
        return row.kind

    @column("may")
    def may(self, row: ApiKey) -> str:
        return ", ".join(row.scopes)

    @column("domains")
    def domains(self, row: ApiKey) -> str:
        return ", ".join(row.allowed_domains) or "any"

    @column("created")
    def created(self, row: ApiKey) -> SafeString:
        return moment(row.created_at)

    @column("state", {"active": "success", "revoked": "danger"})
    def state(self, row: ApiKey) -> tuple[str, str]:
        if row.revoked_at:
            return "revoked", f"revoked {row.revoked_at:%d %b %Y}"
        if row.expires_at and row.expires_at <= clock.now():
            return "revoked", f"expired {row.expires_at:%d %b %Y}"
        until = f"until {row.expires_at:%d %b %Y}" if row.expires_at else "active"
        return "active", until


@admin.register(Application)
class ApplicationAdmin(SmallTableAdmin):
    form = ApplicationForm
    opens: ClassVar = {"add": ADMIN, "change": ADMIN}
    editable = ("name", "trusted_origins")
    autocomplete_fields = ("organization",)
    list_display = ("name", "id", "origins")
    add_fieldsets = ((None, {"fields": ("organization", "name", "trusted_origins")}),)
    fieldsets = ((None, {"fields": ("name", "id", "trusted_origins", "organization")}),)

    @column("trusted origins")
    def origins(self, row: Application) -> str:
        return ", ".join(row.trusted_origins) or "none"


@admin.register(User)
class StaffUserAdmin(UserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Who may log in: superusers only, for staff could else make themselves superusers."""

    form, add_form = UserChangeForm, UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "email", "first_name", "last_name")}),
        (None, {"fields": ("is_active", "is_staff", "is_superuser", "last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "is_staff", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user).everything

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return reach_of(request.user).everything

    has_change_permission = has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user).everything
