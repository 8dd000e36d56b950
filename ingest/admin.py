"""The pages about what came in: events, failed events, the tally."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from identity import names
from identity.admin import searched
from identity.models import Identifier
from ingest.models import Event, FailedEvent, Tally
from keystone.models import ApiKey
from keystone.staff.admin import StaffAdmin, attach, attached
from keystone.staff.filters import (
    DEPTH,
    OneOrganizationFilter,
    OrganizationFilter,
    UntilFilter,
    exactly,
)
from keystone.staff.markup import column, link, moment, plain, pretty

KINDS = ("track", "page", "identify", "screen", "group", "alias")
DIALECTS = ("cdp", "crow", "croct", "segment")


class SourcedAdmin(StaffAdmin):
    """Pages over rows that a key brought."""

    def look_up(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Name the keys."""
        super().look_up(request, rows)
        ids = {row.source_id for row in rows}
        keys = dict(ApiKey.objects.filter(pk__in=ids).values_list("pk", "name"))
        for row in rows:
            attach(row, key=keys.get(row.source_id))

    @column("source")
    def source(self, row: Event | FailedEvent | Tally) -> SafeString:
        return link("keystone_apikey", row.source_id, attached(row, "key", str))


@admin.register(Event)
class EventAdmin(SourcedAdmin):
    list_display = ("when", "name", "kind_shown", "type", "actor", "address", "source")
    list_filter = (
        OrganizationFilter,
        UntilFilter,
        exactly("name"),
        exactly("kind", KINDS),
        exactly("dialect", DIALECTS),
    )
    search_fields = ("id",)
    search_help_text = "An event's id, or an identifier, exactly"
    heavy = ("context", "payload")
    fieldsets = (
        (None, {"fields": (("name", "kind_shown", "type"), "address", ("when", "received"))}),
        (None, {"fields": (("actor", "person", "source"), ("dialect", "session_id"))}),
        (None, {"fields": (("id", "whose"),)}),
        ("Payload", {"fields": ("said",)}),
        ("Context", {"fields": ("around",)}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Look up an id; or the newest events of each identifier, one index arm for each."""
        if not search_term:
            return queryset, False
        if id_ := names.as_id(search_term):
            return queryset.filter(pk=id_), False
        keys = [each.key for each in names.known(search_term, searched(request))]
        if not keys:
            return queryset.none(), False
        if len(keys) == 1:
            return queryset.filter(actor_key=keys[0]), False
        arms = [
            Event.objects.filter(actor_key=key).order_by("-pk").values("pk")[:DEPTH] for key in keys
        ]
        return queryset.filter(pk__in=arms[0].union(*arms[1:], all=True)), False

    def look_up(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Name the actors."""
        super().look_up(request, rows)
        events = [row for row in rows if isinstance(row, Event)]
        actors = Identifier.objects.in_bulk({event.actor_key for event in events})
        for event in events:
            attach(event, actor=actors.get(event.actor_key))

    @column("time")
    def when(self, row: Event) -> SafeString:
        return moment(row.occurred_at)

    @column("received")
    def received(self, row: Event) -> SafeString:
        return moment(row.received_at)

    @column("kind", {"identify": "success", "track": "info", "page": "warning"})
    def kind_shown(self, row: Event) -> str:
        return row.kind

    @column("url")
    def address(self, row: Event) -> SafeString:
        return format_html('<span class="ks-url" title="{0}">{0}</span>', row.url)

    @column("actor")
    def actor(self, row: Event) -> SafeString:
        actor = attached(row, "actor", Identifier)
        return link("identity_identifier", row.actor_key, actor.value if actor else None)

    @column("person")
    def person(self, row: Event) -> SafeString | str:
        actor = attached(row, "actor", Identifier)
        return link("identity_profile", actor.profile_id) if actor else "nobody any more"

    @column("payload")
    def said(self, row: Event) -> SafeString:
        return pretty(row.payload)

    @column("context")
    def around(self, row: Event) -> SafeString:
        return pretty(row.context)


@admin.register(FailedEvent)
class FailedEventAdmin(SourcedAdmin):
    list_display = ("last", "code", "message", "door", "attempts", "source")
    heavy = ("raw",)
    fieldsets = (
        (None, {"fields": ("code", "message", "door", "source", "whose")}),
        (None, {"fields": ("attempts", "first", "last", "event_id")}),
        ("As it came", {"fields": ("body",)}),
    )

    @column("first tried")
    def first(self, row: FailedEvent) -> SafeString:
        return moment(row.first_at)

    @column("last tried")
    def last(self, row: FailedEvent) -> SafeString:
        return moment(row.last_at)

    @column("body")
    def body(self, row: FailedEvent) -> SafeString:
        text = bytes(row.raw).decode(errors="replace")
        try:
            return pretty(json.loads(text))
        except (ValueError, RecursionError):
            return plain(text)


@admin.register(Tally)
class TallyAdmin(SourcedAdmin):
    """By hour, which only has an index within an organization."""

    list_display = ("hour_shown", "outcome_shown", "count", "door", "source")
    list_filter = (OneOrganizationFilter,)
    ordering = ("-hour", "-pk")
    fieldsets = (
        (None, {"fields": ("hour_shown", "outcome_shown", "count", "door", "source", "whose")}),
    )

    @column("hour")
    def hour_shown(self, row: Tally) -> SafeString:
        return moment(row.hour)

    @column("outcome", {"stored": "success", "duplicate": "info", "failed": "danger"})
    def outcome_shown(self, row: Tally) -> str:
        return row.outcome
