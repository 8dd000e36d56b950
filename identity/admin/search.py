"""What every search box about people takes: an id, or an identifier of any kind, exactly."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from identity import names
from keystone.models import Organization
from keystone.staff.reach import reach_of


def searched(request: HttpRequest) -> QuerySet[Organization]:
    """Return the organizations whose people a search may find: the one picked, or all seen."""
    seen = reach_of(request.user).narrow(Organization.objects.order_by("-pk"), "pk")
    picked = names.as_id(request.GET.get("organization", ""))
    return (seen.filter(pk=picked) if picked else seen)[: names.ORGANIZATIONS_MAX]


def people(text: str, request: HttpRequest) -> list[UUID]:
    """Return the ids of profiles that a text is, or names as an identifier."""
    found = names.as_id(text)
    if found:
        return [found]
    return [each.profile_id for each in names.known(text, searched(request))]
