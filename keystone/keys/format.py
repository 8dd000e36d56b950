"""Pure: what a raw key looks like, so that garbage is refused without a look-up (keystone.md §1).

A key is a prefix that tells its kind, 24 random base62 characters (143 bits), and the CRC-32 of
all that in 6 base62 characters. The checksum is no secret: it spares the database typing errors.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

#: Kind of key (`ApiKey.Kind`) → how its raw form begins.
PREFIXES = {"tracker": "ks_w_", "integration": "ks_s_", "crow": "crow_"}
#: Kinds that stand in a page's source for everybody to read.
PUBLIC_KINDS = frozenset({"tracker", "crow"})
#: Every prefix has five characters.
KEY_LENGTH = 5 + 24 + 6

_KINDS = {prefix: kind for kind, prefix in PREFIXES.items()}
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(r"(?:ks_w_|ks_s_|crow_)[0-9A-Za-z]{30}")


def new_key(kind: str) -> str:
    """Make a raw key of a kind in `PREFIXES`.

    >>> is_well_formed(new_key("tracker")), kind_of(new_key("integration"))
    (True, 'integration')
    """
    body = PREFIXES[kind] + "".join(secrets.choice(_ALPHABET) for _ in range(24))
    return body + _checksum(body)


def is_well_formed(raw: str) -> bool:
    """Say whether prefix, alphabet, length and checksum fit: garbage costs no look-up.

    >>> is_well_formed("ks_w_0000000000000000000000002OX928")
    True
    >>> is_well_formed("ks_w_0000000000000000000000012OX928"), is_well_formed("letmein")
    (False, False)
    """
    return _SHAPE.fullmatch(raw) is not None and _checksum(raw[:-6]) == raw[-6:]


def kind_of(raw: str) -> str | None:
    """Return the kind that a key's prefix claims, None for a text that is no key.

    >>> kind_of("crow_abc"), kind_of("password")
    ('crow', None)
    """
    return _KINDS.get(raw[:5])


def digest(raw: str) -> bytes:
    """Return the 32 bytes under which a key is stored and found.

    >>> digest("ks_w_").hex()[:8]
    'a695b9eb'
    """
    return hashlib.sha256(raw.encode(errors="replace")).digest()


def _checksum(body: str) -> str:
    """Return the CRC-32 of `body`, six base62 digits, most significant first.

    >>> _checksum("")
    '000000'
    """
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = _ALPHABET[digit] + digits
    return digits
