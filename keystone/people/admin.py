"""The page of a person: it looks across the house, so it stands on the roof."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from identity import names
from identity.admin import searched
from identity.admin.merging import MergeWith
from identity.models import Profile
from keystone.models import Membership
from keystone.people.page import person_of
from keystone.staff.admin import attach, attached
from keystone.staff.decisions import DecidingAdmin
from keystone.staff.filters import OrganizationFilter, UntilFilter, exactly
from keystone.staff.markup import column, link, moment
from keystone.staff.reach import reach_of


@admin.register(Profile)
class ProfileAdmin(DecidingAdmin):
    decisions: ClassVar = (MergeWith(),)
    change_form_template = "people/profile.html"
    list_display = ("called", "kind_shown", "last", "first", "merged")
    list_filter = (OrganizationFilter, exactly("kind", Profile.Kind.values), UntilFilter)
    search_fields = ("id",)
    search_help_text = "Email, phone, customer or cookie id; exactly"
    heavy = ("attributes", "mentioned")
    # Who can be looked at is decided by the base page; the template shows it.
    fieldsets = ((None, {"fields": ("called",)}),)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Profile], search_term: str
    ) -> tuple[QuerySet[Profile], bool]:
        """Look up an id, or whoever a text names as an identifier of any kind."""
        if not search_term:
            return queryset, False
        found = names.as_id(search_term)
        named = names.known(search_term, searched(request))
        people = {each.profile_id for each in named} | ({found} if found else set())
        return queryset.filter(pk__in=people), False

    def look_up(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Say what to call people."""
        super().look_up(request, rows)
        known = names.strongest_of([row.pk for row in rows])
        for row in rows:
            attach(row, called=known.get(row.pk))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponse:
        person = person_of(context["original"])
        context |= {
            "person": person,
            "title": person.called,
            "organization": attached(person.profile, "organization", str),
            "may_undo": reach_of(request.user).may(
                Membership.Role.EDITOR, person.profile.organization_id
            ),
        }
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @column("person")
    def called(self, row: Profile) -> str:
        if row.erased_at:
            return "erased"
        known = attached(row, "called", tuple)
        return known[1] if known else "nobody any more"

    @column("kind", {"anchor": "success", "shadow": "info"})
    def kind_shown(self, row: Profile) -> str:
        return row.kind

    @column("first seen")
    def first(self, row: Profile) -> SafeString:
        return moment(row.first_seen)

    @column("last seen")
    def last(self, row: Profile) -> SafeString:
        return moment(row.last_seen)

    @column("became part of")
    def merged(self, row: Profile) -> SafeString | str:
        return link("identity_profile", row.merged_into) if row.merged_into else ""
