from __future__ import annotations

import json

import pytest

from identity.identifiers import Identifier
from tests.unit.cdp import NOW, PUBLIC, SECRET, context, faults, parse, record

# The body that the user's specification shows, with an address in the place of its mask.
ADDED_TO_CART = b"""{
  "anonymous_id": "f5f1345d-...",
  "identity": "ana@example.com",
  "event_type": "track",
  "event_name": "Added to Cart",
  "payload": {
    "product_id": "P-1234",
    "price": 100.00
  }
}"""


def test_the_users_basic_payload_is_one_record_of_a_person_and_a_cookie():
    [item] = parse(ADDED_TO_CART).items
    assert item.identifiers == (
        Identifier("email", "ana@example.com"),
        Identifier("anonymous_id", "f5f1345d-..."),
    )
    assert (item.kind, item.type, item.name) == ("track", "track", "Added to Cart")
    assert json.loads(item.payload) == {"product_id": "P-1234", "price": 100.0}
    assert item.attributes is None
    assert (item.occurred_at, item.client_ms, item.raw) == (NOW, None, ADDED_TO_CART)


def test_the_users_basic_payload_as_it_is_masked_names_a_person_too():
    masked = ADDED_TO_CART.replace(b"ana@example.com", "[email\u00a0protected]".encode())
    [item] = parse(masked).items
    assert item.identifiers[0] == Identifier("crm_id", "[email\u00a0protected]")


@pytest.mark.parametrize("kind", ["Identify", "TRACK", " page "])
def test_identify_track_and_page_are_known_in_any_case(kind):
    assert record(event_type=kind).kind == kind.strip().lower()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("page", "Page View"),
        ("identify", "Identify"),
        ("screen", "Screen View"),
        ("group", "Group"),
        ("alias", "Alias"),
    ],
)
@pytest.mark.parametrize("said", [None, "", "  "])
def test_all_but_a_track_have_a_name_by_default(kind, name, said):
    assert record(event_type=kind, event_name=said).name == name


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"event_type": None}, (("event_type",), "missing")),
        ({"event_type": ""}, (("event_type",), "missing")),
        ({"event_type": "click"}, (("event_type",), "unknown_value")),
        ({"event_type": 5}, (("event_type",), "wrong_type")),
        ({"event_name": None}, (("event_name",), "missing")),
        ({"event_name": " "}, (("event_name",), "missing")),
        ({"event_name": "x" * 201}, (("event_name",), "too_long")),
        ({"event_name": {}}, (("event_name",), "wrong_type")),
        ({"payload": []}, (("payload",), "wrong_type")),
        ({"payload": "{}"}, (("payload",), "wrong_type")),
        ({"attributes": 5}, (("attributes",), "wrong_type")),
        ({"traits": [1]}, (("traits",), "wrong_type")),
        ({"attributes": {"a": "x" * 65_536}}, (("attributes",), "too_large")),
        (
            {"attributes": {"a": {str(n): n for n in range(500)}}},
            (("attributes",), "too_many_keys"),
        ),
        ({"context": "x"}, (("context",), "wrong_type")),
        ({"context": {"url": 5}}, (("context", "url"), "wrong_type")),
        ({"context": {"user_agent": []}}, (("context", "user_agent"), "wrong_type")),
        ({"anonymous_id": 5}, (("anonymous_id",), "wrong_type")),
        ({"anonymous_id": "x" * 256}, (("anonymous_id",), "too_long")),
        ({"anonymous_id": ""}, (("anonymous_id",), "missing")),
        ({"anonymous_id": "undefined"}, (("anonymous_id",), "missing")),
        ({"session_id": ["s"]}, (("session_id",), "wrong_type")),
        ({"session_id": "x" * 256}, (("session_id",), "too_long")),
        ({"tab_id": "x" * 256}, (("tab_id",), "too_long")),
        ({"identity": True}, (("identity",), "wrong_type")),
        ({"identity": ["a"]}, (("identity",), "wrong_type")),
        ({"identity": {"email": "ana"}}, (("identity", "email"), "invalid_email")),
        ({"identity": "ana", "identity_type": "email"}, (("identity",), "invalid_email")),
        ({"identity": "ana", "identity_type": "x"}, (("identity_type",), "unknown_kind")),
        ({"identity_type": 5}, (("identity_type",), "wrong_type")),
        ({"message_id": "x" * 101}, (("message_id",), "too_long")),
        ({"message_id": True}, (("message_id",), "wrong_type")),
        ({"timestamp": "yesterday"}, (("timestamp",), "invalid_time")),
        ({"timestamp": "10000-01-01T00:00:00Z"}, (("timestamp",), "invalid_time")),
        ({"timestamp": 1e300}, (("timestamp",), "invalid_time")),
        ({"timestamp": True}, (("timestamp",), "wrong_type")),
        ({"sent_at": "x"}, (("sent_at",), "invalid_time")),
        ({"payload": {"a": [1 << 64]}}, (("payload", "a", 0), "number_out_of_range")),
    ],
)
def test_a_bad_field_is_told_with_its_place_and_a_machine_word(fields, fault):
    assert faults(**fields) == [fault]


def test_all_bad_fields_are_told_at_once():
    assert len(faults(event_type="x", payload=5, timestamp="x", message_id="x" * 101)) == 4
    assert len(faults(event_type=5, anonymous_id=5)) == 2


@pytest.mark.parametrize(
    "nobody", [{}, {"identity": ""}, {"identity": "null"}, {"identity": {"plan": "gold"}}]
)
def test_an_event_of_nobody_is_refused(nobody):
    assert faults(**{"anonymous_id": None, **nobody}) == [(("anonymous_id",), "missing")]


def test_identifiers_are_strongest_first_and_the_session_is_the_last():
    said = record(identity={"phone": "+442079460958", "id": 7}, session_id=" s-1 ")
    assert [one.kind for one in said.identifiers] == ["crm_id", "phone", "anonymous_id", "session"]
    assert said.session_id == "s-1"


def test_a_session_alone_is_somebody():
    said = record(anonymous_id=None, session_id="s-1")
    assert said.identifiers == (Identifier("session", "s-1"),)


def test_a_placeholder_is_ignored_with_a_warning():
    said = record(identity="[object Object]", session_id="null")
    assert [one.kind for one in said.identifiers] == ["anonymous_id"]
    assert [warning.split(":")[0] for warning in said.warnings] == ["identity", "session_id"]


def test_payload_and_context_default_to_empty_objects():
    said = record(payload=None)
    assert (said.payload, said.context, said.url) == (b"{}", b"{}", "")


@pytest.mark.parametrize(
    ("fields", "attributes"),
    [
        ({"attributes": {"a": 1}, "traits": {"b": 1}, "payload": {"c": 1}}, {"a": 1}),
        ({"traits": {"b": 1}, "payload": {"c": 1}}, {"b": 1}),
        ({"payload": {"attributes": {"a": 1}, "traits": {"b": 1}}}, {"a": 1}),
        ({"payload": {"traits": {"b": 1}, "c": 1}}, {"b": 1}),
        ({"payload": {"traits": "x", "c": 1}}, {"traits": "x", "c": 1}),
        ({"payload": {"city": "Miami"}}, {"city": "Miami"}),
        ({"payload": {}}, None),
        ({"attributes": {}, "payload": {"c": 1}}, None),
    ],
)
def test_an_identify_says_its_attributes_at_the_top_or_in_its_payload(fields, attributes):
    assert record(event_type="identify", **fields).attributes == attributes


@pytest.mark.parametrize("kind", ["track", "page"])
def test_a_products_price_is_no_persons_attribute(kind):
    payload = {"price": 5, "attributes": {"a": 1}}
    assert record(event_type=kind, payload=payload).attributes is None
    assert record(event_type=kind, payload=payload, traits={"b": 1}).attributes == {"b": 1}


def test_addresses_among_an_identifys_attributes_are_mentioned():
    patch = {"email": " Ana@Example.com", "phone": "0044 20 7946 0958"}
    said = record(event_type="identify", attributes=patch)
    assert said.mentions == (
        Identifier("email", "ana@example.com"),
        Identifier("phone", "+442079460958"),
    )
    assert said.attributes == patch


def test_what_the_identity_says_is_not_mentioned_again():
    said = record(event_type="identify", identity="a@b.co", attributes={"email": "A@b.co"})
    assert said.mentions == ()


@pytest.mark.parametrize("email", ["ana", 5, ["a@b.co"], "null", True])
def test_a_bad_address_among_the_attributes_is_only_a_warning(email):
    said = record(event_type="identify", attributes={"email": email})
    assert (said.mentions, len(said.warnings)) == ((), 1)


def test_a_tracks_attributes_mention_nobody():
    assert record(attributes={"email": "a@b.co"}).mentions == ()


def test_a_context_is_kept_as_it_came_with_the_tab_added():
    sent = {"url": "https://a.example/" + "x" * 3_000, "referrer": "r", "campaign": {"source": "s"}}
    said = record(context=sent, tab_id="t-1")
    assert json.loads(said.context) == {**sent, "tab_id": "t-1"}
    assert said.url == sent["url"][:2_048]


def test_a_public_keys_user_agent_is_filled_in_where_the_context_lacks_it():
    header = {"user_agent": "Browser/1 " + "x" * 600}
    assert context(source=PUBLIC, headers=header) == {"user_agent": header["user_agent"][:512]}
    assert context(source=SECRET, headers=header) == {}
    own = {"user_agent": "Own/1"}
    assert context(source=PUBLIC, headers=header, context=own) == own


def test_a_long_user_agent_is_cut():
    assert context(context={"user_agent": "x" * 600})["user_agent"] == "x" * 512


def test_unknown_fields_are_ignored():
    assert record(seq=5, colour="red").warnings == ()
