"""The one base of all admin pages: scoped to the user's organizations, read-only, bounded.

- Scoped: every view starts from `get_queryset`; another organization's id is one that does not
  exist. Parameters that no filter declares are refused, so that nothing can be guessed by
  filtering on what a page does not show.
- Read-only, unless a page opens something to a role in the row's organization. Django's
  permissions per model play no part: who is a member may look.
- Bounded: a fixed order by primary key, no count, no facets, `DEPTH` rows at most, a constant
  number of statements. What a list shows of other tables is looked up by key, never joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib.admin import ShowFacets, SimpleListFilter
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import flatten_fieldsets
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from keystone.models import Membership, Organization
from keystone.staff.filters import DEPTH, OrganizationFilter
from keystone.staff.markup import column, link
from keystone.staff.reach import reach_of

T = TypeVar("T")


class BoundedPaginator(InfinitePaginator):  # type: ignore[misc]  # the theme is untyped
    """Pages without a count; further back than `DEPTH` rows, filters lead."""

    count = DEPTH


class StaffChangeList(ChangeList):  # type: ignore[misc]
    """A list in one order, whatever the address asks for."""

    result_list: Iterable[Model]

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Model]) -> list[str]:
        """Return the page's order: any other would sort the whole table."""
        return list(self.model_admin.ordering)

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str] | None = None
    ) -> QuerySet[Model]:
        """Leave out columns that only the row's own page shows."""
        rows: QuerySet[Model] = super().get_queryset(request, exclude_parameters)
        return rows.defer(*self.model_admin.heavy)

    def get_results(self, request: HttpRequest) -> None:
        """Look up what the page's rows show of other tables."""
        super().get_results(request)
        self.full_result_count = self.result_count  # else the theme shows both as counts
        self.result_list = rows = list(self.result_list)
        self.model_admin.look_up(request, rows)


class StaffAdmin(ModelAdmin):  # type: ignore[misc]
    """A page over rows that belong to organizations. Subclasses set `fieldsets`."""

    #: The column that says whose a row is.
    organization_field: ClassVar[str] = "organization_id"
    #: What may be done besides looking ("add", "change", "delete"), and the role it takes.
    opens: ClassVar[Mapping[str, str]] = {}
    #: The fields that "change" changes.
    editable: ClassVar[Sequence[str]] = ()
    #: Columns that lists do not read.
    heavy: ClassVar[Sequence[str]] = ()

    ordering: Sequence[str] = ("-pk",)
    sortable_by = ()
    list_filter: Sequence[type[SimpleListFilter]] = (OrganizationFilter,)
    list_per_page = 50
    list_max_show_all = 0
    list_fullwidth = True
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator: type[Paginator[Any]] = BoundedPaginator

    class Media:
        css = {"all": ["keystone/staff.css"]}

    @property
    def has_history(self) -> bool:
        """Whether staff do something here that a row's history tells."""
        return bool(self.opens)

    def look_up(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Attach to rows what they show of other tables: one statement a table, never a join."""
        reach = reach_of(request.user)
        names = reach.names
        if reach.everything:
            ids = {self.organization_of(row) for row in rows}
            names = dict(Organization.objects.filter(pk__in=ids).values_list("pk", "name"))
        for row in rows:
            attach(row, organization=names.get(self.organization_of(row), ""))

    @column("organization")
    def whose(self, row: Model) -> str:
        """Name the organization of a row."""
        id_ = self.organization_of(row)
        return link("keystone_organization", id_, attached(row, "organization", str) or None)

    def organization_of(self, row: Model) -> UUID:
        """Return whose a row is."""
        id_: UUID = getattr(row, self.organization_field)
        return id_

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        rows: QuerySet[Model] = super().get_queryset(request)
        return reach_of(request.user).narrow(rows, self.organization_field)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        row: Model | None = super().get_object(request, object_id, from_field)
        if row is not None:
            self.look_up(request, [row])
        return row

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(Membership.Role.VIEWER, request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(self.opens.get("add"), request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(self.opens.get("change"), request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(self.opens.get("delete"), request, obj)

    def _may(self, role: str | None, request: HttpRequest, row: Model | None = None) -> bool:
        whose = None if row is None else self.organization_of(row)
        return role is not None and reach_of(request.user).may(role, whose)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        reach = reach_of(request.user)
        several = reach.everything or len(reach.roles) > 1
        return [*super().get_list_display(request), *(["whose"] if several else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        if obj is None:
            return []
        shown = flatten_fieldsets(self.get_fieldsets(request, obj))
        return [str(field) for field in shown if field not in self.editable]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return StaffChangeList

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Model], per_page: int, **kwargs: object
    ) -> Paginator[Any]:
        if queryset.model is LogEntry:  # the history of one row that staff have changed
            return Paginator(queryset, per_page)
        paginator: Paginator[Any] = super().get_paginator(request, queryset, per_page, **kwargs)
        return paginator

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return any(lookup == each.parameter_name for each in self.list_filter)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        return bool(to_field == self.opts.pk.name)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = capfirst(self.opts.verbose_name_plural)
        context = {"title": title, **(extra_context or {})}
        page: HttpResponse = super().changelist_view(request, context)
        return page

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"show_history": self.has_history, **(extra_context or {})}
        page: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        return page


class OrganizationsAdmin(StaffAdmin):
    """A page over organizations themselves: few, and found by a part of their name."""

    organization_field = "pk"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        organizations = Organization.objects.defer("secret").order_by(*self.ordering)
        return reach_of(request.user).narrow(organizations, "pk")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        return queryset.filter(name__icontains=search_term.replace("\0", "")), False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return list(self.list_display)


def attach(row: Model, **found: object) -> None:
    """Keep with a row what was looked up for it."""
    vars(row).update({f"_shown_{name}": value for name, value in found.items()})


def attached(row: Model, name: str, kind: type[T]) -> T | None:
    """Return what was looked up for a row; None where nothing was found."""
    found = vars(row).get(f"_shown_{name}")
    return found if isinstance(found, kind) else None
