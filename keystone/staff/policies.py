"""The base of pages of rules: each organization's own, or the defaults that hold without a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst

from keystone.models import Membership, Organization
from keystone.staff.admin import OrganizationsAdmin, StaffChangeList
from keystone.staff.filters import OrganizationFilter
from keystone.staff.markup import column


def policies_of(model: type[Model], organizations: Iterable[Any]) -> list[Any]:
    """Return the rules that hold for each organization, in their order: its own or the defaults.

    `model`: its primary key is `organization`, and its fields' defaults are the default rules.
    """
    named = {each.pk: each for each in organizations}
    own = model._default_manager.in_bulk(list(named))
    policies: list[Any] = [own.get(id_) or model(pk=id_) for id_ in named]
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
        """By name; organizations are few. `ordering` may only name what the rules have."""
        return ["name", "pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Put its rules in an organization's place."""
        super().get_results(request)
        self.result_list = policies_of(self.model_admin.model, self.result_list)


class PolicyAdmin(OrganizationsAdmin):
    """Stands on organizations: a row of rules comes to be when somebody first saves some.

    Subclasses set `form`, `editable`, `fieldsets` and `list_display`; `name` and `rules` are here.
    """

    opens: ClassVar = {"change": Membership.Role.ADMIN}
    list_filter = (OneOfThemFilter,)
    search_fields = ("organization__name",)
    search_help_text = "A part of an organization's name"

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        """Return the rules that hold for an organization."""
        organization = super().get_object(request, object_id, from_field)
        if not isinstance(organization, Organization):
            return None
        policy: Model = policies_of(self.model, [organization])[0]
        return policy

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[PolicyList]:
        """List organizations."""
        return PolicyList

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponse:
        """Name the organization in the title."""
        whose = context["original"].organization.name
        context["title"] = f"{capfirst(self.opts.verbose_name)} of {whose}"
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @column("organization")
    def name(self, row: Any) -> str:  # noqa: ANN401 - of the subclass's model
        """Name whose rules these are."""
        name: str = row.organization.name
        return name

    @column("rules", {"own": "success", "defaults": "info"})
    def rules(self, row: Model) -> str:
        """Say whether the organization has rules of its own."""
        return "defaults" if row._state.adding else "own"
