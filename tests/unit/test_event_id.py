"""An event's id says which message it is."""

from __future__ import annotations

from datetime import timedelta
from uuid import RFC_4122, UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.identifiers import ANONYMOUS_ID, Identifier
from ingest.event_id import event_id, receipt_key, uuid7_shaped
from ingest.record import Record
from tests.unit.cdp import NOW, NOW_MS, SECRET

ACTOR, OTHER = UUID(int=1), UUID(int=2)
MESSAGE = Record(
    source=SECRET,
    door="ingest",
    dialect="cdp",
    kind="track",
    type="track",
    name="Seen",
    identifiers=(Identifier(ANONYMOUS_ID, "c-1"),),
    message_id="m-1",
    client_ms=NOW_MS,
    occurred_at=NOW,
    received_at=NOW,
)
CONTENT = msgspec.structs.replace(MESSAGE, message_id=None, content=b"0123456789abcdef")
UNDATED = msgspec.structs.replace(MESSAGE, client_ms=None)
NEITHER = msgspec.structs.replace(UNDATED, message_id=None)


def like(record: Record, **fields: object) -> Record:
    return msgspec.structs.replace(record, **fields)


@pytest.mark.parametrize("record", [MESSAGE, CONTENT], ids=["message id", "content"])
@pytest.mark.parametrize(
    "later",
    [
        {"received_at": NOW + timedelta(days=40)},
        {"occurred_at": NOW + timedelta(minutes=7)},  # corrected otherwise this time
        {"session_id": "s-1", "url": "https://shop.example/", "warnings": ("w",)},
    ],
    ids=["received later", "another skew", "said otherwise"],
)
def test_the_same_message_has_the_same_id_whenever_it_comes(
    record: Record, later: dict[str, object]
) -> None:
    assert event_id(like(record, **later), ACTOR) == event_id(record, ACTOR)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MESSAGE, {"message_id": "m-2"}),
        (MESSAGE, {"client_ms": NOW_MS + 1}),
        (MESSAGE, {"message_id": None, "content": CONTENT.content}),
        (CONTENT, {"content": b"fedcba9876543210"}),
        (CONTENT, {"ordinal": 1}),
        (CONTENT, {"client_ms": NOW_MS - 1}),
    ],
)
def test_another_message_has_another_id(one: Record, other: dict[str, object]) -> None:
    assert event_id(like(one, **other), ACTOR) != event_id(one, ACTOR)


@pytest.mark.parametrize("record", [MESSAGE, CONTENT, UNDATED])
def test_the_same_message_of_another_actor_is_another(record: Record) -> None:
    assert event_id(record, ACTOR) != event_id(record, OTHER)


def test_a_message_id_is_no_content_that_reads_the_same() -> None:
    content = like(CONTENT, content=b"x" * 16)
    message = like(MESSAGE, message_id="\0" * 4 + "x" * 16)
    assert event_id(message, ACTOR) != event_id(content, ACTOR)


def test_what_carries_neither_id_nor_time_is_never_recognized() -> None:
    assert event_id(NEITHER, ACTOR) != event_id(NEITHER, ACTOR)


@pytest.mark.parametrize("record", [UNDATED, NEITHER], ids=["undated", "neither"])
def test_without_a_clock_of_its_own_it_lies_where_it_was_received(record: Record) -> None:
    assert event_id(record, ACTOR).int >> 80 == NOW_MS


def test_a_receipt_forgets_the_time() -> None:
    later = like(UNDATED, received_at=NOW + timedelta(days=1))
    assert receipt_key(later, ACTOR) == receipt_key(UNDATED, ACTOR)
    assert receipt_key(UNDATED, OTHER) != receipt_key(UNDATED, ACTOR)


@given(st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))
def test_every_id_is_a_uuid_of_version_7_that_begins_with_its_time(
    milliseconds: int, digest: bytes
) -> None:
    id_ = uuid7_shaped(milliseconds, digest)
    assert (id_.version, id_.variant, id_.int >> 80) == (7, RFC_4122, milliseconds)


@given(st.integers(0, (1 << 48) - 2), st.uuids(), st.uuids())
def test_ids_sort_by_time(ms: int, one: UUID, other: UUID) -> None:
    earlier, later = like(MESSAGE, client_ms=ms), like(MESSAGE, client_ms=ms + 1)
    assert event_id(earlier, one) < event_id(later, other)


@pytest.mark.parametrize("bit", range(74))
def test_every_bit_of_the_digest_counts(bit: int) -> None:
    flipped = (1 << bit).to_bytes(10, "big")
    assert uuid7_shaped(NOW_MS, flipped) != uuid7_shaped(NOW_MS, bytes(10))
