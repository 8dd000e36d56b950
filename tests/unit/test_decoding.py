from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.decoding import (
    DEPTH_MAX,
    KEYS_MAX,
    BadBody,
    BadItem,
    deeper,
    loads,
    read,
    rewritten,
    split,
    surely_clean,
    utf8,
)
from ingest.record import Rejected


class Item(msgspec.Struct):
    name: str | None = None
    payload: msgspec.Raw = msgspec.Raw()


ITEM = msgspec.json.Decoder(Item)
UNSTORABLE = {"\0", *map(chr, range(0xD800, 0xE000))}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=12)
    | st.sampled_from(["\0", "\\u0000", "\ud800", "\ud83d\ude00", ':1e400"[', "{[" * 20]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)


def item(payload: bytes) -> bytes:
    return b'{"name":"x","payload":' + payload + b"}"


def faults(payload: bytes) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(BadItem) as raised:
        read(item(payload), ITEM)
    return [(error.loc, error.code) for error in raised.value.errors]


def payload_of(body: bytes) -> object:
    return json.loads(bytes(read(body, ITEM)[0].payload))


def test_a_clean_item_is_passed_on_byte_by_byte():
    body = item(b'{ "price": 100.00, "emoji": "\\u2713 \xf0\x9f\x98\x80" }')
    decoded, clean = read(body, ITEM)
    assert clean is body
    assert bytes(decoded.payload) == b'{ "price": 100.00, "emoji": "\\u2713 \xf0\x9f\x98\x80" }'


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (b'"a\\u0000b"', "a\ufffdb"),
        (b'"a\\ud800b"', "a\ufffdb"),
        (b'"\\udc00\\ud800"', "\ufffd\ufffd"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"a\\\\u0000b"', "a\\u0000b"),
        (b'{"\\u0000":1,"\\ud800":2}', {"\ufffd": 2}),
        (b"1e5", 100000),
        (b"1e-400", 0),
        (b"1e-20000", 0),
        (b"0." + b"1" * 20_000, 0.1111111111111111),
        (b"18446744073709551615", (1 << 64) - 1),
        (b"-9223372036854775808", -(1 << 63)),
        (b'"12345678901234567890123"', "12345678901234567890123"),
    ],
)
def test_what_can_be_mended_is_mended(sent, stored):
    assert payload_of(item(sent)) == stored


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"18446744073709551616", "number_out_of_range"),
        (b"-9223372036854775809", "number_out_of_range"),
        (b"9" * 5_000, "number_out_of_range"),
        (b"1e400", "number_out_of_range"),
        (b"-1E+99999999999999999999", "number_out_of_range"),
        (b"9" * 5_000 + b".5", "number_out_of_range"),
        (b"NaN", "not_json"),
        (b"-Infinity", "not_json"),
    ],
)
def test_a_number_that_nobody_could_read_back_is_a_field_error(sent, code):
    assert faults(b'{"a":[1,' + sent + b"]}") == [(("payload", "a", 1), code)]


@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"[\\"{":', b"}")])
def test_json_may_be_nested_32_levels_deep(left, right):
    deepest = DEPTH_MAX - 1  # the item itself is the first
    read(item(left * deepest + b"1" + right * deepest), ITEM)
    [(loc, code)] = faults(left * DEPTH_MAX + b"1" + right * DEPTH_MAX)
    assert (loc[0], code) == ("payload", "too_deep")


@pytest.mark.parametrize("depth", [900, 1_000, 100_000])
def test_json_of_any_depth_is_a_field_error(depth):
    [(loc, code)] = faults(b"[" * depth + b"]" * depth)
    assert (loc[0], code) == ("payload", "too_deep")


def test_an_object_may_have_a_thousand_keys():
    def of(keys):
        return json.dumps({f"k{n}": ":::" for n in range(keys)}).encode()

    read(item(of(KEYS_MAX)), ITEM)
    assert faults(of(KEYS_MAX + 1)) == [(("payload",), "too_many_keys")]


def test_all_faults_of_an_item_are_told_but_no_more_than_twenty():
    assert len(faults(b'{"a":NaN,"b":1e999}')) == 2
    assert len(faults(b"[" + b"NaN," * 99 + b"1]")) == 20


def test_a_wrong_type_is_told_with_its_field():
    with pytest.raises(BadItem) as raised:
        read(b'{"name": 5}', ITEM)
    assert [(error.loc, error.code) for error in raised.value.errors] == [(("name",), "wrong_type")]


@pytest.mark.parametrize("body", [b"5", b"[]", b'"x"', b"null"])
def test_an_item_that_is_no_object_is_a_wrong_type(body):
    with pytest.raises(BadItem) as raised:
        read(body, ITEM)
    assert raised.value.errors[0].code == "wrong_type"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":1} x',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":"\n"}',
        b'{"a":"\\x"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_invalid_json(body):
    with pytest.raises(BadBody) as raised:
        read(body, ITEM)
    assert (raised.value.status, raised.value.code) == (400, "invalid_json")


@pytest.mark.parametrize("body", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}'])
def test_what_is_not_utf8_is_invalid_json(body):
    with pytest.raises(BadBody) as raised:
        utf8(body)
    assert (raised.value.status, raised.value.code) == (400, "invalid_json")


def test_a_byte_order_mark_is_no_part_of_a_body():
    assert utf8(b"\xef\xbb\xbf{}") == b"{}"


def test_a_body_is_split_into_the_members_of_its_list():
    assert split(b'{"batch": [{"a": 1}, 2], "sent_at": 5}', "batch") == (
        [b'{"a": 1}', b"2"],
        {"sent_at": b"5"},
    )
    assert split(b'{"a": 1}', "batch") is None
    assert split(b"[1]", "batch") is None


@pytest.mark.parametrize("bad", [b'"\\ud800"', b"[" * 5_000 + b"]" * 5_000, b"NaN", b"9" * 5_000])
def test_a_bad_member_never_costs_its_neighbours(bad):
    members, rest = split(b'{"batch":[{"a":1},{"b":' + bad + b'},{"c":1}],"sent_at":5}', "batch")
    assert (members[0], members[2], rest) == (b'{"a":1}', b'{"c":1}', {"sent_at": b"5"})
    if isinstance(members[1], bytes):
        members[1] = b"" if b"9999" in members[1] else members[1]
    assert isinstance(members[1], Rejected) or members[1] in (b"", '{"b":"\ufffd"}'.encode())


@pytest.mark.parametrize("members", [b"{}", b"5", b"null", b'"x"'])
def test_a_list_that_is_none_is_told(members):
    with pytest.raises(BadBody) as raised:
        split(b'{"batch":' + members + b"}", "batch")
    assert (raised.value.status, raised.value.errors[0].loc) == (422, ("batch",))


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
@example({"a": 1e16, "b": 123456789012345678}, True, None)
@example([[[]], "[[[", {"a": {}}], False, 1)
def test_what_the_scan_calls_clean_needs_no_care(value, escaped, indent):
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)
    try:
        body = text.encode()
    except UnicodeEncodeError:
        return
    try:
        mended = rewritten(loads(body))
    except BadItem:
        assert not accepted(body)
        return
    if accepted(body):
        assert msgspec.json.decode(mended) == msgspec.json.decode(body)
        assert not UNSTORABLE & set(str(msgspec.json.decode(body)))


def accepted(body: bytes) -> bool:
    """Say whether the fast path takes it."""
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    return surely_clean(body)


@given(st.integers(1, 60), st.sampled_from([b'"[[[[{{{{"', b"1", b'"\\"]]]]"', b"{}", b"[[],[]]"]))
def test_depth_is_counted_outside_of_strings(depth, leaf):
    body = b"[" * depth + leaf + b"]" * depth
    levels = depth + {b"{}": 1, b"[[],[]]": 2}.get(leaf, 0)
    assert not deeper(body, levels)
    assert deeper(body, levels - 1)


@given(st.binary(max_size=60) | st.text('{}[]":,\\ u0d8e1.-N', max_size=60).map(str.encode))
def test_any_bytes_are_an_item_or_refused(body):
    try:
        decoded, clean = read(utf8(body), ITEM)
    except (BadBody, BadItem):
        return
    assert isinstance(decoded, Item)
    json.loads(clean)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 262_144 + b"]" * 262_144,
        b'"' * 524_288,
        b'"' + b'\\"' * 262_000,
        b"[" * 40 + b'"\\' * 200_000,
        b"1" * 524_288,
        b":0" * 262_144,
        b"[" + b"NaN," * 130_000 + b"1]",
    ],
)
def test_no_body_of_512_kib_takes_long(body):
    began = time.process_time()
    try:
        read(body, ITEM)
    except (BadBody, BadItem):
        pass
    assert time.process_time() - began < 2
