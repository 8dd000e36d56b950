"""The pages for who runs the place: what is still to be done to profiles, and who was erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from identity.models import Erasure, ProfileWork
from keystone.staff.admin import StaffAdmin
from keystone.staff.filters import DEPTH, OrganizationFilter, UntilFilter, exactly, newest
from keystone.staff.markup import column, link, moment, pretty

_OPEN, _FAILED, _DONE = "open", "failed", "done"


class StateFilter(SimpleListFilter):
    """What is open, unless something else is asked for. That has an index; the rest has not."""

    title, parameter_name = "state", "state"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Offer what may have become of work."""
        return [(_OPEN, "open"), (_FAILED, "went wrong"), (_DONE, "done")]

    def value(self) -> str:
        """Return what is asked for."""
        asked = super().value()
        return asked if asked in (_FAILED, _DONE) else _OPEN

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Leave out "All": nobody looks for it."""
        offered = iter(super().choices(changelist))
        next(offered)
        yield from offered

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ProfileWork]
    ) -> QuerySet[ProfileWork]:
        """Follow the index of what is open, or look through the newest."""
        if self.value() == _OPEN:
            soonest = queryset.filter(done_at=None).order_by("next_attempt_at").values("pk")
            return queryset.filter(pk__in=soonest[:DEPTH])
        seen = newest(queryset)
        return seen.exclude(error="") if self.value() == _FAILED else seen.exclude(done_at=None)


@admin.register(ProfileWork)
class ProfileWorkAdmin(StaffAdmin):
    list_display = (
        "created",
        "kind_shown",
        "state",
        "person",
        "other",
        "attempts",
        "next",
        "error",
    )
    list_filter = (OrganizationFilter, StateFilter, UntilFilter)
    fieldsets = (
        (None, {"fields": (("kind_shown", "state"), "person", "other", "merge", "whose")}),
        ("Because of", {"fields": ("rule", "by", "event", "source")}),
        ("How it goes", {"fields": ("created", "attempts", "next", "done", "error")}),
    )

    @column("kind", {"merge": "info", "undo": "warning"})
    def kind_shown(self, row: ProfileWork) -> str:
        return row.kind

    @column("state", {"open": "info", "failed": "danger", "done": "success"})
    def state(self, row: ProfileWork) -> str | tuple[str, str]:
        if row.error:
            return _FAILED, "gave up" if row.done_at else "went wrong, tried again"
        return _OPEN if row.done_at is None else _DONE

    @column("profile")
    def person(self, row: ProfileWork) -> SafeString:
        return link("identity_profile", row.profile_id)

    @column("takes in")
    def other(self, row: ProfileWork) -> SafeString | str:
        return link("identity_profile", row.other_id) if row.other_id else ""

    @column("merge")
    def merge(self, row: ProfileWork) -> SafeString | str:
        return link("identity_merge", row.merge_id) if row.merge_id else ""

    @column("event")
    def event(self, row: ProfileWork) -> SafeString | str:
        return link("ingest_event", row.event_id) if row.event_id else ""

    @column("source")
    def source(self, row: ProfileWork) -> SafeString | str:
        return link("keystone_apikey", row.source_id) if row.source_id else ""

    @column("asked for")
    def created(self, row: ProfileWork) -> SafeString:
        return moment(row.created_at)

    @column("next attempt")
    def next(self, row: ProfileWork) -> SafeString | str:
        return moment(row.next_attempt_at) if row.done_at is None else ""

    @column("done")
    def done(self, row: ProfileWork) -> SafeString:
        return moment(row.done_at)


@admin.register(Erasure)
class ErasureAdmin(StaffAdmin):
    list_display = ("requested", "status_shown", "person", "by", "finished", "erased")
    list_filter = (OrganizationFilter, exactly("status", Erasure.Status.values), UntilFilter)
    fieldsets = (
        (None, {"fields": ("status_shown", "person", "identifier", "by", "whose", "id")}),
        ("How it went", {"fields": ("requested", "started", "finished", "attempts", "next")}),
        ("Rows erased, by place", {"fields": ("counts_shown",)}),
    )

    @column("status", {"enqueued": "info", "running": "warning", "completed": "success"})
    def status_shown(self, row: Erasure) -> str:
        return row.status

    @column("person")
    def person(self, row: Erasure) -> SafeString:
        return link("identity_profile", row.profile_id)

    @column("named by")
    def identifier(self, row: Erasure) -> SafeString:
        return link("identity_identifier", row.identifier_key)

    @column("asked for by")
    def by(self, row: Erasure) -> str:
        return row.requested_by

    @column("asked for")
    def requested(self, row: Erasure) -> SafeString:
        return moment(row.requested_at)

    @column("started")
    def started(self, row: Erasure) -> SafeString:
        return moment(row.started_at)

    @column("finished")
    def finished(self, row: Erasure) -> SafeString:
        return moment(row.finished_at)

    @column("next attempt")
    def next(self, row: Erasure) -> SafeString | str:
        return moment(row.next_attempt_at) if row.finished_at is None else ""

    @column("rows erased")
    def erased(self, row: Erasure) -> str:
        counts = [count for count in row.counts.values() if isinstance(count, int)]
        return f"{sum(counts):,}"

    @column("counts")
    def counts_shown(self, row: Erasure) -> SafeString:
        return pretty(row.counts)
