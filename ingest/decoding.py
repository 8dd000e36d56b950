"""Pure: from the bytes of a body to items that every later reader can hold (DESIGN §4, hygiene).

PostgreSQL takes rows that Python can never read again, and refuses others only when a whole
flush of neighbours is on its way. So each item is looked at here, once, for every dialect:

1. `surely_clean` is a scan of about a microsecond. It knows no syntax and errs to one side only:
   what it calls clean holds nothing of the list below.
2. Anything else is rewritten: NUL and lone surrogates become U+FFFD; what cannot be mended
   (too deep, too many keys, a number beyond 64 bits or a double, NaN) is a field error.
"""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any, TypeVar

import msgspec

from ingest.record import FieldError, Rejected

Loc = tuple[str | int, ...]
Shape = TypeVar("Shape", bound=msgspec.Struct)

DEPTH_MAX, KEYS_MAX = 32, 1_000
#: An answer names at most so many faults of one item, and so much of a key.
ERRORS_MAX, KEY_SHOWN = 20, 60

_DIGITS_ALIKE = bytes.maketrans(b"123456789E[,", b"000000000e::")
_LONG_NUMBER = b"0" * 19  # 18 digits always fit 64 bits
_EXPONENT = re.compile(rb":-?[0.]+e")
_ROOM_FOR_KEYS = KEYS_MAX * len('"":0,')
_NOT_OPENING = bytes(set(range(256)) - set(b"{["))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_BRACKETS_ALIKE = bytes.maketrans(b"{}", b"[]")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
# An item may lie inside an object and a list; what is cut off must lie deeper than any item may.
_PRUNED_BELOW = DEPTH_MAX + 3

_decode = msgspec.json.Decoder().decode
_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_members_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


class BadBody(Exception):
    """A body that cannot be read at all; the door answers with this status and code."""

    def __init__(
        self, status: int, code: str, message: str, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.errors = status, code, message, errors


class BadItem(Exception):
    """An item that can be no record, and why."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(errors)
        self.errors = errors


class _Fault:
    """Stands in the decoded value where a number was that nobody could read back."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message


_TOO_LARGE = _Fault("number_out_of_range", "a number beyond 64 bits or beyond double range")
_NOT_JSON = _Fault("not_json", "NaN and Infinity are no JSON")


def utf8(body: bytes) -> bytes:
    """Return the body without a byte order mark; raise `BadBody` where it is not UTF-8."""
    try:
        body.isascii() or body.decode()
    except UnicodeDecodeError as fault:
        raise BadBody(400, "invalid_json", f"not UTF-8 at byte {fault.start}") from None
    return body.removeprefix(b"\xef\xbb\xbf")


def split(body: bytes, field: str) -> tuple[list[bytes | Rejected], dict[str, Any]] | None:
    """Return the members of the list at `field`, and the other fields; None without that field.

    A member that cannot be mended is refused in its place. Raise `BadBody`.
    """
    try:
        fields: dict[str, Any] = dict(_fields_of(body))
        members: Any = _members_of(fields.pop(field)) if field in fields else None
    except (msgspec.DecodeError, RecursionError):
        return _split_carefully(body, field)
    if members is None:
        return None
    return [bytes(member) for member in members], {k: bytes(v) for k, v in fields.items()}


def read(item: bytes, decoder: msgspec.json.Decoder[Shape]) -> tuple[Shape, bytes]:
    """Decode one item into its shape; return the bytes, too, that it was decoded from.

    Raise `BadItem` where a field is at fault, `BadBody` where it is no JSON.
    """
    if surely_clean(item):
        try:
            return decoder.decode(item), item
        except msgspec.DecodeError:
            pass  # a lone surrogate, a wrong type or no JSON: the careful way tells them apart
    item = rewritten(loads(item))
    try:
        return decoder.decode(item), item
    except msgspec.ValidationError:
        raise BadItem(type_errors(_decode(item), decoder.type)) from None


def type_errors(value: object, shape: type[msgspec.Struct], at: Loc = ()) -> tuple[FieldError, ...]:
    """Say which fields of a decoded item are not of the shape's types."""
    if not isinstance(value, dict):
        return (FieldError(at, "wrong_type", "not a JSON object"),)
    errors = []
    for field in msgspec.structs.fields(shape):
        if field.encode_name in value and field.type is not msgspec.Raw:
            try:
                msgspec.convert(value[field.encode_name], field.type)
            except msgspec.ValidationError as fault:
                errors.append(FieldError((*at, field.encode_name), "wrong_type", str(fault)))
    return tuple(errors)


def surely_clean(item: bytes) -> bool:
    """Say whether nothing in these bytes (of UTF-8) can need care; never wrongly yes.

    Lone surrogates and bad syntax are left to msgspec, which refuses them.
    """
    alike = item.translate(_DIGITS_ALIKE, b" \t\r\n")
    return (
        _LONG_NUMBER not in alike
        and not _EXPONENT.search(alike)
        and not (b"\\" in item and b"\\u0000" in item)
        and (len(item) < _ROOM_FOR_KEYS or item.count(b":") <= KEYS_MAX)
        and (len(item.translate(None, _NOT_OPENING)) <= DEPTH_MAX or not deeper(item, DEPTH_MAX))
    )


def deeper(body: bytes, depth: int) -> bool:
    """Say whether JSON is nested deeper than this, in linear time and without recursion.

    >>> deeper(b'[[{"[[": "[["}]]', 3), deeper(b'[[{"[[": "[["}]]', 2)
    (False, True)
    """
    outside_strings = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
    brackets = b"".join(outside_strings).translate(_BRACKETS_ALIKE, _NOT_BRACKETS)
    for _ in range(depth):
        brackets = brackets.replace(b"[]", b"")  # the innermost level
    return bool(brackets)


def loads(body: bytes) -> object:
    """Decode JSON of any depth and with any number; raise `BadBody` where it is no JSON."""
    text = body.decode()
    if deeper(body, _PRUNED_BELOW):
        text = _pruned(text)
    try:
        decoded: object = json.loads(
            text, parse_int=_integer, parse_float=_double, parse_constant=lambda _: _NOT_JSON
        )
    except ValueError as fault:
        raise BadBody(400, "invalid_json", f"the body is no JSON: {fault}") from None
    return decoded


def rewritten(value: object) -> bytes:
    """Return JSON of a value from `loads`, mended; raise `BadItem` where it cannot be."""
    errors: list[FieldError] = []
    mended = _mended(value, (), errors)
    if errors:
        raise BadItem(tuple(errors))
    return msgspec.json.encode(mended)


def mended_text(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold by U+FFFD."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _split_carefully(
    body: bytes, field: str
) -> tuple[list[bytes | Rejected], dict[str, Any]] | None:
    fields = loads(body)
    if not isinstance(fields, dict) or field not in fields:
        return None
    members = fields.pop(field)
    if not isinstance(members, list):
        fault = FieldError((field,), "wrong_type", "not a list")
        raise BadBody(422, "invalid_body", f"{field} is a list", (fault,))
    return [_member(value) for value in members], {
        name: _member(value) for name, value in fields.items()
    }


def _member(value: object) -> bytes | Rejected:
    try:
        return rewritten(value)
    except BadItem as bad:
        return Rejected(bad.errors)


def _integer(literal: str) -> int | _Fault:
    # Python itself refuses to read 4,300 digits.
    number = int(literal) if len(literal) <= 20 else 1 << 64
    return number if -(1 << 63) <= number < 1 << 64 else _TOO_LARGE


def _double(literal: str) -> float | _Fault:
    number = float(literal)
    return _TOO_LARGE if isinf(number) else number


def _pruned(text: str) -> str:
    """Put null in the place of everything that lies deeper than any item may.

    The parent of each null is too deep already, so no item is accepted because of it.
    """
    kept, start, depth = [], 0, 0
    for token in _STRUCTURE.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == _PRUNED_BELOW + 1:
                kept.append(text[start : token.start()])
        elif token[0] in "]}":
            if depth == _PRUNED_BELOW + 1:
                kept.append("null")
                start = token.end()
            depth -= 1
    if depth > _PRUNED_BELOW:
        raise BadBody(400, "invalid_json", "the body is no JSON: it ends too early")
    return "".join(kept) + text[start:]


def _mended(value: object, loc: Loc, errors: list[FieldError]) -> object:
    if isinstance(value, str):
        return mended_text(value)
    if isinstance(value, _Fault):
        return _refuse(loc, value.code, value.message, errors)
    if not isinstance(value, dict | list) or len(errors) >= ERRORS_MAX:
        return value
    if len(loc) >= DEPTH_MAX:
        return _refuse(loc, "too_deep", f"nested deeper than {DEPTH_MAX} levels", errors)
    if isinstance(value, list):
        return [_mended(one, (*loc, index), errors) for index, one in enumerate(value)]
    if len(value) > KEYS_MAX:
        return _refuse(loc, "too_many_keys", f"an object of more than {KEYS_MAX} keys", errors)
    named = {mended_text(name): one for name, one in value.items()}
    return {name: _mended(one, (*loc, name[:KEY_SHOWN]), errors) for name, one in named.items()}


def _refuse(loc: Loc, code: str, message: str, errors: list[FieldError]) -> object:
    if len(errors) < ERRORS_MAX:
        errors.append(FieldError(loc, code, message))
    return None  # stands in its place until the item is refused
