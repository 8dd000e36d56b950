"""The pages about what names people, and about how their attributes changed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from identity import names
from identity.admin.search import people, searched
from identity.identifiers import KINDS
from identity.models import AttributeChange, Identifier
from keystone.staff.admin import StaffAdmin
from keystone.staff.decisions import DecidingAdmin, Decision, Refused
from keystone.staff.filters import OrganizationFilter, exactly
from keystone.staff.markup import brief, column, link, moment, pretty

ACTIVE, QUARANTINED = Identifier.Status.ACTIVE, Identifier.Status.QUARANTINED
ERASED = Identifier.Status.ERASED
STATUS_LABELS = {"active": "success", "quarantined": "danger", "erased": "warning"}


class Quarantine(Decision[Identifier]):
    """Stop an identifier from bringing people together."""

    name, title, button, icon = "quarantine", "Quarantine", "Quarantine it", "block"
    question = ""  # names the identifier
    before, after = ACTIVE, QUARANTINED
    lines: ClassVar = (
        "From now on this identifier brings nobody together: no new identifier joins a person"
        " because of it, and it merges nobody.",
        "Its events are kept as before, and whose it is now stays as it is. It can be released.",
    )

    def why_not(self, row: Identifier) -> str | None:
        """There is one way out of each status, and none out of erased."""
        return None if row.status == self.before else f"This identifier is {row.status}."

    def ask(self, request: HttpRequest, row: Identifier) -> dict[str, Any]:
        """Say what it means."""
        return {"question": f"{self.title} {row.kind} {row.value}?", "lines": self.lines}

    def do(self, request: HttpRequest, row: Identifier) -> str:
        """Change the status, unless somebody just did."""
        still = Identifier.objects.filter(pk=row.pk, status=self.before)
        if not still.update(status=self.after):
            raise Refused("Its status has just changed: look again.")
        return "Quarantined." if self.after == QUARANTINED else "Released."


class Release(Quarantine):
    """Let a quarantined identifier bring people together again."""

    name, title, button, icon = "release", "Release", "Release it", "lock_open"
    before, after = QUARANTINED, ACTIVE
    lines: ClassVar = (
        "From now on this identifier brings people together again, by what is said from now on.",
        "A device that goes on meeting other people is quarantined again by itself.",
    )


@admin.register(Identifier)
class IdentifierAdmin(DecidingAdmin):
    decisions = (Quarantine(), Release())
    list_display = ("value_shown", "kind_shown", "person", "first", "last", "status_shown")
    list_filter = (
        OrganizationFilter,
        exactly("kind", KINDS),
        exactly("status", ("quarantined", "erased")),
    )
    search_fields = ("value",)
    search_help_text = "A value, exactly"
    fieldsets = (
        (None, {"fields": ("value_shown", "kind_shown", "status_shown", "person", "whose")}),
        ("How it came", {"fields": ("first", "event", "source", "linked", "home", "last", "key")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Identifier], search_term: str
    ) -> tuple[QuerySet[Identifier], bool]:
        if search_term:
            queryset = queryset.filter(pk__in=names.keys_of(search_term, searched(request)))
        return queryset, False

    @column("value")
    def value_shown(self, row: Identifier) -> str:
        return "erased" if row.status == ERASED else row.value

    @column("kind", {"crm_id": "success", "email": "success", "phone": "success"})
    def kind_shown(self, row: Identifier) -> str:
        return row.kind

    @column("status", STATUS_LABELS)
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

    @column("first said in")
    def event(self, row: Identifier) -> SafeString | str:
        return link("ingest_event", row.event_id) if row.event_id else ""

    @column("first said by")
    def source(self, row: Identifier) -> SafeString:
        return link("keystone_apikey", row.source_id)

    @column("with this person since")
    def linked(self, row: Identifier) -> SafeString:
        return moment(row.linked_at)

    @column("first linked to")
    def home(self, row: Identifier) -> SafeString:
        return link("identity_profile", row.home_id)


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
        return queryset.filter(profile_id__in=people(search_term, request)), False

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
