"""Merges that staff decide: both people side by side, who stays, and the work itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from identity import names, work
from identity.admin.sides import Side, sides_of, staying_first, strongest_first
from identity.models import Profile
from keystone.models import Organization
from keystone.staff.decisions import Decision, Refused, staff
from keystone.staff.markup import short

#: Longer than any identifier.
_TEXT_MAX = 300


def merge(request: HttpRequest, winner: Side, loser: Side, *, rule: str) -> str:
    """Make two people one, say what was done; raises `Refused`."""
    try:
        done = work.merge_by_hand(
            organization_id=winner.profile.organization_id,
            winner_id=winner.profile.pk,
            loser_id=loser.profile.pk,
            by=staff(request),
            rule=rule,
        )
    except work.Impossible as impossible:
        if impossible.code == "same_person":  # somebody was faster
            return "The two are one person already."
        raise Refused(impossible.message) from None
    pair = f"{short(done.loser_id)} became part of {short(done.winner_id)}"
    if done.status == "pending":
        return f"There is much to move: {pair} in a moment."
    return f"Merged: {pair} (merge {short(done.merge_id)})."


class MergeWith(Decision[Profile]):
    """Say that a person and another one, who is typed in, are one."""

    name, title, button, icon = "merge", "Merge with…", "Merge the two", "merge"
    question = "Who is the same person?"
    template = "identity/merging.html"

    def why_not(self, row: Profile) -> str | None:
        """Only who is somebody now."""
        if row.erased_at:
            return "This person was erased."
        return "This profile became part of another: merge that." if row.merged_into else None

    def ask(self, request: HttpRequest, row: Profile) -> dict[str, Any]:
        """Ask for the other one, then show both."""
        said = request.GET.get("other", "").strip()
        context: dict[str, Any] = {"typed": said, "is_typed_in": True, "button": ""}
        if not said:
            return context
        try:
            pair = _pair(row, _found(said, row.organization_id))
        except Refused as refused:
            return {**context, "fault": str(refused)}
        (other,) = (side for side in pair if side.profile.pk != row.pk)
        return {**context, "sides": pair, "other": other, "button": self.button}

    def do(self, request: HttpRequest, row: Profile) -> str:
        """Merge the two that were shown."""
        other = names.as_id(request.POST.get("other", ""))
        return merge(request, *_pair(row, other), rule="staff")


def _found(said: str, organization_id: UUID) -> UUID | None:
    """Return whom a text names in an organization: by an id, or the strongest that it can be."""
    if found := names.as_id(said):
        return found
    mine = Organization.objects.filter(pk=organization_id)
    known = names.known(said[:_TEXT_MAX].replace("\0", ""), mine)
    return strongest_first(known)[0].profile_id if known else None


def _pair(row: Profile, other_id: UUID | None) -> list[Side]:
    """Return the two, who stays first; raises `Refused` where there are no two to merge."""
    other = sides_of(row.organization_id, [other_id] if other_id else [])
    if not other:
        raise Refused(
            "Nobody is known by that. Type an identifier or the id of a profile, exactly."
        )
    if other[0].profile.pk == row.pk:
        raise Refused("That is this person already.")
    if other[0].profile.erased_at:
        raise Refused("That person was erased.")
    return staying_first(*other, *sides_of(row.organization_id, [row.pk]))
