from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from identity.identifiers import (
    ANONYMOUS_ID,
    CRM_ID,
    EMAIL,
    KINDS,
    PHONE,
    PLACEHOLDERS,
    SESSION,
    Claim,
    Identifier,
    Unusable,
    classify,
    identifier,
)


def one(identity, identity_type=None):
    claim = classify(identity, identity_type)
    assert not claim.warnings
    [only] = claim.identifiers
    return only.kind, only.value


@pytest.mark.parametrize(
    ("identity", "kind", "value"),
    [
        ("ana@example.com", EMAIL, "ana@example.com"),
        ("  Ana@Example.COM ", EMAIL, "ana@example.com"),
        ("a.n.a+news@gmail.com", EMAIL, "a.n.a+news@gmail.com"),
        ("root@LocalHost", EMAIL, "root@localhost"),
        ("zoe\u0308@example.com", EMAIL, "zo\u00eb@example.com"),
        ("ana@example", CRM_ID, "ana@example"),
        ("ana@b@example.com", CRM_ID, "ana@b@example.com"),
        ("Ana <ana@example.com>", CRM_ID, "Ana <ana@example.com>"),
        ("@example.com", CRM_ID, "@example.com"),
        ("ana@.com", CRM_ID, "ana@.com"),
        ("+44 20 7946 0958", PHONE, "+442079460958"),
        ("+44 (0)20 7946-0958", PHONE, "+442079460958"),
        ("0044 20.7946.0958", PHONE, "+442079460958"),
        ("+39 06 1234 5678", PHONE, "+390612345678"),
        ("+1 (555) 010-9999", PHONE, "+15550109999"),
        ("+999 123 456 789", CRM_ID, "+999 123 456 789"),
        ("+123", CRM_ID, "+123"),
        ("+12345678901234567", CRM_ID, "+12345678901234567"),
        ("0000123456", CRM_ID, "0000123456"),
        ("555-0100", CRM_ID, "555-0100"),
        ("15550109999", CRM_ID, "15550109999"),
        (15550109999, CRM_ID, "15550109999"),
        (12.0, CRM_ID, "12"),
        (12.5, CRM_ID, "12.5"),
        (" Cust-42 ", CRM_ID, "Cust-42"),
        ("email: Ana@Example.com", EMAIL, "ana@example.com"),
        ("phone:+44 20 7946 0958", PHONE, "+442079460958"),
        ("crm:ana@example.com", CRM_ID, "ana@example.com"),
        ("urn:42", CRM_ID, "urn:42"),
    ],
)
def test_an_identity_is_read_as_the_table_of_kinds_says(identity, kind, value):
    assert one(identity) == (kind, value)


@pytest.mark.parametrize("nothing", [None, "", "   ", {}, {"email": None, "id": ""}, "crm:"])
def test_nothing_is_nobody_without_a_warning(nothing):
    assert classify(nothing) == Claim()


@pytest.mark.parametrize("text", sorted(PLACEHOLDERS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_placeholder_names_nobody_in_any_case_or_quotes(text, kind):
    for variant in (text, text.upper(), f'"{text}"', f"' {text.title()} '", f"“{text}”"):
        with pytest.raises(Unusable) as raised:
            identifier(kind, variant)
        assert raised.value.code == "placeholder"


@pytest.mark.parametrize(
    "nobody", ["NULL", '"undefined"', 0, -1, 0.0, "crm:guest", "[object Object]"]
)
def test_a_placeholder_counts_as_absent_and_says_so(nobody):
    claim = classify(nobody)
    assert claim.identifiers == ()
    assert "names nobody" in claim.warnings[0]


def test_an_object_names_several_kinds_at_once_strongest_first():
    claim = classify({"phone": "+442079460958", "email": "A@b.co", "customer_id": 7, "id": "x"})
    assert claim.identifiers == (
        Identifier(CRM_ID, "7"),
        Identifier(CRM_ID, "x"),
        Identifier(EMAIL, "a@b.co"),
        Identifier(PHONE, "+442079460958"),
    )


@pytest.mark.parametrize("name", ["crm_id", "customer_id", "user_id", "external_id", "id"])
def test_these_members_are_a_crm_id(name):
    assert one({name: "+442079460958"}) == (CRM_ID, "+442079460958")


def test_the_same_identifier_said_twice_is_one():
    assert len(classify({"user_id": 7, "id": "7"}).identifiers) == 1


def test_a_placeholder_in_an_object_costs_only_itself():
    claim = classify({"email": "null", "id": "7", "plan": "gold"})
    assert claim.identifiers == (Identifier(CRM_ID, "7"),)
    assert len(claim.warnings) == 2


@pytest.mark.parametrize(
    ("identity", "identity_type", "kind", "value"),
    [
        ("ana@example.com", "crm_id", CRM_ID, "ana@example.com"),
        ("+442079460958", "CRM_ID", CRM_ID, "+442079460958"),
        ("email:ana@example.com", "email", EMAIL, "ana@example.com"),
        ("email:ana@example.com", "crm_id", CRM_ID, "email:ana@example.com"),
        ("ana@example.com", "", EMAIL, "ana@example.com"),
    ],
)
def test_identity_type_forces_the_kind(identity, identity_type, kind, value):
    assert one(identity, identity_type) == (kind, value)


@pytest.mark.parametrize(
    ("identity", "identity_type", "code", "loc"),
    [
        ("ana", "email", "invalid_email", ("identity",)),
        ("email:ana", None, "invalid_email", ("identity",)),
        ("555-0100", "phone", "invalid_phone", ("identity",)),
        ("+999123456789", "phone", "invalid_phone", ("identity",)),
        ({"phone": "555-0100"}, None, "invalid_phone", ("identity", "phone")),
        ({"email": ["a@b.co"]}, None, "wrong_type", ("identity", "email")),
        ({"id": True}, None, "wrong_type", ("identity", "id")),
        ("ana", "cookie", "unknown_kind", ("identity_type",)),
        (True, None, "wrong_type", ("identity",)),
        (["a"], None, "wrong_type", ("identity",)),
        (math.nan, None, "number_out_of_range", ("identity",)),
        (math.inf, None, "number_out_of_range", ("identity",)),
        (1 << 64, None, "number_out_of_range", ("identity",)),
        ("x" * 256, None, "too_long", ("identity",)),
        ("a@" + "b" * 252 + ".c", None, "too_long", ("identity",)),
    ],
)
def test_what_names_nobody_is_refused_with_its_field(identity, identity_type, code, loc):
    with pytest.raises(Unusable) as raised:
        classify(identity, identity_type)
    assert (raised.value.code, raised.value.loc) == (code, loc)


def test_255_characters_are_enough():
    assert one("x" * 255) == (CRM_ID, "x" * 255)


def test_an_unknown_kind_is_refused():
    with pytest.raises(Unusable):
        identifier("cookie", "x")


def test_a_device_id_is_trimmed_and_opaque():
    assert identifier(ANONYMOUS_ID, " Ana@Example.com ") == Identifier(
        ANONYMOUS_ID, "Ana@Example.com"
    )
    assert identifier(SESSION, "+44 20 7946 0958").value == "+44 20 7946 0958"


@given(st.sampled_from(KINDS), st.text(max_size=40))
@example(EMAIL, "İ\u0307@x.co")
@example(PHONE, "+54 9 11 2345 6789")
def test_a_normal_form_is_its_own_normal_form(kind, value):
    try:
        found = identifier(kind, value)
    except Unusable:
        return
    if found:
        assert identifier(kind, found.value) == found


@given(st.text(alphabet="+0123456789 ()-", min_size=5, max_size=22))
def test_what_looks_like_a_phone_number_never_raises_and_keeps_its_kind(value):
    claim = classify(value)
    for found in claim.identifiers:
        assert identifier(found.kind, found.value) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(JSON | st.dictionaries(st.sampled_from(["email", "phone", "id"]), JSON), st.text(max_size=8))
def test_any_json_is_a_claim_or_unusable(identity, identity_type):
    for forced in (identity_type, None):
        try:
            claim = classify(identity, forced)
        except Unusable:
            continue
        strengths = [KINDS.index(found.kind) for found in claim.identifiers]
        assert strengths == sorted(strengths)
