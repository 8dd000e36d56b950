from __future__ import annotations

import json
from datetime import timedelta

import pytest

from keystone.clock import to_ms
from tests.unit.cdp import NOW, NOW_MS, TRACK, parse, record


@pytest.mark.parametrize(("sent", "kept"), [(" m-1 ", "m-1"), (42, "42"), ("", None), (None, None)])
def test_a_message_id_is_a_trimmed_text(sent, kept):
    assert record(message_id=sent).message_id == kept


def test_the_header_is_the_message_id_of_a_single_event_and_the_bodys_wins():
    header = {"idempotency_key": "h-1"}
    assert record(headers=header).message_id == "h-1"
    assert record(headers=header, message_id="m-1").message_id == "m-1"
    assert record(headers=header, message_id="").message_id == "h-1"
    assert parse({"batch": [TRACK]}, **header).items[0].message_id is None


def test_a_placeholder_is_no_message_id_because_all_messages_would_be_one():
    said = record(message_id="undefined")
    assert (said.message_id, len(said.content), len(said.warnings)) == (None, 16, 1)


def test_the_content_is_the_same_however_it_is_spelled_and_whenever_it_is_sent():
    first = record(payload={"a": 1, "b": 2}, sent_at=NOW_MS)
    again = record(payload={"b": 2, "a": 1}, sent_at=NOW_MS + 5)
    other = record(payload={"a": 1, "b": 3}, sent_at=NOW_MS)
    assert first.content == again.content != other.content
    assert record(message_id="m-1").content == b""


def test_equal_items_of_one_body_are_numbered():
    one, other = {**TRACK, "timestamp": NOW_MS}, {**TRACK, "timestamp": NOW_MS - 1}
    batch = parse({"batch": [one, other, one, {**one, "message_id": "m"}, one]})
    assert [item.ordinal for item in batch.items] == [0, 0, 1, 0, 2]


def test_the_time_is_the_clients():
    said = record(timestamp="2026-11-20T12:00:00.250Z")
    assert said.occurred_at == NOW - timedelta(days=1) + timedelta(milliseconds=250)
    assert said.client_ms == to_ms(said.occurred_at)


def test_a_wrong_clock_is_corrected_but_the_id_keeps_its_raw_time():
    hour = 3_600_000
    said = record(timestamp=NOW_MS - hour - 7, sent_at=NOW_MS - hour)
    assert (to_ms(said.occurred_at), said.client_ms) == (NOW_MS - 7, NOW_MS - hour - 7)


def test_more_than_a_day_ahead_is_now_and_the_original_is_kept():
    said = record(timestamp="2026-11-23T12:00:00Z", context={"locale": "en"})
    assert (said.occurred_at, said.client_ms) == (NOW, None)
    assert json.loads(said.context) == {
        "locale": "en",
        "original_timestamp": "2026-11-23T12:00:00.000Z",
    }
