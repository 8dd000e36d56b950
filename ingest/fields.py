"""Pure: reads the fields of an item, and gathers what is wrong with them, for every dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from identity.identifiers import (
    EMAIL,
    PHONE,
    Identifier,
    Json,
    Placeholder,
    Unusable,
    identifier,
)
from ingest.event_time import read_time
from ingest.record import FieldError

#: A patch of a person's attributes (keystone.md §6).
PATCH_BYTES_MAX, PATCH_KEYS_MAX = 65_536, 500

_decode = msgspec.json.Decoder().decode


class Findings:
    """What is wrong with an item, and what was ignored of it.

    A reader that finds a fault notes it and returns what stands for "absent": the item is
    refused once all of its faults are known.
    """

    __slots__ = ("errors", "warnings")

    def __init__(self, warnings: tuple[str, ...] = ()) -> None:
        self.errors: list[FieldError] = []
        self.warnings: list[str] = [*warnings]

    def refuse(self, code: str, message: str, *loc: str) -> None:
        """Note a fault of one field."""
        self.errors.append(FieldError(loc, code, message))

    def text(self, value: str | None, max_length: int, *loc: str) -> str:
        """Return a trimmed text; "" where there is none."""
        if not value:
            return ""
        value = value.strip()
        if len(value) > max_length:
            self.refuse("too_long", f"at most {max_length} characters", *loc)
        return value

    def time(self, value: str | float | None, *loc: str) -> int | None:
        """Return epoch ms; None where there is none."""
        try:
            return read_time(value)
        except ValueError as fault:
            self.refuse("invalid_time", str(fault), *loc)
            return None

    def object(self, value: msgspec.Raw, *loc: str) -> bytes:
        """Return a JSON object as it came; b"" where there is none, or null."""
        raw = bytes(value)
        if raw.startswith(b"{"):
            return raw
        if raw not in (b"", b"null"):
            self.refuse("wrong_type", "not a JSON object", *loc)
        return b""

    def identifier(self, kind: str, value: Json, *loc: str) -> tuple[Identifier, ...]:
        """Return the one identifier of a field, none where it is empty or a placeholder."""
        try:
            one = identifier(kind, value)
        except Placeholder as nobody:
            self.warnings.append(f"{'.'.join(loc)}: {nobody.message}")
        except Unusable as fault:
            self.refuse(fault.code, fault.message, *loc)
        else:
            return (one,) if one else ()
        return ()

    def patch(self, raw: bytes, *loc: str) -> Mapping[str, Any] | None:
        """Return what an object says of a person; None where it says nothing."""
        if len(raw) > PATCH_BYTES_MAX:
            self.refuse("too_large", f"at most {PATCH_BYTES_MAX} bytes of attributes", *loc)
            return None
        patch: dict[str, Any] = _decode(raw)
        if raw.count(b":") > PATCH_KEYS_MAX and _keys(patch) > PATCH_KEYS_MAX:
            self.refuse("too_many_keys", f"at most {PATCH_KEYS_MAX} keys, nested ones too", *loc)
        return patch or None

    def mentions(
        self, attributes: Mapping[str, Any], said: tuple[Identifier, ...]
    ) -> tuple[Identifier, ...]:
        """Return the addresses among attributes that the message does not say by itself."""
        mentioned: list[Identifier] = []
        for kind in (EMAIL, PHONE):
            try:
                one = identifier(kind, attributes.get(kind))
            except Unusable as fault:
                self.warnings.append(f"the attribute {kind} names nobody: {fault.message}")
            else:
                mentioned += [one] if one and one not in said else []
        return tuple(mentioned)


def _keys(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    return sum(map(_keys, value)) if isinstance(value, list) else 0
