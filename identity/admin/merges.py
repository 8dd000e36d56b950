"""The page about who became whom, and how it is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from identity import names, work
from identity.admin.search import people
from identity.models import Identifier, Merge
from keystone.staff.admin import attach, attached
from keystone.staff.decisions import DecidingAdmin, Decision, Refused, staff
from keystone.staff.filters import OrganizationFilter, UntilFilter, exactly
from keystone.staff.markup import column, link, moment, pretty, short

#: Identifiers of which a merge's page shows what became of them.
_MOVED = 100


class Undo(Decision[Merge]):
    """Take a merge back."""

    name, title, button, icon = "undo", "Undo", "Undo this merge", "undo"
    question = "Undo this merge?"
    template = "identity/undo.html"
    is_danger = True

    def why_not(self, row: Merge) -> str | None:
        """Once."""
        if row.undone_at is None:
            return None
        return f"This merge was undone already, by {row.undone_by or 'the system'}."

    def ask(self, request: HttpRequest, row: Merge) -> dict[str, Any]:
        """Try it without doing it."""
        try:
            undone = _undo(request, row, dry_run=True)
        except Refused as refused:
            return {"fault": str(refused), "button": ""}
        known = names.strongest_of([undone.winner_id]).get(undone.winner_id)
        return {"undone": undone, "stays": known[1] if known else short(undone.winner_id)}

    def do(self, request: HttpRequest, row: Merge) -> str:
        """Do it."""
        undone = _undo(request, row)
        if undone.status == "already_undone":
            raise Refused("This merge was undone already.")
        if undone.status == "pending":
            return f"There is much to move: {short(row.loser_id)} is a person again in a moment."
        return f"Undone: {short(row.loser_id)} is a person again."


def _undo(request: HttpRequest, row: Merge, *, dry_run: bool = False) -> work.Undone:
    try:
        return work.undo_by_hand(
            organization_id=row.organization_id,
            merge_id=row.pk,
            by=staff(request),
            dry_run=dry_run,
        )
    except work.Impossible as impossible:
        raise Refused(impossible.message) from None


@admin.register(Merge)
class MergeAdmin(DecidingAdmin):
    decisions: ClassVar = (Undo(),)
    list_display = ("when", "loser", "winner", "rule", "because", "state")
    list_filter = (OrganizationFilter, UntilFilter, exactly("rule"))
    search_fields = ("winner_id",)
    search_help_text = "A person's id or identifier, exactly"
    heavy = ("attributes_before",)
    fieldsets = (
        (None, {"fields": ("loser", "winner", "state", "when", "whose")}),
        ("Because of", {"fields": ("rule", "because", "source")}),
        ("What it did", {"fields": ("moved", "attributes")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Merge], search_term: str
    ) -> tuple[QuerySet[Merge], bool]:
        """As for attribute changes: the two indexes are the winner's and the loser's."""
        if not search_term:
            return queryset, False
        found = people(search_term, request)
        return queryset.filter(Q(winner_id__in=found) | Q(loser_id__in=found)), False

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
        return link("identity_profile", row.winner_id, known[1] or "erased" if known else None)

    @column("who")
    def loser(self, row: Merge) -> SafeString:
        return link("identity_profile", row.loser_id)

    @column("because of")
    def because(self, row: Merge) -> SafeString | str:
        if row.by:
            return row.by
        return link("ingest_event", row.event_id) if row.event_id else ""

    @column("said by")
    def source(self, row: Merge) -> SafeString | str:
        return link("keystone_apikey", row.source_id) if row.source_id else ""

    @column("state", {"in force": "success", "undone": "warning"})
    def state(self, row: Merge) -> tuple[str, str]:
        if row.undone_at is None:
            return "in force", "in force"
        return "undone", f"undone {row.undone_at:%d %b %Y} by {row.undone_by or 'the system'}"

    @column("identifiers moved")
    def moved(self, row: Merge) -> SafeString:
        keys = row.identifiers[:_MOVED]
        known = dict(Identifier.objects.filter(pk__in=keys).values_list("pk", "value"))
        links = [link("identity_identifier", key, known.get(key) or None) for key in keys]
        more = len(row.identifiers) - len(links)
        return format_html(
            "{}{}", SafeString(", ".join(links)), f" and {more:,} more" if more else ""
        )

    @column("attributes before")
    def attributes(self, row: Merge) -> SafeString:
        return pretty(row.attributes_before)
