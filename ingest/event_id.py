"""Pure: an event's id says which message it is, so that sending it again changes nothing."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from uuid import UUID

import msgspec

from ingest.record import Record
from keystone.clock import to_ms

_VERSION_7 = 7 << 76
_VARIANT = 0b10 << 62
_LOW_62, _HIGH_12 = (1 << 62) - 1, 0xFFF


def uuid7_shaped(milliseconds: int, digest: bytes) -> UUID:
    """Put 48 bits of epoch ms before the first 74 bits of a 10-byte digest.

    >>> uuid7_shaped(1_700_000_000_000, b"0123456789")
    UUID('018bcfe5-6800-70c4-b233-343536373839')
    """
    bits = int.from_bytes(digest, "big")
    random_bits = ((bits >> 62) & _HIGH_12) << 64 | (bits & _LOW_62)
    whole = milliseconds << 80 | _VERSION_7 | _VARIANT | random_bits
    return msgspec.convert(whole.to_bytes(16, "big"), UUID)  # half the time of UUID(int=…)


def event_id(record: Record, actor_key: UUID) -> UUID:
    """Derive the id from the client's own time and message id, or its content (DESIGN §4).

    The time is the client's *raw* one: a retry must give the same id, and the corrected one
    depends on when it arrives. What carries neither a time nor a message id cannot be
    recognized again: received time and random bits. A message id without a time is looked up
    in `receipt` before this is used (`ingest.receipts`).
    """
    if record.client_ms is None and record.message_id is None:
        return uuid7_shaped(to_ms(record.received_at), secrets.token_bytes(10))
    milliseconds = to_ms(record.received_at) if record.client_ms is None else record.client_ms
    return uuid7_shaped(milliseconds, _digest(record, actor_key, 10))


def receipt_key(record: Record, actor_key: UUID) -> UUID:
    """Return the key under which a message id without a usable time is remembered."""
    return UUID(bytes=_digest(record, actor_key, 16))


def _digest(record: Record, actor_key: UUID, size: int) -> bytes:
    """Digest what makes two messages the same. The actor key already contains the organization."""
    if record.message_id is not None:
        said = b"m" + record.message_id.encode()
    else:
        said = b"c" + record.ordinal.to_bytes(4, "big") + record.content
    return blake2b(actor_key.bytes + said, digest_size=size).digest()
