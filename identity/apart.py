"""Reads why two identifiers are not one person: what is wrong with either, and what kept them apart."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import msgspec

from identity.chain import Side
from identity.protect import CANNOT_LINK, Policy, why_out
from identity.sighting import ERASED
from identity.strongest import strongest_of
from keystone.clock import iso
from keystone.reading import Moment, select
from keystone.source import Source

#: Reasons besides those of a refusal (`identity.protect.REASONS`).
UNKNOWN, PENDING, NEVER_SEEN_TOGETHER = "unknown", "pending", "never_seen_together"

#: Identifiers of each person that refusals are looked for; refusals that are told.
IDENTIFIERS_MAX, TOLD_MAX = 1_000, 100


class Suggested(msgspec.Struct, frozen=True):
    """What staff may decide, or have decided: open, accepted, dismissed."""

    id: UUID
    status: str


class WhyNot(msgspec.Struct, frozen=True, kw_only=True):
    """One reason; identifiers are written kind:value. What does not belong to it is null."""

    reason: str
    subject: str | None = None
    other: str | None = None
    at: Moment | None = None
    event_id: UUID | None = None
    source: UUID | None = None
    by: str | None = None
    merge_id: UUID | None = None
    suggestion: Suggested | None = None


_BLOCKED = """
SELECT said FROM identity_policy, unnest(%(texts)s::text[]) AS said
WHERE org_id = %(organization)s AND said = ANY(blocked_values)
"""
# By refusal_by_subject and refusal_by_other; sorted afterwards, or else the order would tempt
# PostgreSQL to walk down all refusals of the organization.
_REFUSALS = """
WITH found AS MATERIALIZED (
    SELECT * FROM refusal
    WHERE subject_key = ANY(%(one)s::uuid[]) AND other_key = ANY(%(other)s::uuid[])
      AND org_id = %(organization)s
    UNION ALL
    SELECT * FROM refusal
    WHERE subject_key = ANY(%(other)s::uuid[]) AND other_key = ANY(%(one)s::uuid[])
      AND org_id = %(organization)s
)
SELECT reason, subject, other, at, event_id, source_id, id, suggestion
FROM found ORDER BY id DESC LIMIT %(most)s
"""
_CANNOT_LINK = """
SELECT at, by, merge_id FROM cannot_link
WHERE org_id = %(organization)s
  AND ((left_id = %(one)s AND right_id = %(other)s) OR (left_id = %(other)s AND right_id = %(one)s))
ORDER BY at DESC LIMIT %(most)s
"""
# By profile_work_open: what is still to be done is not much.
_PENDING = """
SELECT created_at, event_id, source_id, by, merge_id FROM profile_work
WHERE done_at IS NULL AND kind = 'merge' AND org_id = %(organization)s
  AND ((profile_id = ANY(%(ones)s::uuid[]) AND other_id = ANY(%(others)s::uuid[]))
       OR (profile_id = ANY(%(others)s::uuid[]) AND other_id = ANY(%(ones)s::uuid[])))
ORDER BY created_at DESC LIMIT %(most)s
"""


def reasons(source: Source, one: Side, other: Side) -> list[WhyNot]:
    """Say why two identifiers are not one person.

    What is wrong with either of them comes first, then what somebody decided, then what events
    were refused, newest first. Of people who asked to be forgotten nothing more is told.
    """
    found = list(_about(source, one, other))
    if not any(side.stored and side.stored.is_erased for side in (one, other)):
        found += _decided(source, one, other)
        found += _refused(source, one, other)
    return found or [WhyNot(reason=NEVER_SEEN_TOGETHER)]


def _about(source: Source, *sides: Side) -> Iterator[WhyNot]:
    texts = [side.text for side in sides]
    rows = select(_BLOCKED, organization=source.organization_id, texts=texts)
    policy = Policy(blocked=frozenset(text for (text,) in rows))
    for side in sides:
        status = side.stored.status if side.stored else None
        if side.stored is None:
            yield WhyNot(reason=UNKNOWN, subject=side.text)
        elif status == ERASED:
            yield WhyNot(reason=ERASED, subject=side.text)
        # An identifier may be both.
        why = why_out(side.said, None, policy), why_out(side.said, status, policy)
        for reason in dict.fromkeys(filter(None, why)):
            yield WhyNot(reason=reason, subject=side.text)


def _decided(source: Source, one: Side, other: Side) -> Iterator[WhyNot]:
    """Tell of merges that were taken back, and of those that are still to be done."""
    if one.stored is None or other.stored is None:
        return
    asked = {"organization": source.organization_id, "most": TOLD_MAX}
    people = {"one": one.stored.profile_id, "other": other.stored.profile_id}
    for at, by, merge_id in select(_CANNOT_LINK, **asked, **people):
        yield WhyNot(reason=CANNOT_LINK, at=iso(at), by=by, merge_id=merge_id)
    parts = {"ones": one.stored.way.profiles, "others": other.stored.way.profiles}
    for at, event_id, said_by, by, merge_id in select(_PENDING, **asked, **parts):
        yield WhyNot(
            reason=PENDING,
            at=iso(at),
            event_id=event_id,
            source=said_by,
            by=by,
            merge_id=merge_id,
        )


def _refused(source: Source, one: Side, other: Side) -> Iterator[WhyNot]:
    """Tell of events that named an identifier of each, also one that was never linked."""
    keys = _keys(one, other)
    for reason, subject, kept_from, at, event_id, said_by, id_, suggestion in select(
        _REFUSALS,
        one=keys[0],
        other=keys[1],
        organization=source.organization_id,
        most=TOLD_MAX,
    ):
        yield WhyNot(
            reason=reason,
            subject=subject,
            other=kept_from,
            at=iso(at),
            event_id=event_id,
            source=said_by,
            suggestion=Suggested(id_, suggestion) if suggestion else None,
        )


def _keys(*sides: Side) -> list[list[UUID]]:
    """Return the keys of all that either person is called, and of the identifier itself."""
    people = {side.key: side.stored.profile_id for side in sides if side.stored}
    known = strongest_of(set(people.values()), IDENTIFIERS_MAX)
    return [
        [side.key, *(key for key, _ in known.get(people.get(side.key, side.key), ()))]
        for side in sides
    ]
