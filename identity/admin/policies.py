"""The page of an organization's rules of linking; who has none of its own sees the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminTextareaWidget

from identity.identifiers import Placeholder, Unusable, identifier
from identity.models import IdentityPolicy
from keystone.models import Membership, Organization
from keystone.staff.admin import StaffAdmin, StaffChangeList
from keystone.staff.filters import OrganizationFilter
from keystone.staff.markup import column
from keystone.staff.reach import reach_of

#: How many values an organization may block: they travel with every batch of its events.
BLOCKED_MAX = 1_000
_LIMITS = ("crm_ids", "emails", "phones")
_PACE = ("quarantine_after", "public_links_per_hour")


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """One blocked value a line."""

    blocked_values = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="One kind:value a line, such as email:test@example.com: these name nobody."
        f" Kinds are crm_id, email, phone, anonymous_id and session; at most {BLOCKED_MAX:,}.",
    )

    class Meta:
        model = IdentityPolicy
        fields = (*_LIMITS, *_PACE, "blocked_values")
        labels = {
            "crm_ids": "Customer ids",
            "emails": "E-mail addresses",
            "phones": "Phone numbers",
            "quarantine_after": "Quarantine after",
            "public_links_per_hour": "Links an hour",
        }
        help_texts = {
            "crm_ids": "How many one person may have.",
            "emails": "How many one person may have.",
            "phones": "How many one person may have.",
            "quarantine_after": "A device that met so many other people is quarantined by itself.",
            "public_links_per_hour": "New identifiers that public keys may link to one person.",
        }

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> object:
        """Write the list as lines."""
        value: object = super().get_initial_for_field(field, field_name)
        return "\n".join(value) if isinstance(value, list) else value

    def clean_blocked_values(self) -> list[str]:
        """Bring each line into the normal form that events are compared with."""
        said: str = self.cleaned_data["blocked_values"]
        lines = [line.strip() for line in said.splitlines()]
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
        if len(numbered) > BLOCKED_MAX:
            raise forms.ValidationError(
                f"At most {BLOCKED_MAX:,} values: these are {len(numbered):,}."
            )
        faults: list[str] = []
        values: dict[str, None] = {}
        for number, line in numbered:
            try:
                values[_normal(line)] = None
            except Unusable as unusable:
                faults.append(f"Line {number}, {line[:60]}: {unusable.message}.")
        if faults:
            raise forms.ValidationError(faults[:10])
        return list(values)


def _normal(line: str) -> str:
    kind, colon, value = line.partition(":")
    try:
        found = identifier(kind.strip().lower(), value) if colon else None
    except Placeholder:
        raise Unusable("placeholder", "that names nobody anyway") from None
    if found is None:
        raise Unusable("invalid", "write kind:value")
    return f"{found.kind}:{found.value}"


def policies_of(organizations: Iterable[Any]) -> list[IdentityPolicy]:
    """Return the rules that hold for each organization, in their order: its own or the defaults."""
    named = {each.pk: each for each in organizations}
    own = IdentityPolicy.objects.in_bulk(list(named))
    policies = [own.get(id_) or IdentityPolicy(pk=id_) for id_ in named]
    for policy in policies:
        policy.organization = named[policy.pk]
    return policies


class OneOfThemFilter(OrganizationFilter):
    """All organizations that one sees, or one of them: these rows are few and have no index."""

    field = "pk"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Offer "All" to everybody."""
        offered = super().lookups(request, model_admin)
        self.everything = True
        return offered


class PolicyList(StaffChangeList):
    """A list of organizations, each as the rules that hold for it."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Model]) -> list[str]:
        """By name; organizations are few."""
        return ["name", "pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Put its rules in an organization's place."""
        super().get_results(request)
        self.result_list = policies_of(self.result_list)


@admin.register(IdentityPolicy)
class IdentityPolicyAdmin(StaffAdmin):
    """Stands on organizations: a row of rules comes to be when somebody first saves some."""

    form = PolicyForm
    opens: ClassVar = {"change": Membership.Role.ADMIN}
    editable = (*_LIMITS, *_PACE, "blocked_values")
    organization_field = "pk"
    list_display = ("name", "rules", *_LIMITS, *_PACE, "blocked")
    list_filter = (OneOfThemFilter,)
    search_fields = ("organization__name",)
    search_help_text = "A part of an organization's name"
    fieldsets = (
        ("One person may have at most", {"fields": _LIMITS}),
        ("Protection", {"fields": _PACE}),
        ("Values that name nobody", {"fields": ("blocked_values",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        mine = Organization.objects.defer("secret")
        return reach_of(request.user).narrow(mine, "pk")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        organization = super().get_object(request, object_id, from_field)
        return policies_of([organization])[0] if isinstance(organization, Organization) else None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        return queryset.filter(name__icontains=search_term.replace("\0", "")), False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return list(self.list_display)

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[PolicyList]:
        return PolicyList

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponse:
        policy: IdentityPolicy = context["original"]
        context["title"] = f"Identity policy of {policy.organization.name}"
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @column("organization")
    def name(self, row: IdentityPolicy) -> str:
        return row.organization.name

    @column("rules", {"own": "success", "defaults": "info"})
    def rules(self, row: IdentityPolicy) -> str:
        return "defaults" if row._state.adding else "own"

    @column("blocked values")
    def blocked(self, row: IdentityPolicy) -> str:
        return f"{len(row.blocked_values):,}"
