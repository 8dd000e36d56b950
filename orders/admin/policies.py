"""The page of an organization's rules of orders; who has none of its own sees the defaults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from identity.admin.policies import OneOfThemFilter
from keystone.models import Membership, Organization
from keystone.staff.admin import StaffAdmin, StaffChangeList
from keystone.staff.markup import column
from keystone.staff.reach import reach_of
from orders.abandonment import HOURS_MAX
from orders.models import OrderPolicy


class OrderPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Hours, as many as time can be reckoned with."""

    abandoned_after_hours = forms.IntegerField(
        label="Abandoned after (hours)",
        min_value=1,
        max_value=HOURS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="A cart or checkout with which nobody went on for so long is marked as"
        " abandoned. What was placed or completed never is.",
    )

    class Meta:
        model = OrderPolicy
        fields = ("abandoned_after_hours",)


def policies_of(organizations: Iterable[Any]) -> list[OrderPolicy]:
    """Return the rules that hold for each organization, in their order: its own or the defaults."""
    named = {each.pk: each for each in organizations}
    own = OrderPolicy.objects.in_bulk(list(named))
    policies = [own.get(id_) or OrderPolicy(pk=id_) for id_ in named]
    for policy in policies:
        policy.organization = named[policy.pk]
    return policies


class PolicyList(StaffChangeList):
    """A list of organizations, each as the rules that hold for it."""

    def get_results(self, request: HttpRequest) -> None:
        """Put its rules in an organization's place."""
        super().get_results(request)
        self.result_list = policies_of(self.result_list)


@admin.register(OrderPolicy)
class OrderPolicyAdmin(StaffAdmin):
    """Stands on organizations: a row of rules comes to be when somebody first saves some."""

    form = OrderPolicyForm
    opens: ClassVar = {"change": Membership.Role.ADMIN}
    editable = ("abandoned_after_hours",)
    organization_field = "pk"
    ordering = ("name", "pk")
    list_display = ("name", "rules", "abandoned")
    list_filter = (OneOfThemFilter,)
    search_fields = ("organization__name",)
    search_help_text = "A part of an organization's name"
    fieldsets = (
        (None, {"fields": (("name", "rules"),)}),
        ("Abandoned carts", {"fields": ("abandoned_after_hours",)}),
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
        policy: OrderPolicy = context["original"]
        context["title"] = f"Order policy of {policy.organization.name}"
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @column("organization")
    def name(self, row: OrderPolicy) -> str:
        return row.organization.name

    @column("rules", {"own": "success", "defaults": "info"})
    def rules(self, row: OrderPolicy) -> str:
        return "defaults" if row._state.adding else "own"

    @column("abandoned after")
    def abandoned(self, row: OrderPolicy) -> str:
        return f"{row.abandoned_after_hours:,} hours"
