"""Pure: what makes two messages without an id the same, and tells equal ones of a body apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from identity.identifiers import Identifier
from ingest.record import Record, Rejected

_decode = msgspec.json.Decoder(dict[str, object]).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


def content_of(item: bytes, *, without: str) -> bytes:
    """Return the 16-byte digest of what a JSON object says, however it is spelled.

    `without` names the field that changes when the same message is sent again.

    >>> once = content_of(b'{"a": 1, "b": 2, "sent_at": 5}', without="sent_at")
    >>> once == content_of(b'{"b":2,"a":1}', without="sent_at")
    True
    """
    said = _decode(item)
    said.pop(without, None)
    return blake2b(_encode(said), digest_size=16).digest()


def numbered(items: Iterable[Record | Rejected]) -> list[Record | Rejected]:
    """Number the equal records of one body: the same thing may well have happened twice."""
    seen: Counter[tuple[Identifier, int | None, bytes]] = Counter()
    result = []
    for item in items:
        one = item
        if isinstance(item, Record) and item.message_id is None:
            said = (item.identifiers[0], item.client_ms, item.content)
            one = msgspec.structs.replace(item, ordinal=seen[said]) if seen[said] else item
            seen[said] += 1
        result.append(one)
    return result
