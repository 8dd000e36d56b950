"""The pages about identity: what names people, how their attributes changed, who became whom.

The page of a person looks across the house and is the roof's: `keystone.people.admin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from identity import names
from identity.identifiers import KINDS
from identity.models import AttributeChange, Identifier, Merge
from keystone.models import Organization
from keystone.staff.admin import StaffAdmin, attach, attached
from keystone.staff.filters import OrganizationFilter, exactly
from keystone.staff.markup import brief, column, link, moment, pretty
from keystone.staff.reach import reach_of


def searched(request: HttpRequest) -> QuerySet[Organization]:
    """Return the organizations whose people a search may find: the one picked, or all seen."""
    seen = reach_of(request.user).narrow(Organization.objects.order_by("-pk"), "pk")
    picked = names.as_id(request.GET.get("organization", ""))
    return (seen.filter(pk=picked) if picked else seen)[: names.ORGANIZATIONS_MAX]


@admin.register(Identifier)
class IdentifierAdmin(StaffAdmin):
    list_display = ("value", "kind_shown", "person", "first", "last", "status_shown")
    list_filter = (OrganizationFilter, exactly("kind", KINDS), exactly("status", ("quarantined",)))
    search_fields = ("value",)
    search_help_text = "A value, exactly"
    fieldsets = (
        (None, {"fields": ("value", "kind_shown", "status_shown", "person", "whose")}),
        (None, {"fields": ("first", "last", "source", "key")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Identifier], search_term: str
    ) -> tuple[QuerySet[Identifier], bool]:
        if search_term:
            queryset = queryset.filter(pk__in=names.keys_of(search_term, searched(request)))
        return queryset, False

    @column("kind", {"crm_id": "success", "email": "success", "phone": "success"})
    def kind_shown(self, row: Identifier) -> str:
        return row.kind

    @column("status", {"active": "success", "quarantined": "danger"})
    def status_shown(self, row: Identifier) -> str:
        return row.status

    @column("person")
    def person(self, row: Identifier) -> SafeString:
        return link("identity_profile", row.profile_id)

    @column("first seen")
    def first(self, row: Identifier) -> SafeString:
        return moment(row.first_seen)

    @column("last seen")
    def last(self, row: Identifier) -> SafeString:
        return moment(row.last_seen)

    @column("first said by")
    def source(self, row: Identifier) -> SafeString:
        return link("keystone_apikey", row.source_id)


@admin.register(AttributeChange)
class AttributeChangeAdmin(StaffAdmin):
    list_display = ("at", "attribute", "op_shown", "was", "became", "person", "by")
    search_fields = ("profile_id",)
    search_help_text = "A person's id or identifier, exactly"
    fieldsets = (
        (None, {"fields": ("attribute", "op_shown", "before", "after")}),
        (None, {"fields": ("person", "whose", "at", "recorded", "by", "source")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AttributeChange], search_term: str
    ) -> tuple[QuerySet[AttributeChange], bool]:
        """Find a person's by the index that leads there."""
        if not search_term:
            return queryset, False
        found = names.as_id(search_term)
        people = [found] if found else _people(search_term, request)
        return queryset.filter(profile_id__in=people), False

    @column("happened")
    def at(self, row: AttributeChange) -> SafeString:
        return moment(row.occurred_at)

    @column("recorded")
    def recorded(self, row: AttributeChange) -> SafeString:
        return moment(row.recorded_at)

    @column("attribute")
    def attribute(self, row: AttributeChange) -> str:
        return " › ".join(row.path)

    @column("change", {"add": "success", "change": "info", "remove": "danger"})
    def op_shown(self, row: AttributeChange) -> str:
        return row.op

    @column("from")
    def was(self, row: AttributeChange) -> str:
        return "" if row.op == AttributeChange.Op.ADD else brief(row.old)

    @column("to")
    def became(self, row: AttributeChange) -> str:
        return "" if row.op == AttributeChange.Op.REMOVE else brief(row.new)

    @column("from")
    def before(self, row: AttributeChange) -> SafeString | str:
        return "" if row.op == AttributeChange.Op.ADD else pretty(row.old)

    @column("to")
    def after(self, row: AttributeChange) -> SafeString | str:
        return "" if row.op == AttributeChange.Op.REMOVE else pretty(row.new)

    @column("person")
    def person(self, row: AttributeChange) -> SafeString:
        return link("identity_profile", row.profile_id)

    @column("by")
    def by(self, row: AttributeChange) -> SafeString | str:
        if row.merge_id:
            return format_html("merge {}", link("identity_merge", row.merge_id))
        return link("ingest_event", row.event_id) if row.event_id else ""

    @column("source")
    def source(self, row: AttributeChange) -> SafeString | str:
        return link("keystone_apikey", row.source_id) if row.source_id else ""


@admin.register(Merge)
class MergeAdmin(StaffAdmin):
    list_display = ("when", "loser", "winner", "rule", "by", "state")
    search_fields = ("winner_id",)
    search_help_text = "A person's id or identifier, exactly"
    heavy = ("attributes_before",)
    fieldsets = (
        (None, {"fields": ("loser", "winner", "rule", "by", "when", "state", "whose")}),
        (None, {"fields": ("moved", "attributes")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Merge], search_term: str
    ) -> tuple[QuerySet[Merge], bool]:
        """As for attribute changes: the two indexes are the winner's and the loser's."""
        if not search_term:
            return queryset, False
        found = names.as_id(search_term)
        people = [found] if found else _people(search_term, request)
        return queryset.filter(Q(winner_id__in=people) | Q(loser_id__in=people)), False

    def look_up(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Name the survivors."""
        super().look_up(request, rows)
        known = names.strongest_of([row.winner_id for row in rows])
        for row in rows:
            attach(row, winner=known.get(row.winner_id))

    @column("when")
    def when(self, row: Merge) -> SafeString:
        return moment(row.at)

    @column("became part of")
    def winner(self, row: Merge) -> SafeString:
        known = attached(row, "winner", tuple)
        return link("identity_profile", row.winner_id, known[1] if known else None)

    @column("who")
    def loser(self, row: Merge) -> SafeString:
        return link("identity_profile", row.loser_id)

    @column("because of")
    def by(self, row: Merge) -> SafeString | str:
        return link("ingest_event", row.event_id) if row.event_id else ""

    @column("state", {"done": "success", "undone": "warning"})
    def state(self, row: Merge) -> tuple[str, str]:
        if row.undone_at is None:
            return "done", "done"
        return "undone", f"undone by {row.undone_by or 'the system'}"

    @column("identifiers moved")
    def moved(self, row: Merge) -> SafeString:
        links = [link("identity_identifier", key) for key in row.identifiers[:100]]
        more = f" and {len(row.identifiers) - 100:,} more" if len(row.identifiers) > 100 else ""
        return format_html("{}{}", SafeString(", ".join(links)), more)

    @column("attributes before")
    def attributes(self, row: Merge) -> SafeString:
        return pretty(row.attributes_before)


def _people(text: str, request: HttpRequest) -> list[object]:
    return [each.profile_id for each in names.known(text, searched(request))]
