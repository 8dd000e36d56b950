"""Filters that cost the same on ten rows and on a billion: ids, fixed choices, bounded looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from keystone.ids import lowest_id
from keystone.models import Organization
from keystone.staff.reach import reach_of

M = TypeVar("M", bound=Model)

#: How many rows, newest first, a list shows or a filter without an index looks through.
DEPTH = 10_000
#: A superuser picks among so many organizations; any other is reached from its own page.
_ORGANIZATIONS = 100


def newest(queryset: QuerySet[M]) -> QuerySet[M]:
    """Keep the newest `DEPTH` rows: one look down the index that has them in their order."""
    keys = queryset.order_by("-pk").values_list("pk", flat=True)
    floor = next(iter(keys[DEPTH - 1 : DEPTH]), None)
    return queryset if floor is None else queryset.filter(pk__gte=floor)


class OrganizationFilter(SimpleListFilter):
    """One organization at a time: only then do the (org_id, id) indexes give the order.

    Of many at once PostgreSQL reads every row of them, or of everybody. A superuser may also look
    at everything, by the primary key.
    """

    title = "organization"
    parameter_name = "organization"
    #: False where the order is none of the primary key's.
    all_at_once = True
    #: The column that says whose a row is.
    field = "organization_id"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Offer what the user sees; nothing to those who see one."""
        reach = reach_of(request.user)
        self.everything = reach.everything and self.all_at_once
        if reach.everything:
            names = Organization.objects.order_by("name", "id").values_list("id", "name")
            return [(str(id_), name) for id_, name in names[:_ORGANIZATIONS]]
        offered = [(str(id_), name) for id_, name in reach.names.items()]
        return offered if len(offered) > 1 else []

    def value(self) -> str | None:
        """Return the organization picked, else the first one where one must be."""
        picked: str | None = super().value()
        if picked or self.everything or not self.lookup_choices:
            return picked
        return str(self.lookup_choices[0][0])

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Leave "All" to those who may."""
        offered = iter(super().choices(changelist))
        everything = next(offered)
        if self.everything:
            yield everything
        yield from offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        """Narrow to the one; `queryset` is already narrowed to what the user sees."""
        picked = self.value()
        if not picked:
            return queryset
        try:
            return queryset.filter(**{self.field: UUID(picked)})
        except ValueError:
            return queryset.none()


class OneOrganizationFilter(OrganizationFilter):
    """For lists that only have an order within an organization."""

    all_at_once = False


class TypedFilter(SimpleListFilter):
    """A filter that is typed in, not picked from what there is: that would be a DISTINCT scan."""

    template = "staff/typed_filter.html"
    input_type = "text"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Have output."""
        return [("", "")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Give the template what else the address says."""
        others = {k: v for k, v in changelist.params.items() if k != self.parameter_name}
        yield {"value": self.value() or "", "others": others, "type": self.input_type}


class UntilFilter(TypedFilter):
    """What happened up to the end of a day (UTC): ids begin with their time."""

    title, parameter_name, input_type = "day (and before)", "until", "date"

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        """Read the day; what is none is no bound."""
        try:
            after = date.fromisoformat(self.value() or "") + timedelta(days=1)
        except (ValueError, OverflowError):
            return queryset
        return self.before(queryset, datetime(after.year, after.month, after.day, tzinfo=UTC))

    def before(self, queryset: QuerySet[M], midnight: datetime) -> QuerySet[M]:
        """Keep what happened before the day's end, by ids."""
        return queryset.filter(pk__lt=lowest_id(midnight))


def exactly(field: str, choices: Sequence[str] = ()) -> type[SimpleListFilter]:
    """Make a filter of a field that has no index: it looks through the newest `DEPTH` rows.

    With `choices` one of them is picked, else the value is typed in.
    """

    class Exactly(SimpleListFilter if choices else TypedFilter):  # type: ignore[misc]
        title, parameter_name = field, field

        def lookups(
            self, request: HttpRequest, model_admin: ModelAdmin[Any]
        ) -> Sequence[tuple[str, str]]:
            picked = [(choice, choice.replace("_", " ")) for choice in choices]
            return picked or super().lookups(request, model_admin)

        def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
            asked = (self.value() or "").replace("\0", "")
            return newest(queryset).filter(**{field: asked}) if asked else queryset

    return Exactly
