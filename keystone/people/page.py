"""One person as staff look at them: who it is, what they did, and what that changed, in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.utils.safestring import SafeString

from identity.identifiers import STRENGTH
from identity.models import AttributeChange, Identifier, Merge, Profile
from ingest import read_events
from ingest.read_events import Asked, EventAnswer
from keystone.models import ApiKey
from keystone.source import Source
from keystone.staff.markup import brief, pretty

EVENTS_SHOWN, CHANGES_SHOWN, MERGES_SHOWN, IDENTIFIERS_SHOWN = 20, 50, 20, 50
#: What an attribute that says what to call somebody may be named.
_NAMES = ("name", "full_name", "display_name", "first_name")
_ICONS = {
    "page": "web",
    "screen": "smartphone",
    "track": "bolt",
    "identify": "badge",
    "group": "groups",
    "alias": "link",
}


class Changed(NamedTuple):
    """One attribute, from and to ("" where there was or is none)."""

    attribute: str
    op: str
    old: str
    new: str


class Moment(NamedTuple):
    """One event on the timeline, what it changed, and who became part of the person by it."""

    event: EventAnswer
    at: datetime
    icon: str
    source: str
    payload: SafeString
    changes: Sequence[Changed]
    merges: Sequence[Merge]


class Person(NamedTuple):
    """Everything that the page shows."""

    called: str
    profile: Profile
    attributes: SafeString
    identifiers: Sequence[Identifier]
    more_identifiers: bool
    timeline: Sequence[Moment]
    changes: Sequence[tuple[AttributeChange, Changed]]
    merges: Sequence[Merge]


def person_of(profile: Profile) -> Person:
    """Read a person: five statements, whatever there is of them."""
    # The index of `profile_id` has no order: a bounded look, sorted here.
    few = Identifier.objects.filter(profile_id=profile.pk)[: IDENTIFIERS_SHOWN * 4]
    identifiers = sorted(few, key=lambda each: (STRENGTH[each.kind], each.last_seen), reverse=True)
    shown = identifiers[:IDENTIFIERS_SHOWN]
    changes = list(
        AttributeChange.objects.filter(profile_id=profile.pk).order_by("-pk")[:CHANGES_SHOWN]
    )
    merges = list(Merge.objects.filter(winner_id=profile.pk).order_by("-pk")[:MERGES_SHOWN])
    return Person(
        called=_called(profile, shown),
        profile=profile,
        attributes=pretty(profile.attributes),
        identifiers=shown,
        more_identifiers=len(identifiers) > len(shown),
        timeline=_timeline(profile, identifiers, changes, merges),
        changes=[(change, _changed(change)) for change in changes],
        merges=merges,
    )


def _called(profile: Profile, identifiers: Sequence[Identifier]) -> str:
    names = [profile.attributes.get(key) for key in _NAMES]
    known = [name for name in names if isinstance(name, str) and name.strip()]
    strongest = [each.value for each in identifiers[:1]]
    return next(iter(known + strongest), "Somebody")


def _timeline(
    profile: Profile,
    identifiers: Iterable[Identifier],
    changes: Sequence[AttributeChange],
    merges: Sequence[Merge],
) -> list[Moment]:
    actors = {each.key: (each.kind, each.value) for each in identifiers}
    reader = _reader(profile.organization_id)
    events, _ = read_events.of_actors(reader, actors, Asked(limit=EVENTS_SHOWN))
    sources = ApiKey.objects.filter(pk__in={event.source for event in events})
    called = dict(sources.values_list("pk", "name"))
    return [
        Moment(
            event=event,
            at=datetime.fromisoformat(event.occurred_at),
            icon=_ICONS.get(event.kind, "bolt"),
            source=called.get(event.source, ""),
            payload=pretty(msgspec.json.decode(event.payload)),
            changes=[_changed(each) for each in changes if each.event_id == event.id],
            merges=[each for each in merges if each.event_id == event.id],
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


def _changed(change: AttributeChange) -> Changed:
    return Changed(
        attribute=" › ".join(change.path),
        op=change.op,
        old="" if change.op == AttributeChange.Op.ADD else brief(change.old),
        new="" if change.op == AttributeChange.Op.REMOVE else brief(change.new),
    )
