"""The page of orders: what people buy, and what became of it. Events make orders, staff look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from keystone.staff.admin import StaffAdmin, attach, attached
from keystone.staff.markup import column, moment
from orders.admin.amounts import STATUS_LABELS, with_currency
from orders.admin.buyers import Buyer, buyers_of
from orders.admin.filters import BegunFilter, OneShopFilter, StatusFilter, found_by
from orders.admin.page import shown
from orders.keys import ORDER
from orders.models import Order


@admin.register(Order)
class OrderAdmin(StaffAdmin):
    """By their beginning, which only has an index within an organization."""

    change_form_template = "orders/order.html"
    list_display = ("number", "status_shown", "amount", "person", "begun", "last", "abandoned")
    list_filter = (OneShopFilter, StatusFilter, BegunFilter)
    search_fields = ("external_id",)
    search_help_text = "An order's id, exactly"
    ordering = ("-created_at", "-id")
    heavy = ("state",)
    # The template shows it; who can look at it is decided by the base page.
    fieldsets = ((None, {"fields": ("number",)}),)

    class Media:
        css = {"all": ["orders/staff.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Look up the digest of what the shop calls it."""
        if search_term:
            queryset = queryset.filter(pk__in=found_by(search_term, ORDER, request))
        return queryset, False

    def look_up(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Say whose orders are."""
        super().look_up(request, rows)
        known = buyers_of(row.actor_key for row in rows)
        for row in rows:
            attach(row, buyer=known.get(row.actor_key))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponse:
        order: Order = context["original"]
        context |= {
            "title": f"Order {order.external_id}",
            "order": order,
            "shown": shown(order),
            "status": self.status_shown(order),
            "buyer": attached(order, "buyer", Buyer),
            "organization": attached(order, "organization", str),
        }
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @column("order")
    def number(self, row: Order) -> str:
        return row.external_id

    @column("status", STATUS_LABELS)
    def status_shown(self, row: Order) -> tuple[str, str]:
        return row.status, row.status.replace("_", " ")

    @column("total")
    def amount(self, row: Order) -> str | None:
        return with_currency(row.total, row.currency) or None

    @column("person")
    def person(self, row: Order) -> SafeString | str:
        buyer = attached(row, "buyer", Buyer)
        return buyer.person if buyer else "nobody any more"

    @column("begun")
    def begun(self, row: Order) -> SafeString:
        return moment(row.created_at)

    @column("last event")
    def last(self, row: Order) -> SafeString:
        return moment(row.updated_at)

    @column("abandoned")
    def abandoned(self, row: Order) -> SafeString | str:
        return moment(row.abandoned_at) if row.abandoned_at else ""
