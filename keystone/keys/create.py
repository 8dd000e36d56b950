"""Make a key for an organization: the only moment at which its raw form exists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from keystone.keys.format import PREFIXES, digest, new_key
from keystone.keys.origins import normal_domain
from keystone.models import ApiKey, Organization

#: What a key may be allowed (keystone.md §1). Closed.
SCOPES = ("ingest", "viewer", "editor", "admin")

# A public key stands in a page: a tracker only writes, CROW's may also read. Nobody may change
# or erase people with what everybody can copy from the page's source.
_SCOPES_OF_PUBLIC_KEYS = {"tracker": {"ingest"}, "crow": {"ingest", "viewer"}}


class KeyRefused(ValueError):
    """A key that must not be made: which field is wrong, and why."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message
        super().__init__(message)


def create_key(
    *,
    organization: Organization,
    name: str,
    kind: str,
    scopes: Sequence[str],
    allowed_domains: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Store a new key and return it with its raw form, which cannot be had again.

    Raises `KeyRefused` for an empty name, an unknown kind, scopes that are not in `SCOPES` or
    too much for a public key, a domain that is no origin, an expiry without a time zone.
    """
    _check(name, kind, expires_at)
    raw = new_key(kind)
    key = ApiKey.objects.create(
        organization=organization,
        name=name.strip(),
        kind=kind,
        scopes=_checked_scopes(kind, scopes),
        allowed_domains=_checked_domains(allowed_domains),
        digest=digest(raw),
        first8=raw[:8],
        last4=raw[-4:],
        expires_at=expires_at,
    )
    return key, raw


def _check(name: str, kind: str, expires_at: datetime | None) -> None:
    if not 1 <= len(name.strip()) <= 200:
        raise KeyRefused("name", "A key needs a name of 1 to 200 characters.")
    if kind not in PREFIXES:
        raise KeyRefused("kind", f"{kind!r} is no kind of key: {', '.join(PREFIXES)}.")
    if expires_at is not None and expires_at.tzinfo is None:
        raise KeyRefused("expires_at", "The expiry needs a time zone, as in 2030-01-31T00:00Z.")


def _checked_scopes(kind: str, scopes: Sequence[str]) -> list[str]:
    chosen = list(dict.fromkeys(scopes))
    unknown = sorted(set(chosen) - set(SCOPES))
    if not chosen or unknown:
        wrong = f"Unknown scope {', '.join(unknown)}." if unknown else "A key needs a scope."
        raise KeyRefused("scopes", f"{wrong} There are: {', '.join(SCOPES)}.")
    too_much = sorted(set(chosen) - _SCOPES_OF_PUBLIC_KEYS.get(kind, set(SCOPES)))
    if too_much:
        raise KeyRefused("scopes", f"A public {kind} key cannot have {', '.join(too_much)}.")
    return chosen


def _checked_domains(domains: Sequence[str]) -> list[str]:
    normal = {text: normal_domain(text.strip()) for text in domains}
    wrong = [text for text, domain in normal.items() if domain is None]
    if wrong:
        raise KeyRefused(
            "allowed_domains",
            f"{wrong[0]!r} is no origin: write https://shop.example, with the port if it is not "
            "the usual one, names in their xn-- form, no path; or http://localhost:*.",
        )
    return [domain for domain in dict.fromkeys(normal.values()) if domain is not None]
