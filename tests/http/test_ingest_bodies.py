"""What bodies may look like: their forms, and that nothing in them is a 500 or unreadable later."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.sending import Answer, Tenant, code_of, event, make_tenant, post
from tests.http.stored import get

UNKNOWN = "\N{REPLACEMENT CHARACTER}"


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture(scope="module")
def key(tenant: Tenant) -> str:
    return tenant.keys.integration


def read(key: str, result: dict[str, Any]) -> dict[str, Any]:
    """Read back an event, and its person: whatever was accepted can be."""
    stored = get(key, f"/v1/events/{result['event_id']}")
    person = get(key, f"/v1/profiles/{result['profile_id']}")
    assert (stored.status_code, person.status_code) == (200, 200), (stored, person)
    return {**stored.json(), "attributes": person.json()["attributes"]}


def raw_event(**raw: str) -> bytes:
    """Return a track whose fields are pieces of JSON, written as they are."""
    said = {name: json.dumps(value) for name, value in event().items()} | raw
    return ("{" + ",".join(f'"{name}": {value}' for name, value in said.items()) + "}").encode()


# --- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "text/plain;charset=UTF-8",
        "TEXT/PLAIN",
        "",
    ],
)
def test_json_comes_under_these_types(key: str, content_type: str) -> None:
    assert post(key, event(), content_type=content_type).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_inflated(key: str, encoding: str) -> None:
    packed = gzip.compress(json.dumps(event(payload={"n": 1})).encode())
    answer = post(key, packed, content_encoding=encoding).json()
    assert read(key, answer)["payload"] == {"n": 1}


def test_a_byte_order_mark_is_no_part_of_a_body(key: str) -> None:
    assert post(key, b"\xef\xbb\xbf" + json.dumps(event()).encode()).status_code == 200


def test_a_body_of_half_a_mebibyte_is_stored(key: str) -> None:
    frame = len(json.dumps(event(payload={"text": ""})))
    body = json.dumps(event(payload={"text": "x" * (512 * 1024 - frame)})).encode()
    assert len(body) == 512 * 1024
    assert post(key, body).status_code == 200


def test_unknown_fields_are_ignored(key: str) -> None:
    assert post(key, event(writeKey="x", nested={"a": [1]})).status_code == 200


def test_the_last_of_equal_fields_counts(key: str) -> None:
    body = raw_event(payload='{"a": 1, "a": 2}, "event_name": "Later"')
    stored = read(key, post(key, body).json())
    assert (stored["name"], stored["payload"]) == ("Later", {"a": 2})


# --- several events -----------------------------------------------------------------------------


def test_a_batch_is_answered_item_by_item(key: str) -> None:
    said = [event(event_name="One"), event(event_type="nonsense"), event(event_name="Three")]
    results = post(key, {"batch": said}).json()["results"]
    assert [result["status"] for result in results] == ["processed", "error", "processed"]
    assert (results[1]["code"], results[1]["errors"][0]["loc"]) == ("invalid_event", ["event_type"])
    assert [read(key, results[n])["name"] for n in (0, 2)] == ["One", "Three"]


@pytest.mark.parametrize(
    "bad",
    [
        "null",
        "7",
        "[]",
        '"text"',
        "{}",
        '{"event_type": "track", "event_name": "x", "anonymous_id": "a", "payload": {"n": 1e400}}',
        "[" * 1_000 + "]" * 1_000,
    ],
)
def test_a_bad_item_never_costs_its_neighbours(key: str, bad: str) -> None:
    body = b'{"batch": [%b, %b, %b]}' % (raw_event(), bad.encode(), raw_event())
    results = post(key, body).json()["results"]
    assert [result["status"] for result in results] == ["processed", "error", "processed"]
    assert results[1]["errors"]


def test_a_message_twice_in_one_batch_is_stored_once(key: str) -> None:
    said = event()
    first, again = post(key, {"batch": [said, said]}).json()["results"]
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert first["event_id"] == again["event_id"]


def test_equal_events_without_an_id_in_one_batch_happened_twice(key: str) -> None:
    said = event(message_id=None, timestamp="2026-11-01T10:00:00Z")
    for duplicate in (False, True):
        results = post(key, {"batch": [said, said]}).json()["results"]
        assert [result["duplicate"] for result in results] == [duplicate, duplicate]
        assert results[0]["event_id"] != results[1]["event_id"]


def test_a_batch_is_folded_in_the_order_of_its_events(key: str) -> None:
    who = {"identity": "batch-order"}
    said = [
        event(**who, timestamp=f"2026-11-01T10:0{n}:00Z", attributes={"city": city})
        for n, city in ((2, "Miami"), (1, "Chicago"))
    ]
    results = post(key, {"batch": said}).json()["results"]
    assert read(key, results[0])["attributes"] == {"city": "Miami"}


def test_five_hundred_events_are_one_body(key: str) -> None:
    results = post(key, {"batch": [event() for _ in range(500)]}).json()["results"]
    assert [result["status"] for result in results] == ["processed"] * 500


def test_an_empty_batch_has_no_results(key: str) -> None:
    assert post(key, {"batch": []}).json() == {"results": []}


def test_a_batch_that_is_no_list_is_refused(key: str) -> None:
    response = post(key, {"batch": {"event_type": "track"}})
    assert code_of(response) == (422, "invalid_body")
    assert response.json()["errors"][0]["loc"] == ["batch"]


# --- what nobody could read back ----------------------------------------------------------------

MENDED = {
    "NUL": (r'"a\u0000b"', f"a{UNKNOWN}b"),
    "a high surrogate alone": (r'"a\ud800b"', f"a{UNKNOWN}b"),
    "a low surrogate alone": (r'"\udc00"', UNKNOWN),
    "surrogates the wrong way round": (r'"\udc00\ud800"', UNKNOWN * 2),
    "a pair": (r'"\ud83d\ude00"', "\N{GRINNING FACE}"),
    "an escaped backslash": (r'"\\u0000"', r"\u0000"),
    "a noncharacter": (r'"\uffff"', "\uffff"),
    "controls": (r'"\u0001\u001f\u007f\u0085\u2028"', "\x01\x1f\x7f\x85\u2028"),
}


@pytest.mark.parametrize("what", MENDED)
def test_what_text_cannot_hold_is_replaced(key: str, what: str) -> None:
    sent, stored = MENDED[what]
    body = raw_event(
        payload=f'{{"text": {sent}, "list": [{sent}], {sent}: 1}}',
        attributes=f'{{"text": {sent}}}',
        context=f'{{"url": {sent}, "title": {sent}}}',
        event_name=sent[:-1] + ' name"',
        identity=sent[:-1] + '-who"',
        session_id=sent[:-1] + '-session"',
        message_id=f'"{what}"',
        tab_id=sent,
    )
    response = post(key, body, idempotency_key="\x7f")
    assert response.status_code == 200, response.content
    found = read(key, response.json())
    assert found["payload"] == {"text": stored, "list": [stored], stored: 1}
    assert (found["attributes"], found["url"]) == ({"text": stored}, stored)
    assert found["name"] == f"{stored} name".strip()


REFUSED = {
    "1e400": "number_out_of_range",
    "-1e400": "number_out_of_range",
    "1e999999999999": "number_out_of_range",
    "9" * 5_000: "number_out_of_range",
    "-" + "9" * 5_000: "number_out_of_range",
    "18446744073709551616": "number_out_of_range",
    "-9223372036854775809": "number_out_of_range",
    "NaN": "not_json",
    "Infinity": "not_json",
    "-Infinity": "not_json",
    "[" * 40 + "]" * 40: "too_deep",
    "[" * 100_000 + "]" * 100_000: "too_deep",
    '{"a":' * 40_000 + "1" + "}" * 40_000: "too_deep",
}


@pytest.mark.parametrize("field", ["payload", "attributes", "context"])
@pytest.mark.parametrize("value", REFUSED, ids=lambda value: f"{value[:12]} {len(value)}")
def test_what_nobody_could_read_back_is_a_field_error(key: str, field: str, value: str) -> None:
    response = post(key, raw_event(**{field: f'{{"n": [1, {value}]}}'}))
    assert response.status_code == 422, response.content[:200]
    error = response.json()["errors"][0]
    assert error["loc"][:3] == [field, "n", 1]
    assert error["code"] == REFUSED[value]


@pytest.mark.parametrize("open_", ["[", '{"a":', '[{"a":['])
def test_deep_json_that_breaks_off_is_no_json(key: str, open_: str) -> None:
    assert code_of(post(key, (open_ * 50_000).encode())) == (400, "invalid_json")


@pytest.mark.parametrize("field", ["timestamp", "sent_at"])
@pytest.mark.parametrize(
    "time",
    [
        '"10000-01-01T00:00:00Z"',
        '"+010000-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59-14:00"',
        '"0001-01-01T00:00:00+14:00"',
        "253402300800000",
        "1e300",
        "1e400",
        "-1",
        '"Infinity"',
        '"9e99"',
        '"\\u0000"',
    ],
)
def test_a_time_outside_of_time_is_a_field_error(key: str, field: str, time: str) -> None:
    response = post(key, raw_event(**{field: time}))
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == [field]


@pytest.mark.parametrize(
    "number",
    ["18446744073709551615", "-9223372036854775808", "1.7976931348623157e308", "5e-324", "-0.0"],
)
def test_numbers_at_the_bounds_are_read_back(key: str, number: str) -> None:
    body = raw_event(payload=f'{{"n": {number}}}', attributes=f'{{"n": {number}}}')
    found = read(key, post(key, body).json())
    for numbers in (found["payload"], found["attributes"]):
        assert Decimal(str(numbers["n"])) == Decimal(number)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECT = st.dictionaries(st.text(st.characters(), max_size=6), JSON, max_size=4)
ITEM = st.fixed_dictionaries(
    {"event_type": st.just("track"), "event_name": st.text(st.characters(), min_size=1)},
    optional={
        "anonymous_id": st.text(st.characters()),
        "identity": JSON,
        "payload": OBJECT,
        "attributes": OBJECT,
        "context": OBJECT,
        "timestamp": JSON,
        "message_id": JSON,
        "session_id": st.text(st.characters()),
    },
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ITEM, min_size=10, max_size=40))
def test_whatever_is_accepted_can_be_read_back(key: str, items: list[dict[str, Any]]) -> None:
    response: Answer = post(key, {"batch": items})
    assert response.status_code == 200
    for result in response.json()["results"]:
        if result["status"] == "processed":
            read(key, result)
        else:
            assert result["code"] == "invalid_event"
