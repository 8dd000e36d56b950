"""Says things in Keystone's own dialect, without a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from ingest.dialects import cdp
from ingest.record import Record, Rejected
from keystone.clock import to_ms
from keystone.source import Source

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW_MS = to_ms(NOW)
SECRET = Source(
    key_id=UUID(int=1),
    organization_id=UUID(int=2),
    organization_secret=b"s" * 32,
    scopes=frozenset({"ingest"}),
    public=False,
)
PUBLIC = msgspec.structs.replace(SECRET, public=True)
TRACK = {"anonymous_id": "c-1", "event_type": "track", "event_name": "Seen"}


def parse(body, source=SECRET, **fields):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return cdp.parse(body, source=source, door="ingest", received_at=NOW, **fields)


def record(source=SECRET, headers=None, **fields) -> Record:
    [item] = parse({**TRACK, **fields}, source, **(headers or {})).items
    assert isinstance(item, Record), item
    return item


def faults(**fields):
    [item] = parse({**TRACK, **fields}).items
    assert isinstance(item, Rejected)
    return [(error.loc, error.code) for error in item.errors]


def context(**fields):
    return json.loads(record(**fields).context)
