"""Filters and search of lists that are newest first by a time of their rows: ids are digests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from identity.admin import searched
from keystone.staff.filters import OneOrganizationFilter, UntilFilter
from orders.keys import key_of
from orders.lifecycle import STATUSES
from orders.models import Order, Product

M = TypeVar("M", bound=Model)

_SKELETONS, _DESCRIBED = "yes", "no"


def found_by(text: str, kind: str, request: HttpRequest) -> list[UUID]:
    """Return the ids that an order or product has in each organization where its shop calls it so."""
    ids = searched(request).values_list("pk", flat=True)
    return [key_of(organization_id, kind, text.strip()) for organization_id in ids]


class OneShopFilter(OneOrganizationFilter):
    """One organization at a time; a search needs no order and looks in all that one sees."""

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Offer "All" to a search."""
        offered = super().lookups(request, model_admin)
        asked = request.GET.get("q", "")
        # What the page's search box refuses is no search.
        self.everything = bool(asked) and "\0" not in asked
        return offered


class StatusFilter(SimpleListFilter):
    """By status, of which there is an index (order_by_status)."""

    title, parameter_name = "status", "status"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Offer all there are."""
        return [(status, status.replace("_", " ")) for status in STATUSES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        """Follow the index."""
        asked = self.value()
        return queryset.filter(status=asked) if asked in STATUSES else queryset


class BegunFilter(UntilFilter):
    """What began up to the end of a day (UTC), event time: the lists' indexes have it."""

    title = "day it began (and before)"

    def before(self, queryset: QuerySet[M], midnight: datetime) -> QuerySet[M]:
        """Compare times."""
        return queryset.filter(**{"created_at__lt": midnight})


class SkeletonFilter(SimpleListFilter):
    """What is still to be filled in, or what is known in full (product_skeletons)."""

    title, parameter_name = "skeleton", "skeleton"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Offer both."""
        return [(_SKELETONS, "to be filled in"), (_DESCRIBED, "described")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Follow the index."""
        asked = self.value()
        if asked not in (_SKELETONS, _DESCRIBED):
            return queryset
        return queryset.filter(is_skeleton=asked == _SKELETONS)
