"""Pure: Keystone's own way of saying what happened (keystone.md §2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from identity.identifiers import (
    ANONYMOUS_ID,
    SESSION,
    Identifier,
    Unusable,
    classify,
    is_placeholder,
)
from ingest.decoding import BadBody, BadItem, mended_text, read, split, type_errors, utf8
from ingest.dialects.cdp_answer import answer
from ingest.equals import content_of, numbered
from ingest.event_time import EventTime, event_time, read_time
from ingest.fields import Findings
from ingest.record import KINDS, URL_MAX, USER_AGENT_MAX, Record, Rejected
from keystone.clock import from_ms, iso, to_ms
from keystone.source import Source

__all__ = ["Body", "answer", "parse"]

ITEMS_MAX = 500
ID_MAX, EVENT_NAME_MAX, MESSAGE_ID_MAX = 255, 200, 100
#: A track is named by its client; the others have a name by default.
DEFAULT_NAMES = {
    "page": "Page View",
    "identify": "Identify",
    "screen": "Screen View",
    "group": "Group",
    "alias": "Alias",
}

Time = str | int | float | None


class _Item(msgspec.Struct, gc=False):
    """The fields of keystone.md §2 as they come; an absent `Raw` is empty."""

    anonymous_id: str | None = None
    identity: str | int | float | dict[str, Any] | None = None
    identity_type: str | None = None
    event_type: str | None = None
    event_name: str | None = None
    payload: msgspec.Raw = msgspec.Raw()
    attributes: msgspec.Raw = msgspec.Raw()
    traits: msgspec.Raw = msgspec.Raw()
    timestamp: Time = None
    sent_at: Time = None
    message_id: str | int | float | None = None
    session_id: str | None = None
    tab_id: str | None = None
    context: msgspec.Raw = msgspec.Raw()


class _Context(msgspec.Struct, gc=False):
    """What we use of a context ourselves; all of it is kept as it came."""

    url: str | None = None
    user_agent: str | None = None


class _Inner(msgspec.Struct, gc=False):
    """Where an identify's payload may hold the attributes."""

    attributes: msgspec.Raw = msgspec.Raw()
    traits: msgspec.Raw = msgspec.Raw()


class Body(msgspec.Struct, frozen=True):
    """What a request said; `single`: it is answered as one event, not as a list."""

    items: list[Record | Rejected]
    single: bool


class _Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What all items of one body share."""

    source: Source
    door: str
    received_at: datetime
    received_ms: int
    idempotency_key: str | None
    user_agent: str
    sent_ms: int | None = None
    warnings: tuple[str, ...] = ()


_item = msgspec.json.Decoder(_Item)
_context_of = msgspec.json.Decoder(_Context)
_inner_of = msgspec.json.Decoder(_Inner)
_time_of = msgspec.json.Decoder(Time)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def parse(
    body: bytes,
    *,
    source: Source,
    door: str,
    received_at: datetime,
    idempotency_key: str | None = None,
    user_agent: str = "",
) -> Body:
    """Read a body: one event, or `{"batch": [0..500 events], "sent_at"}`.

    A bad item is refused in its place. Raise `BadBody` where there are no items to speak of.
    """
    body = utf8(body)
    arrival = _Arrival(
        source=source,
        door=door,
        received_at=received_at,
        received_ms=to_ms(received_at),
        idempotency_key=mended_text(idempotency_key) if idempotency_key else None,
        user_agent=mended_text(user_agent) if source.public else "",
    )
    parts = split(body, "batch") if b'"batch"' in body else None
    if parts is None:
        return Body([_record(body, arrival)], single=True)
    members, envelope = parts
    if len(members) > ITEMS_MAX:
        raise BadBody(413, "too_many_items", f"at most {ITEMS_MAX} events in one body")
    arrival = _with_envelope(arrival, envelope.get("sent_at"))
    return Body(numbered(_record(member, arrival) for member in members), single=False)


def _record(raw: bytes | Rejected, at: _Arrival) -> Record | Rejected:
    if isinstance(raw, Rejected):
        return raw
    try:
        item, clean = read(raw, _item)
    except BadItem as bad:
        return Rejected(bad.errors)
    found = Findings(at.warnings)
    kind = _kind(item, found)
    name = _name(item, kind, found)
    identifiers = _identifiers(item, found)
    time = _time(item, at, found)
    payload = found.object(item.payload, "payload")
    url, context = _context(item, time, at, found)
    attributes = _attributes(item, kind, payload, found)
    message_id = _message_id(item, at, found)
    mentions = found.mentions(attributes or {}, identifiers) if kind == "identify" else ()
    if found.errors:
        return Rejected(tuple(found.errors))
    weakest = identifiers[-1]
    return Record(
        source=at.source,
        door=at.door,
        dialect="cdp",
        kind=kind,
        type=kind,
        name=name,
        identifiers=identifiers,
        mentions=mentions,
        message_id=message_id,
        content=b"" if message_id else content_of(clean, without="sent_at"),
        client_ms=time.client_ms,
        occurred_at=from_ms(time.occurred_ms),
        received_at=at.received_at,
        session_id=weakest.value if weakest.kind == SESSION else None,
        url=url,
        context=context,
        payload=payload or b"{}",
        attributes=attributes,
        warnings=tuple(found.warnings),
        raw=raw,
    )


def _kind(item: _Item, found: Findings) -> str:
    kind = (item.event_type or "").strip().lower()
    if not kind:
        found.refuse("missing", "every event has an event_type", "event_type")
    elif kind not in KINDS:
        found.refuse("unknown_value", f"one of {', '.join(KINDS)}", "event_type")
    return kind


def _name(item: _Item, kind: str, found: Findings) -> str:
    name = found.text(item.event_name, EVENT_NAME_MAX, "event_name")
    if not name and kind == "track":
        found.refuse("missing", "a track has an event_name", "event_name")
    return name or DEFAULT_NAMES.get(kind, "")


def _identifiers(item: _Item, found: Findings) -> tuple[Identifier, ...]:
    """Whom the item is about: identity, device, session. Nobody is a fault."""
    said: tuple[Identifier, ...] = ()
    faults = len(found.errors)
    if item.identity is not None:
        try:
            claim = classify(item.identity, item.identity_type)
        except Unusable as fault:
            found.refuse(fault.code, fault.message, *fault.loc)
        else:
            said = claim.identifiers
            found.warnings += claim.warnings
    if item.anonymous_id is not None:
        said += found.identifier(ANONYMOUS_ID, item.anonymous_id, "anonymous_id")
    if item.session_id is not None:
        said += found.identifier(SESSION, item.session_id, "session_id")
    if not said and len(found.errors) == faults:
        found.refuse("missing", "one of anonymous_id, identity, session_id", "anonymous_id")
    return said


def _time(item: _Item, at: _Arrival, found: Findings) -> EventTime:
    client_ms = found.time(item.timestamp, "timestamp")
    sent_ms = at.sent_ms if item.sent_at is None else found.time(item.sent_at, "sent_at")
    return event_time(client_ms, sent_ms, at.received_ms)


def _message_id(item: _Item, at: _Arrival, found: Findings) -> str | None:
    """Return the body's, else the header's; a placeholder would make all messages one."""
    for field, value in (("message_id", item.message_id), ("Idempotency-Key", at.idempotency_key)):
        if value is None:
            continue
        text = found.text(str(value), MESSAGE_ID_MAX, field)
        if text and not is_placeholder(text):
            return text
        if text:
            found.warnings.append(f"{field}: {text!r} tells no messages apart: ignored")
    return None


def _context(item: _Item, time: EventTime, at: _Arrival, found: Findings) -> tuple[str, bytes]:
    """Return the URL, and the context with what the request itself adds to it."""
    context = found.object(item.context, "context") or b"{}"
    try:
        known = _context_of.decode(context)
    except msgspec.ValidationError:
        found.errors += type_errors(_decode(context), _Context, ("context",))
        known = _Context()
    added: dict[str, str] = {}
    user_agent = known.user_agent or at.user_agent
    if user_agent and (user_agent is not known.user_agent or len(user_agent) > USER_AGENT_MAX):
        added["user_agent"] = user_agent[:USER_AGENT_MAX]
    if item.tab_id:
        added["tab_id"] = found.text(item.tab_id, ID_MAX, "tab_id")
    if time.replaced_ms is not None:
        added["original_timestamp"] = iso(from_ms(time.replaced_ms))
    return (known.url or "")[:URL_MAX], _with(context, added)


def _with(context: bytes, added: Mapping[str, str]) -> bytes:
    """Append fields to a JSON object. Where one is there already, jsonb keeps the last."""
    if not added:
        return context
    fields = context[:-1].rstrip()
    return fields + (b"" if fields == b"{" else b",") + _encode(added)[1:]


def _attributes(
    item: _Item, kind: str, payload: bytes, found: Findings
) -> Mapping[str, Any] | None:
    """Return what the item says of the person; None if nothing.

    An identify may say it at the top, in its payload, or be all payload. What a track or page
    says in its payload is about the event: a product's price is no person's attribute.
    """
    for field, raw in (("attributes", item.attributes), ("traits", item.traits)):
        if said := found.object(raw, field):
            return found.patch(said, field)
    if kind != "identify" or not payload:
        return None
    inner = _inner_of.decode(payload)
    for field, raw in (("attributes", inner.attributes), ("traits", inner.traits)):
        if (said := bytes(raw)).startswith(b"{"):
            return found.patch(said, "payload", field)
    return found.patch(payload, "payload")


def _with_envelope(at: _Arrival, sent_at: bytes | Rejected | None) -> _Arrival:
    """A batch's `sent_at` holds for all of its items. A bad one must not cost them."""
    sent_ms: int | None = None
    warnings: tuple[str, ...] = ()
    try:
        sent_ms = read_time(_time_of.decode(sent_at)) if isinstance(sent_at, bytes) else None
    except ValueError:
        warnings = ("sent_at of the batch is no time: ignored",)
    return msgspec.structs.replace(at, sent_ms=sent_ms, idempotency_key=None, warnings=warnings)
