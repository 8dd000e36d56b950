"""Which organizations a staff user sees in the admin, and what they may do there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, TypeVar
from uuid import UUID

import msgspec
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Model, Prefetch, QuerySet, prefetch_related_objects

from keystone.models import Membership

M = TypeVar("M", bound=Model)
Visitor: TypeAlias = User | AbstractBaseUser | AnonymousUser

_RANK = {role: rank for rank, role in enumerate(Membership.Role.values)}
_MEMBERSHIPS = Prefetch(
    "memberships",
    Membership.objects.select_related("organization")
    .defer("organization__secret")
    .order_by("organization__name", "organization_id"),
)


class Reach(msgspec.Struct, frozen=True):
    """What one user sees: organization id → role and name, sorted by name; or everything."""

    roles: Mapping[UUID, str] = {}
    names: Mapping[UUID, str] = {}
    everything: bool = False

    def may(self, role: str, organization_id: UUID | None = None) -> bool:
        """Say whether the user has `role`, or one that contains it, there (None: anywhere)."""
        if self.everything:
            return True
        if organization_id is None:
            return any(_RANK[had] >= _RANK[role] for had in self.roles.values())
        had = self.roles.get(organization_id)
        return had is not None and _RANK[had] >= _RANK[role]

    def narrow(
        self, queryset: QuerySet[M], field: str, role: str = Membership.Role.VIEWER
    ) -> QuerySet[M]:
        """Keep the rows of organizations in which the user has `role`; `field` says whose."""
        if self.everything:
            return queryset
        mine = [id_ for id_ in self.roles if self.may(role, id_)]
        return queryset.filter(**{f"{field}__in": mine})


def reach_of(user: Visitor) -> Reach:
    """Return what a user sees. One statement a request: Django makes a user for each request."""
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return Reach()
    if user.is_superuser:
        return Reach(everything=True)
    prefetch_related_objects([user], _MEMBERSHIPS)
    memberships: list[Membership] = list(user.memberships.all())
    return Reach(
        roles={each.organization_id: each.role for each in memberships},
        names={each.organization_id: each.organization.name for each in memberships},
    )
