"""The page about what was kept apart, and what staff make of it: refusals and suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from django.contrib import admin
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from identity import names
from identity.admin.merging import merge
from identity.admin.search import searched
from identity.admin.sides import Side, sides_of, staying_first
from identity.models import Identifier, Refusal
from identity.protect import REASONS
from keystone import clock
from keystone.staff.admin import attached
from keystone.staff.decisions import DecidingAdmin, Decision, Refused, staff
from keystone.staff.filters import OrganizationFilter, UntilFilter, exactly, newest
from keystone.staff.markup import column, link, moment
from keystone.staff.reach import reach_of

OPEN = Refusal.Suggestion.OPEN
REASON_LABELS = {
    "shared_device": "info",
    "crm_conflict": "warning",
    "limit": "warning",
    "address_taken": "warning",
    "untrusted": "danger",
    "link_rate": "danger",
    "quarantined": "danger",
    "blocked": "danger",
    "cannot_link": "danger",
}
SUGGESTION_LABELS = {"open": "info", "accepted": "success", "dismissed": "warning"}
#: What each reason means (`identity.protect`), for who decides.
MEANINGS = {
    "shared_device": "A device that belongs to one person came with the identity of another."
    " The event went to whom it names; the device stayed where it was.",
    "crm_conflict": "Together they would have more customer ids than one person may have.",
    "limit": "Together they would have more addresses of a kind than one person may have.",
    "blocked": "The organization's rules say that this value names nobody.",
    "quarantined": "This identifier is quarantined: it met too many people, or staff said so.",
    "untrusted": "Only a public key, or a token without a signature, says that the two are one.",
    "link_rate": "Public keys linked too many identifiers to this person within an hour.",
    "cannot_link": "Somebody took the merge of these two back.",
    "address_taken": "An address among somebody's attributes belongs to another person already.",
}


#: Why there may be no two people to merge.
SAME = "The two are one person already."
NOBODY = "One of the two identifiers names nobody (any more): there is nobody to merge."


class Compared(NamedTuple):
    """The people behind a refusal's identifiers: two, who would stay first; else why not."""

    sides: Sequence[Side]
    note: str


def compare(row: Refusal) -> Compared:
    """Look at the two people, as they are now."""
    keys = (row.subject_key, row.other_key)
    named = Identifier.objects.filter(organization_id=row.organization_id, pk__in=keys)
    homes = dict(named.exclude(status=Identifier.Status.ERASED).values_list("pk", "profile_id"))
    sides = sides_of(row.organization_id, [homes[key] for key in keys if key in homes])
    if len(sides) == 2:
        return Compared(staying_first(*sides), "")
    return Compared(sides, SAME if len(homes) == 2 else NOBODY)


class Dismiss(Decision[Refusal]):
    """Say that the two people of a suggestion are two."""

    name, title, button, icon = "dismiss", "Dismiss", "Dismiss it", "close"
    question = "Are these two people?"
    lines: ClassVar = (
        "The two stay as they are, and the same two are not suggested again.",
        "Nothing is forbidden by it: they can still be merged by hand.",
    )

    def why_not(self, row: Refusal) -> str | None:
        """A suggestion is decided once."""
        if not row.suggestion:
            return "This is no suggestion: there is nothing to decide."
        return None if row.suggestion == OPEN else f"This suggestion was {row.suggestion} already."

    def ask(self, request: HttpRequest, row: Refusal) -> dict[str, Any]:
        """Say what it means."""
        return {"lines": self.lines}

    def do(self, request: HttpRequest, row: Refusal) -> str:
        """Close it."""
        _close(request, row, Refusal.Suggestion.DISMISSED)
        return "Dismissed."


class Accept(Dismiss):
    """Say that the two people of a suggestion are one."""

    name, title, button, icon = "accept", "Accept", "Merge the two", "merge"
    question = "Are these two one person?"
    template = "identity/merging.html"

    def ask(self, request: HttpRequest, row: Refusal) -> dict[str, Any]:
        """Show both, and who stays."""
        sides, note = compare(row)
        button = {"": self.button, SAME: "Close the suggestion"}.get(note, "")
        return {"sides": sides, "fault": note, "button": button}

    def do(self, request: HttpRequest, row: Refusal) -> str:
        """Merge, then close: what ends between the two can be accepted again."""
        sides, note = compare(row)
        if note == NOBODY:
            raise Refused(NOBODY)
        if not note:
            note = merge(request, *sides, rule="suggestion")
            if not Refusal.objects.filter(pk=row.pk, suggestion=OPEN).exists():
                return note  # it is closed by the merge, unless that is left to the worker
        _close(request, row, Refusal.Suggestion.ACCEPTED)
        return note


def _close(request: HttpRequest, row: Refusal, suggestion: str) -> None:
    still = Refusal.objects.filter(pk=row.pk, suggestion=OPEN)
    if not still.update(suggestion=suggestion, decided_at=clock.now(), decided_by=staff(request)):
        raise Refused("Somebody has just decided this.")


class SuggestionFilter(SimpleListFilter):
    """Suggestions by what became of them; the open ones have an index of their own."""

    title, parameter_name = "suggestion", "suggestion"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Sequence[tuple[str, str]]:
        """Offer the three."""
        # That index begins with the organization.
        self.is_one = not reach_of(request.user).everything or bool(request.GET.get("organization"))
        return [(each, each) for each in SUGGESTION_LABELS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refusal]) -> QuerySet[Refusal]:
        """Look through the open ones, or the newest of all."""
        asked = self.value()
        if asked not in SUGGESTION_LABELS:
            return queryset
        seen = queryset if asked == OPEN and self.is_one else newest(queryset)
        return seen.filter(suggestion=asked)


@admin.register(Refusal)
class RefusalAdmin(DecidingAdmin):
    decisions: ClassVar = (Accept(), Dismiss())
    change_form_template = "identity/refusal.html"
    list_display = ("when", "reason_shown", "out", "kept_from", "event", "suggestion_shown")
    list_filter = (
        OrganizationFilter,
        SuggestionFilter,
        exactly("reason", REASONS),
        UntilFilter,
    )
    search_fields = ("subject",)
    search_help_text = "An identifier, exactly"
    # The template shows it; who can look at it is decided by the base page.
    fieldsets = ((None, {"fields": ("reason_shown",)}),)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Refusal], search_term: str
    ) -> tuple[QuerySet[Refusal], bool]:
        """Find what was refused to an identifier, by the two indexes that lead there."""
        if not search_term:
            return queryset, False
        keys = names.keys_of(search_term, searched(request))
        return queryset.filter(Q(subject_key__in=keys) | Q(other_key__in=keys)), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = "Suggestions" if request.GET.get("suggestion") else "Refusals"
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponse:
        row: Refusal = context["original"]
        sides, note = compare(row)
        context |= {
            "title": "Suggestion" if row.suggestion else "Refusal",
            "refusal": row,
            "reason": row.reason.replace("_", " "),
            "meaning": MEANINGS.get(row.reason, ""),
            "label": REASON_LABELS.get(row.reason, ""),
            "suggestion_label": SUGGESTION_LABELS.get(row.suggestion, ""),
            **{"sides": sides, "note": note},
            "organization": attached(row, "organization", str),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @column("when")
    def when(self, row: Refusal) -> SafeString:
        return moment(row.at)

    @column("reason", REASON_LABELS)
    def reason_shown(self, row: Refusal) -> tuple[str, str]:
        return row.reason, row.reason.replace("_", " ")

    @column("kept out")
    def out(self, row: Refusal) -> SafeString:
        return link("identity_identifier", row.subject_key, row.subject or "erased")

    @column("from")
    def kept_from(self, row: Refusal) -> SafeString:
        return link("identity_identifier", row.other_key, row.other or "erased")

    @column("event")
    def event(self, row: Refusal) -> SafeString:
        return link("ingest_event", row.event_id)

    @column("suggestion", SUGGESTION_LABELS)
    def suggestion_shown(self, row: Refusal) -> str:
        return row.suggestion
