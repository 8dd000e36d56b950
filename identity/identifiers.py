"""Pure: what names a person or device, its normal form, and its key (keystone.md §4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias
from unicodedata import normalize
from uuid import UUID

import msgspec
import phonenumbers

Json: TypeAlias = str | int | float | list["Json"] | Mapping[str, "Json"] | None

CRM_ID, EMAIL, PHONE, ANONYMOUS_ID, SESSION = "crm_id", "email", "phone", "anonymous_id", "session"

#: Strongest first: the strongest identifier of a message is its actor (DESIGN §4).
KINDS = (CRM_ID, EMAIL, PHONE, ANONYMOUS_ID, SESSION)
STRENGTH = {kind: len(KINDS) - rank for rank, kind in enumerate(KINDS)}
#: The kinds that make a profile an anchor.
EXPLICIT = frozenset({CRM_ID, EMAIL, PHONE})

VALUE_MAX = 255

#: What the members of an identity object are called, and the kind that each one means.
MEMBERS = {
    "email": EMAIL,
    "phone": PHONE,
    "crm_id": CRM_ID,
    "customer_id": CRM_ID,
    "user_id": CRM_ID,
    "external_id": CRM_ID,
    "id": CRM_ID,
}
_PREFIXES = {"email": EMAIL, "phone": PHONE, "crm": CRM_ID, "crm_id": CRM_ID}

#: What broken integrations send for "nobody"; as an identifier each would merge every visitor.
#: Part of the derivation of event ids: a change here changes the ids of messages sent again.
PLACEHOLDERS = frozenset(
    {"null", "undefined", "none", "nil", "nan", "anonymous", "guest", "unknown", "n/a", "0", "-1"}
    | {"(null)", "(none)", "(not set)", "[object object]", "{00000000-0000-0000-0000-000000000000}"}
    | {"00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"}
)
_QUOTES = " \t\r\n\"'`´‘’“”«»\\"
_SHOWN = 60  # characters; no placeholder is longer, nor what a warning quotes

_EMAIL = re.compile(r"[^@\s]+@(?:[^@\s]+\.[^@\s.]+|localhost)", re.IGNORECASE)
_SEPARATORS = " \u00a0\u2009\u202f().-/\u2010\u2011\u2012\u2013\u2212"
_DIALLED = re.compile(rf"\(?(?:\+|00)[0-9{re.escape(_SEPARATORS)}]+")
_E164 = re.compile(r"(?:\+|00)([0-9]{7,15})")
_DROP_SEPARATORS = str.maketrans("", "", _SEPARATORS)


class Identifier(msgspec.Struct, frozen=True, gc=False):
    """One normalized (kind, value)."""

    kind: str
    value: str

    def key(self, secret: bytes) -> UUID:
        """Return the 128-bit digest of (kind, value), keyed by the organization's secret.

        It is uniqueness, tenancy, index limit and distribution key in one column (DESIGN §4).
        """
        name = f"{self.kind}\0{self.value}".encode()
        digest = blake2b(name, digest_size=16, key=secret).digest()
        return msgspec.convert(digest, UUID)  # a third of the time of UUID(bytes=…)


class Unusable(ValueError):
    """A value that can name nobody: a machine word, a sentence, which field."""

    def __init__(self, code: str, message: str, loc: tuple[str, ...] = ("identity",)) -> None:
        super().__init__(message)
        self.code, self.message, self.loc = code, message, loc


class Placeholder(Unusable):
    """A value that stands for nobody: it counts as absent, with a warning."""

    def __init__(self, value: str) -> None:
        super().__init__("placeholder", f"{value!r} names nobody: ignored")


class Claim(msgspec.Struct, frozen=True):
    """Whom a message says it is about: strongest first, and what was ignored."""

    identifiers: tuple[Identifier, ...] = ()
    warnings: tuple[str, ...] = ()


def classify(identity: Json, identity_type: str | None = None) -> Claim:
    """Read an explicit identity by the table of keystone.md §4; raise `Unusable` if it is none.

    >>> classify(" Ana@Example.com ").identifiers
    (Identifier(kind='email', value='ana@example.com'),)
    >>> classify({"email": "ana@example.com", "customer_id": 12.0}).identifiers[0]
    Identifier(kind='crm_id', value='12')
    >>> classify("undefined")
    Claim(identifiers=(), warnings=("identity: 'undefined' names nobody: ignored",))
    """
    if isinstance(identity, Mapping):
        return _classify_members(identity)
    try:
        found = _scalar(identity, _forced(identity_type))
    except Placeholder as nobody:
        return Claim(warnings=(f"identity: {nobody.message}",))
    return Claim((found,)) if found else Claim()


def identifier(kind: str, value: Json) -> Identifier | None:
    """Return the normal form of a value of a known kind; None if it is empty.

    Raise `Unusable` (also for an unknown kind), and its subclass `Placeholder`.

    >>> identifier("phone", "0044 20 7946 0958")
    Identifier(kind='phone', value='+442079460958')
    """
    if kind not in STRENGTH:
        raise Unusable("unknown_kind", f"a kind is one of {', '.join(KINDS)}")
    text = _text(value)
    if not text:
        return None
    if is_placeholder(text):
        raise Placeholder(text)
    if kind == EMAIL:
        text = _email(text)
    elif kind == PHONE:
        text = _phone(text)
    if len(text) > VALUE_MAX:
        raise Unusable("too_long", f"at most {VALUE_MAX} characters")
    return Identifier(kind, text)


def is_placeholder(text: str) -> bool:
    """Say whether a text stands for nobody, in any case and in any quotes.

    >>> [is_placeholder(text) for text in ('"NULL"', "[object Object]", "Nil", "nadia")]
    [True, True, True, False]
    """
    return len(text) <= _SHOWN and text.strip(_QUOTES).lower() in PLACEHOLDERS


def _classify_members(members: Mapping[str, Json]) -> Claim:
    found: dict[Identifier, None] = {}  # a set that keeps the message's order
    warnings = []
    for name, value in members.items():
        try:
            one = identifier(MEMBERS[name], value) if name in MEMBERS else None
        except Placeholder as nobody:
            warnings.append(f"identity.{name}: {nobody.message}")
            continue
        except Unusable as fault:
            raise Unusable(fault.code, fault.message, ("identity", name)) from None
        if one:
            found[one] = None
        elif name not in MEMBERS:
            warnings.append(f"identity.{name[:_SHOWN]} is no kind of identity: ignored")
    return Claim(strongest_first(found), tuple(warnings))


def strongest_first(found: Iterable[Identifier]) -> tuple[Identifier, ...]:
    """Sort identifiers by strength; those of one kind keep the message's order."""
    return tuple(sorted(found, key=lambda one: -STRENGTH[one.kind]))


def _forced(identity_type: str | None) -> str | None:
    kind = (identity_type or "").strip().lower()
    if kind and kind not in EXPLICIT:
        raise Unusable("unknown_kind", "email, phone or crm_id", ("identity_type",))
    return kind or None


def _scalar(value: Json, forced: str | None) -> Identifier | None:
    text = _text(value)
    prefix, colon, rest = text.partition(":")
    named = _PREFIXES.get(prefix.lower()) if colon else None
    if named and forced in (None, named):
        return identifier(named, rest)
    return identifier(forced or _guessed(text), text)


def _guessed(text: str) -> str:
    if "@" in text and _EMAIL.fullmatch(text):
        return EMAIL
    return PHONE if e164(text) else CRM_ID


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable("wrong_type", "an identity is a text or a number")
    if not -(2.0**64) < value < 2.0**64:  # NaN too
        raise Unusable("number_out_of_range", "a number of more than 64 bits names nobody")
    return str(int(value) if value == int(value) else value)


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise Unusable("invalid_email", "not an e-mail address")
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).lower())


def _phone(text: str) -> str:
    number = e164(text)
    if number is None:
        raise Unusable("invalid_phone", "not an international number: +, country code, 7–15 digits")
    return number


def e164(text: str) -> str | None:
    """Return a phone number in E.164, None if it is none. No default region (keystone.md §4).

    >>> e164("+1 (555) 010-9999"), e164("0000123456"), e164("555-0100")
    ('+15550109999', None, None)
    """
    # The cheap look first: nearly everything that comes by is no phone number.
    return _parsed(text) if _DIALLED.fullmatch(text) else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> str | None:
    match = _E164.fullmatch(text.translate(_DROP_SEPARATORS))
    if match is None:
        return None
    try:
        number = phonenumbers.parse(f"+{match[1]}", None)
    except phonenumbers.NumberParseException:
        return None
    # Possible, not valid: numbering plans change with each release of the library, keys must not.
    length = phonenumbers.is_possible_number_with_reason(number)
    if length != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
