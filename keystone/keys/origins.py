"""Pure: which web pages a key may be used from, by exact scheme, host and port (keystone.md §1)."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

#: In a key's list: any port, on this host only.
ANY_LOCALHOST = "http://localhost:*"

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def normal_origin(text: str) -> str | None:
    """Write an origin as browsers do: lower case, no default port; None for what is no origin.

    >>> normal_origin("HTTPS://Shop.Example:443"), normal_origin("http://[::1]:8000")
    ('https://shop.example', 'http://[::1]:8000')
    >>> normal_origin("null"), normal_origin("shop.example"), normal_origin("https://a.example/x")
    (None, None, None)
    """
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        return None
    scheme, host, port = match["scheme"], match["host"], match["port"]
    bare = f"{scheme}://{host}"
    return bare if port is None or port == _DEFAULT_PORTS.get(scheme) else f"{bare}:{port}"


def normal_domain(text: str) -> str | None:
    """Write one entry of a key's `allowed_domains`: an origin, or `http://localhost:*`.

    >>> normal_domain("http://LOCALHOST:*"), normal_domain("https://shop.example:*")
    ('http://localhost:*', None)
    """
    return ANY_LOCALHOST if text.lower() == ANY_LOCALHOST else normal_origin(text)


def is_allowed(origin: str, allowed: AbstractSet[str]) -> bool:
    """Compare an `Origin` header with a key's list of normal forms; an empty list allows any.

    >>> is_allowed("https://shop.example:443", {"https://shop.example"})
    True
    >>> is_allowed("https://shop.example.evil.example", {"https://shop.example"})
    False
    >>> is_allowed("null", {"https://shop.example"}), is_allowed("null", set())
    (False, True)
    >>> is_allowed("http://localhost:5173", {ANY_LOCALHOST})
    True
    """
    if not allowed or origin in allowed:
        return True
    normal = normal_origin(origin)
    return normal is not None and (normal in allowed or _any_localhost(normal, allowed))


def _any_localhost(origin: str, allowed: AbstractSet[str]) -> bool:
    local = origin == "http://localhost" or origin.startswith("http://localhost:")
    return local and ANY_LOCALHOST in allowed
