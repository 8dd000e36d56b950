from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoding import BadBody
from ingest.dialects import cdp
from ingest.record import Record, Rejected
from keystone.clock import to_ms
from tests.unit.cdp import NOW_MS, PUBLIC, TRACK, parse


def test_a_batch_keeps_the_order_and_a_bad_item_never_costs_its_neighbours():
    deep = b'{"payload":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    good = json.dumps(TRACK).encode()
    body = b'{"batch":[' + b",".join([good, b"5", b"{}", deep, b'{"a":"\\ud800"}', good]) + b"]}"
    batch = parse(body)
    assert [type(item) for item in batch.items] == [Record, *[Rejected] * 4, Record]
    assert not batch.single


def test_the_sent_at_of_a_batch_holds_for_its_items():
    item = {**TRACK, "timestamp": NOW_MS - 3_600_000}
    own = {**item, "sent_at": NOW_MS}
    batch = parse({"batch": [item, own], "sent_at": NOW_MS - 3_600_000})
    assert [to_ms(one.occurred_at) - NOW_MS for one in batch.items] == [0, -3_600_000]


@pytest.mark.parametrize("sent_at", ["x", True, 1e300, {}, 1 << 70])
def test_a_bad_sent_at_of_a_batch_is_a_warning(sent_at):
    [item] = parse({"batch": [TRACK], "sent_at": sent_at}).items
    assert item.warnings == ("sent_at of the batch is no time: ignored",)


def test_a_batch_may_have_500_items_and_none():
    assert len(parse({"batch": [TRACK] * 500}).items) == 500
    assert parse({"batch": []}).items == []
    with pytest.raises(BadBody) as raised:
        parse({"batch": [TRACK] * 501})
    assert (raised.value.status, raised.value.code) == (413, "too_many_items")


def test_the_word_batch_in_a_payload_makes_no_batch():
    assert parse({**TRACK, "payload": {"batch": [1]}}).single


@pytest.mark.parametrize("body", [b"", b"x", b"{", b'{"batch":[', b"\xff", b'{"batch":[\xff]}'])
def test_a_body_that_is_no_json_is_400(body):
    with pytest.raises(BadBody) as raised:
        parse(body)
    assert (raised.value.status, raised.value.code) == (400, "invalid_json")


FIELDS = [*msgspec.structs.asdict(cdp._Item())]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=9)
    | st.sampled_from(["identify", "track", "a@b.co", "+442079460958", "null", NOW_MS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["email", "id", "traits", "url", "\0"]) | st.text(), inner
        )
    ),
    max_leaves=6,
)
ITEMS = st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON


@given(ITEMS.map(lambda fields: {**TRACK, **fields} if isinstance(fields, dict) else fields))
def test_any_json_is_a_record_that_can_be_stored_or_rejected(item):
    [single] = parse(item, PUBLIC, user_agent="B/1", idempotency_key="k").items
    [batched] = parse({"batch": [item]}).items
    for one in (single, batched):
        if isinstance(one, Record):
            assert isinstance(json.loads(one.payload), dict)
            assert isinstance(json.loads(one.context), dict)
            assert one.identifiers
            assert "\0" not in json.loads(f"[{one.payload.decode()}, {one.context.decode()}]")
        else:
            assert one.errors
            json.dumps(cdp.answer([one], [], public=True, single=True))


@given(st.binary(max_size=80) | st.text('{}[]":,\\ u0d8e1batch', max_size=60).map(str.encode))
def test_no_bytes_raise_anything_but_bad_body(body):
    try:
        parse(body)
        parse(b'{"batch":[' + body + b"]}")
    except BadBody:
        return


@given(st.data())
def test_no_damage_to_a_body_raises_anything_but_bad_body(data):
    body = bytearray(json.dumps({"batch": [TRACK, {**TRACK, "payload": {"a": [1.5]}}]}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(body))
    except BadBody:
        return


@given(st.text(st.characters(exclude_categories=[])), st.text(st.characters(exclude_categories=[])))
def test_no_header_raises(user_agent, key):
    parse(TRACK, PUBLIC, user_agent=user_agent, idempotency_key=key)
