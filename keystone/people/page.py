"""One person as staff look at them: who it is, what they did, and what that changed, in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.utils.safestring import SafeString

from identity.admin.people import STATUS_LABELS
from identity.admin.sides import called, strongest_first
from identity.models import AttributeChange, Identifier, Profile
from ingest import read_events
from ingest.read_events import Asked, EventAnswer
from keystone.models import ApiKey
from keystone.people.bonds import Joined, KeptApart, joined, kept_apart
from keystone.people.lineage import ChangeAnswer, lineage_of
from keystone.people.profiles import parts_of
from keystone.source import Source
from keystone.staff.markup import brief, pretty
from orders.admin.buyers import Bought, newest_orders

EVENTS_SHOWN, CHANGES_SHOWN, IDENTIFIERS_SHOWN, ATTRIBUTES_SHOWN = 20, 50, 50, 200
_ICONS = {
    "page": "web",
    "screen": "smartphone",
    "track": "bolt",
    "identify": "badge",
    "group": "groups",
    "alias": "link",
}


class Changed(NamedTuple):
    """One leaf of the attributes, from and to ("" where there was or is none), and by what."""

    path: Sequence[str]
    op: str
    old: str
    new: str
    at: datetime
    event_id: UUID | None
    merge_id: UUID | None

    @property
    def attribute(self) -> str:
        """Write its path."""
        return " › ".join(self.path)


class Attribute(NamedTuple):
    """What is known under one name, and its newest change where that is among those shown."""

    name: str
    value: str | SafeString
    changed: Changed | None


class Known(NamedTuple):
    """An identifier, and the merge by which it came."""

    identifier: Identifier
    label: str
    came_by: UUID | None


class Moment(NamedTuple):
    """One event on the timeline, what it changed, and who became part of the person by it."""

    event: EventAnswer
    at: datetime
    icon: str
    source: str
    payload: SafeString
    changes: Sequence[Changed]
    merges: Sequence[Joined]


class Person(NamedTuple):
    """Everything that the page shows. Of an erased or merged person nothing but the beginning."""

    called: str
    profile: Profile
    merges: Sequence[Joined] = ()
    attributes: Sequence[Attribute] = ()
    attributes_json: SafeString = SafeString("")
    identifiers: Sequence[Known] = ()
    more_identifiers: bool = False
    timeline: Sequence[Moment] = ()
    changes: Sequence[Changed] = ()
    kept_apart: Sequence[KeptApart] = ()
    orders: Sequence[Bought] = ()


def person_of(profile: Profile) -> Person:
    """Read a person: a constant number of statements, whatever there is of them."""
    if profile.erased_at:
        return Person(called(profile, ()), profile)
    reader = _reader(profile.organization_id)
    if profile.merged_into:
        return Person(called(profile, ()), profile, joined(reader, [profile.pk]))
    # The index of `profile_id` has no order: a bounded look, sorted here.
    few = Identifier.objects.filter(profile_id=profile.pk)[: IDENTIFIERS_SHOWN * 4]
    identifiers = strongest_first(list(few))
    shown = identifiers[:IDENTIFIERS_SHOWN]
    found = lineage_of(reader, profile.pk, path=(), limit=CHANGES_SHOWN, after=None)
    changes = [_changed(each) for each in (found[0] if found else ())]
    merges = joined(reader, parts_of(reader, profile.pk))
    return Person(
        called=called(profile, shown),
        profile=profile,
        merges=merges,
        attributes=_attributes(profile, changes),
        attributes_json=pretty(profile.attributes),
        identifiers=_known(shown, profile, merges),
        more_identifiers=len(identifiers) > len(shown),
        timeline=_timeline(reader, identifiers, changes, merges),
        changes=changes,
        kept_apart=kept_apart(shown),
        orders=newest_orders(each.key for each in identifiers),
    )


def _attributes(profile: Profile, changes: Sequence[Changed]) -> list[Attribute]:
    """Say of each attribute when it last changed; `changes` are newest first."""
    newest: dict[str, Changed] = {}
    for change in changes:
        newest.setdefault(change.path[0], change)
    shown = sorted(profile.attributes.items())[:ATTRIBUTES_SHOWN]
    return [
        Attribute(
            name, pretty(value) if isinstance(value, dict) else brief(value), newest.get(name)
        )
        for name, value in shown
    ]


def _known(
    identifiers: Sequence[Identifier], profile: Profile, merges: Sequence[Joined]
) -> list[Known]:
    came_by = {each.merge.loser: each.merge.id for each in merges if each.in_force}
    return [
        Known(each, STATUS_LABELS[each.status], came_by.get(each.home_id)) for each in identifiers
    ]


def _timeline(
    reader: Source,
    identifiers: Iterable[Identifier],
    changes: Sequence[Changed],
    merges: Sequence[Joined],
) -> list[Moment]:
    actors = {each.key: (each.kind, each.value) for each in identifiers}
    events, _ = read_events.of_actors(reader, actors, Asked(limit=EVENTS_SHOWN))
    sources = ApiKey.objects.filter(pk__in={event.source for event in events})
    named = dict(sources.values_list("pk", "name"))
    return [
        Moment(
            event=event,
            at=datetime.fromisoformat(event.occurred_at),
            icon=_ICONS.get(event.kind, "bolt"),
            source=named.get(event.source, ""),
            payload=pretty(msgspec.json.decode(event.payload)),
            changes=[each for each in changes if each.event_id == event.id],
            merges=[each for each in merges if each.merge.evidence.event_id == event.id],
        )
        for event in events
    ]


def _reader(organization_id: UUID) -> Source:
    """Speak for one organization, as its keys do: the page has checked who is looking."""
    return Source(
        key_id=UUID(int=0),
        organization_id=organization_id,
        organization_secret=b"",
        scopes=frozenset({"viewer"}),
        public=False,
    )


def _changed(change: ChangeAnswer) -> Changed:
    old, new = msgspec.json.decode(change.old), msgspec.json.decode(change.new)
    return Changed(
        path=change.path,
        op=change.op,
        old="" if change.op == AttributeChange.Op.ADD else brief(old),
        new="" if change.op == AttributeChange.Op.REMOVE else brief(new),
        at=datetime.fromisoformat(change.occurred_at),
        event_id=change.event_id,
        merge_id=change.merge_id,
    )
