"""The routes by which merges are made and taken back by hand."""

from __future__ import annotations

from uuid import UUID

import msgspec
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from identity.backlog import Impossible
from identity.read_merges import IdentifierName, MergeAnswer, merge_of
from identity.work import Undone, merge_by_hand, undo_by_hand
from keystone.api import Refusal
from keystone.models import ApiKey
from keystone.openapi import describe_write, path, query
from keystone.reading import Query, found, invalid, not_found, path_uuid
from keystone.source import Source
from keystone.writing import WriteView, body_of

_STATUSES = {"same_person": 409, "erased": 409, "anchor_into_shadow": 422}
_FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}


class MergeRequest(msgspec.Struct):
    """Who becomes part of whom: ids of profiles. One that was merged away stands for its root."""

    winner: UUID
    loser: UUID


class AttributeChanges(msgspec.Struct, frozen=True):
    """How many leaves of attributes an undo changes, on either side."""

    winner: int
    loser: int


class UndoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an undo moved, or would move (`dry_run`).

    `pending`: it takes too long for a request and is done a moment later; nothing has moved yet.
    """

    id: UUID
    status: str  # done, pending, already_undone
    dry_run: bool
    #: Whom the loser leaves: whoever the merge's winner is by now.
    winner: UUID
    loser: UUID
    #: Those that are the loser's again, 1,000 at most.
    identifiers: list[IdentifierName]
    #: All of them; null while it is pending.
    identifier_count: int | None
    #: Null while it is pending.
    attribute_changes: AttributeChanges | None


@describe_write(
    "mergeProfiles",
    MergeAnswer,
    body=MergeRequest,
    statuses="201 202",
    errors="400 404 409 413 422",
)
class MergesView(WriteView):
    """Make two people one.

    All that the loser is and did becomes the winner's, at once (201), or a moment later where it
    is much (202, `pending`). Limits do not count, and what kept the two apart is lifted. Somebody
    with an identity never becomes part of somebody without one.
    """

    tag = "merges"

    def write(self, request: Request, source: Source) -> tuple[int, MergeAnswer]:
        """The merge."""
        asked = body_of(request, MergeRequest)
        try:
            done = merge_by_hand(
                organization_id=source.organization_id,
                winner_id=asked.winner,
                loser_id=asked.loser,
                by=_who(source),
            )
        except Impossible as why:
            raise _refusal(why) from why
        merge = merge_of(source, done.merge_id)
        # Not found: erased in this very moment.
        return (201 if done.status == "done" else 202), found(merge)


@describe_write(
    "undoMerge",
    UndoAnswer,
    path("merge_id", "A merge.", OpenApiTypes.UUID),
    query("dry_run", "1: only say what would move."),
    statuses="200 202",
    errors="404 409 422",
)
class MergeUndoView(WriteView):
    """Take a merge back.

    Identifiers are again where they were, and the attributes of both are what their own events
    add up to, also those that came after the merge. No event brings the two together again.
    Where it is much it is done a moment later (202, `pending`). Undoing twice changes nothing.
    """

    tag = "merges"

    def write(self, request: Request, source: Source, merge_id: str) -> tuple[int, UndoAnswer]:
        """What moved."""
        dry_run = _flag(request.query_params, "dry_run")
        try:
            undone = undo_by_hand(
                organization_id=source.organization_id,
                merge_id=path_uuid(merge_id),
                by=_who(source),
                dry_run=dry_run,
            )
        except Impossible as why:
            raise _refusal(why) from why
        is_left = undone.status == "pending" and not dry_run
        return (202 if is_left else 200), _answer(undone)


def _who(source: Source) -> str:
    """Write who decided, as rows keep it: the key by the characters that people see of it."""
    return f"key {ApiKey.objects.get(pk=source.key_id).display}"


def _refusal(why: Impossible) -> Refusal:
    if why.code not in _STATUSES:
        return not_found()
    return Refusal(_STATUSES[why.code], why.code, why.message)


def _flag(query: Query, name: str) -> bool:
    text = query.get(name, "").lower()
    if text not in _FLAGS:
        raise invalid(name, "invalid_choice", "1 or 0.")
    return _FLAGS[text]


def _answer(undone: Undone) -> UndoAnswer:
    changes = None
    if undone.winner_changes is not None and undone.loser_changes is not None:
        changes = AttributeChanges(undone.winner_changes, undone.loser_changes)
    return UndoAnswer(
        id=undone.merge_id,
        status=undone.status,
        dry_run=undone.dry_run,
        winner=undone.winner_id,
        loser=undone.loser_id,
        identifiers=[IdentifierName(kind, value) for kind, value in undone.identifiers],
        identifier_count=undone.identifier_count,
        attribute_changes=changes,
    )
