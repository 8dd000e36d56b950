"""Every process's own map from key to source: a known key costs a hash, never a query.

Request threads never touch the database: one daemon thread per process refreshes the map, so a
PostgreSQL that is away or hangs stops that thread only. While it is away the old map holds.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from keystone.api import Unavailable
from keystone.deadline import deadline
from keystone.keys.format import KEY_LENGTH, PUBLIC_KINDS, digest, is_well_formed
from keystone.keys.origins import normal_domain
from keystone.models import ApiKey
from keystone.source import Source

logger = logging.getLogger(__name__)

#: A revoked key is gone from every process after this and a little (promised: 10 s).
REFRESH_SECONDS = 5.0
RETRY_SECONDS = 1.0
#: An unknown key is looked up at once, but forged ones must not hammer PostgreSQL …
EARLY_GAP_SECONDS = 0.2
#: … nor hold many request threads: further unknown keys are answered "come again" at once.
AWAITED_MAX = 8
ASK_SECONDS = 1.0
UNKNOWN_MAX = 10_000


class Entry(NamedTuple):
    """What the ring knows of a key that is not revoked."""

    source: Source
    expires_at: datetime | None


Load = Callable[[Sequence[bytes] | None], Mapping[bytes, Entry]]


def load_keys(digests: Sequence[bytes] | None) -> dict[bytes, Entry]:
    """Read the keys with these digests (None: all) that are not revoked, in at most 2 s."""
    keys = ApiKey.objects.filter(revoked_at=None).select_related("organization")
    with deadline(2.0):
        found = keys if digests is None else keys.filter(digest__in=digests)
        return {bytes(key.digest): _entry(key) for key in found}


def _entry(key: ApiKey) -> Entry:
    domains = (normal_domain(text) or text for text in key.allowed_domains)
    source = Source(
        key_id=key.id,
        organization_id=key.organization_id,
        organization_secret=bytes(key.organization.secret),
        scopes=frozenset(key.scopes),
        public=key.kind in PUBLIC_KINDS,
        allowed_domains=frozenset(domains),
    )
    return Entry(source, key.expires_at)


class KeyRing:
    """The map and the thread that keeps it. One per process: `ring`."""

    def __init__(self, load: Load = load_keys, refresh_seconds: float = REFRESH_SECONDS) -> None:
        self._load, self._refresh_seconds = load, refresh_seconds
        self.forget()

    def forget(self) -> None:
        """Start anew, as after a fork: locks, map and thread were the parent's."""
        self._entries: dict[bytes, Entry] | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._asked: set[bytes] = set()  # for the next refresh
        self._awaited: set[bytes] = set()  # by request threads
        #: Well-formed keys that a look-up did not find. The full refresh overrules it.
        self._unknown: set[bytes] = set()
        self._begun = self._ended = 0  # refreshes; look-ups of all keys and of asked ones alike
        self._answered = 0  # number of the last refresh that PostgreSQL answered
        self._failing = False

    def find(self, raw: str, now: datetime) -> Source | None:
        """Return who the key speaks for; None when malformed, unknown, revoked or expired.

        A well-formed key that is not in the map waits up to 0.5 s for a look-up begun after
        now. Raises `Unavailable` when PostgreSQL does not answer it: the key may well exist.
        """
        if len(raw) != KEY_LENGTH:
            return None
        wanted = digest(raw)
        entry = self._entries.get(wanted) if self._entries is not None else None
        if entry is None:
            entry = self._ask(wanted) if is_well_formed(raw) else None
        if entry is None or (entry.expires_at is not None and entry.expires_at <= now):
            return None
        return entry.source

    def _ask(self, wanted: bytes) -> Entry | None:
        if wanted in self._unknown:
            return None
        with self._changed:
            self._start()
            if self._entries is not None and len(self._awaited | {wanted}) > AWAITED_MAX:
                raise Unavailable
            self._asked.add(wanted)
            self._awaited.add(wanted)
            mine = self._begun + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended >= mine, ASK_SECONDS)
            self._awaited.discard(wanted)
            if self._answered < mine or self._entries is None:
                raise Unavailable
            return self._entries.get(wanted)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="key-ring", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        full_due = time.monotonic()
        while self._thread is threading.current_thread():
            full = self._entries is None or time.monotonic() >= full_due
            answered = self._refresh(full=full)
            if full:
                full_due = time.monotonic() + (self._refresh_seconds if answered else RETRY_SECONDS)
            time.sleep(EARLY_GAP_SECONDS)
            with self._changed:
                self._changed.wait_for(lambda: self._asked, full_due - time.monotonic())
        connection.close()

    def _refresh(self, *, full: bool) -> bool:
        with self._changed:
            asked, self._asked = self._asked, set()
            self._begun += 1
        found = self._try_load(None if full else sorted(asked))
        with self._changed:
            if found is not None:
                self._answered = self._begun
                self._keep(found, asked, full=full)
            self._ended = self._begun
            self._changed.notify_all()
        return found is not None

    def _keep(self, found: Mapping[bytes, Entry], asked: set[bytes], *, full: bool) -> None:
        old = {} if full or self._entries is None else self._entries
        self._entries = {**old, **found}
        self._unknown = set() if len(self._unknown) > UNKNOWN_MAX else self._unknown
        self._unknown |= asked - self._entries.keys()

    def _try_load(self, digests: Sequence[bytes] | None) -> Mapping[bytes, Entry] | None:
        had_connection = connection.connection is not None
        try:
            found = self._load(digests)
        except Exception as error:  # noqa: BLE001 - whatever it is, revoking must work afterwards
            connection.close()
            if had_connection:  # only that may be gone: PostgreSQL has started anew meanwhile
                return self._try_load(digests)
            # Said once an outage, not every second of it.
            if not self._failing:
                words = " ".join(str(error).split())
                logger.warning("keys cannot be refreshed, the old ones hold: %s", words)
            self._failing = True
            return None
        self._failing = False
        return found


ring = KeyRing()
os.register_at_fork(after_in_child=ring.forget)
