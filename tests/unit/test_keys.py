"""Keys: their format, the origins they are for, and the map every process keeps of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from uuid import uuid4

import pytest

from keystone import clock
from keystone.api import Unavailable
from keystone.keys.format import PREFIXES, digest, is_well_formed, kind_of, new_key
from keystone.keys.origins import is_allowed, normal_domain
from keystone.keys.ring import Entry, KeyRing
from keystone.source import Source

SOURCE = Source(
    key_id=uuid4(),
    organization_id=uuid4(),
    organization_secret=b"s" * 32,
    scopes=frozenset({"ingest"}),
    public=True,
)
KEY, OTHER = "ks_w_0000000000000000000000002OX928", new_key("tracker")


class Store:
    """What a ring loads from: keys, and how often they were asked for."""

    def __init__(self, *raw: str) -> None:
        self.keys = {digest(each): Entry(SOURCE, None) for each in raw}
        self.fault: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self.loads = 0

    def __call__(self, digests: Sequence[bytes] | None) -> Mapping[bytes, Entry]:
        self.loads += 1
        self.open.wait()
        if self.fault is not None:
            raise self.fault
        wanted = self.keys if digests is None else digests
        return {each: self.keys[each] for each in wanted if each in self.keys}


def found(ring: KeyRing, raw: str) -> bool:
    try:
        return ring.find(raw, clock.now()) is SOURCE
    except Unavailable:
        return False


def seconds_of(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 3
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_new_key_is_well_formed_and_tells_its_kind(kind: str) -> None:
    raw = new_key(kind)
    assert (is_well_formed(raw), kind_of(raw), len(raw)) == (True, kind, 35)


def test_any_changed_character_is_noticed_without_a_look_up() -> None:
    for at in range(len(KEY)):
        changed = KEY[:at] + ("x" if KEY[at] != "x" else "y") + KEY[at + 1 :]
        assert not is_well_formed(changed)


@pytest.mark.parametrize(
    "garbage", ["", "ks_w_", KEY + "0", KEY + "\n", "ks_w_" + "é" * 30, "\x00"]
)
def test_garbage_is_no_key(garbage: str) -> None:
    store = Store()
    assert not is_well_formed(garbage)
    assert KeyRing(store).find(garbage, clock.now()) is None
    assert store.loads == 0


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example", True),
        ("https://SHOP.example:443", True),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://www.shop.example", False),
        ("https://shop.example.evil.example", False),
        ("https://shop.example@evil.example", False),
        ("https://shop.example/", False),
        ("null", False),
        ("", False),
        ("http://localhost", True),
        ("http://localhost:5173", True),
        ("https://localhost:5173", False),
        ("http://localhost.evil.example:80", False),
        ("http://127.0.0.1:5173", False),
    ],
)
def test_an_origin_is_compared_exactly(origin: str, *, allowed: bool) -> None:
    domains = {"https://shop.example", "http://localhost:*"}
    assert is_allowed(origin, domains) is allowed


@pytest.mark.parametrize("text", ["shop.example", "https://", "*", "https://*.example", "null"])
def test_what_is_no_origin_cannot_stand_in_a_list(text: str) -> None:
    assert normal_domain(text) is None


def test_a_known_key_is_found_without_asking_again() -> None:
    store = Store(KEY)
    ring = KeyRing(store)
    assert all(ring.find(KEY, clock.now()) is SOURCE for _ in range(100))
    assert store.loads == 1


def test_a_key_made_a_moment_ago_works_at_once() -> None:
    store = Store()
    ring = KeyRing(store)
    assert ring.find(OTHER, clock.now()) is None
    store.keys[digest(KEY)] = Entry(SOURCE, None)
    assert seconds_of(lambda: ring.find(KEY, clock.now())) < 0.5
    assert ring.find(KEY, clock.now()) is SOURCE


def test_a_key_seen_before_it_was_committed_works_after_the_next_refresh() -> None:
    store = Store()
    ring = KeyRing(store, refresh_seconds=0.3)
    assert ring.find(KEY, clock.now()) is None
    store.keys[digest(KEY)] = Entry(SOURCE, None)
    assert eventually(lambda: ring.find(KEY, clock.now()) is SOURCE)


def test_a_revoked_key_is_gone_after_the_next_refresh() -> None:
    store = Store(KEY)
    ring = KeyRing(store, refresh_seconds=0.3)
    assert ring.find(KEY, clock.now()) is SOURCE
    store.keys.clear()
    assert eventually(lambda: ring.find(KEY, clock.now()) is None)


def test_a_revoked_key_that_a_busy_page_goes_on_sending_asks_once() -> None:
    store = Store()
    ring = KeyRing(store)
    assert {ring.find(KEY, clock.now()) for _ in range(100)} == {None}
    assert store.loads <= 2


def test_an_expired_key_is_not_found() -> None:
    now = clock.now()
    store = Store()
    store.keys[digest(KEY)] = Entry(SOURCE, now)
    ring = KeyRing(store)
    assert ring.find(KEY, now) is None
    assert ring.find(KEY, now - timedelta(seconds=1)) is SOURCE


def test_forged_keys_cannot_hammer_the_database() -> None:
    store = Store()
    ring = KeyRing(store)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        ring.find(new_key("tracker"), clock.now())
    assert store.loads <= 7


def test_a_flood_of_forged_keys_holds_few_threads() -> None:
    store = Store(KEY)
    ring = KeyRing(store)
    ring.find(KEY, clock.now())
    store.open.clear()
    forgers = [threading.Thread(target=found, args=[ring, new_key("crow")]) for _ in range(9)]
    for each in forgers:
        each.start()
        time.sleep(0.04)  # the refresher is held by the first, eight wait
    assert seconds_of(lambda: found(ring, OTHER)) < 0.05
    store.open.set()
    for each in forgers:
        each.join()


def test_an_outage_keeps_the_old_keys() -> None:
    store = Store(KEY)
    ring = KeyRing(store, refresh_seconds=0.1)
    ring.find(KEY, clock.now())
    store.fault = OSError("away")
    loads = store.loads
    assert eventually(lambda: store.loads > loads)
    assert ring.find(KEY, clock.now()) is SOURCE


def test_an_unknown_key_in_an_outage_may_exist_and_is_asked_to_come_again() -> None:
    store = Store(KEY)
    ring = KeyRing(store)
    ring.find(KEY, clock.now())
    store.fault = OSError("away")
    with pytest.raises(Unavailable):
        ring.find(OTHER, clock.now())


def test_a_ring_that_was_never_loaded_says_unavailable() -> None:
    store = Store(KEY)
    store.fault = OSError("away")
    with pytest.raises(Unavailable):
        KeyRing(store).find(KEY, clock.now())


@pytest.mark.parametrize("fault", [OSError("away"), RuntimeError("can't start new thread")])
def test_the_refresher_outlives_every_fault(fault: Exception) -> None:
    store = Store(KEY)
    store.fault = fault
    ring = KeyRing(store)
    with pytest.raises(Unavailable):
        ring.find(KEY, clock.now())
    store.fault = None
    assert eventually(lambda: found(ring, KEY))


def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    store.fault = OSError("away")
    ring = KeyRing(store)
    for _ in range(3):
        with pytest.raises(Unavailable):
            ring.find(KEY, clock.now())
    assert len(caplog.records) == 1


def test_a_database_that_hangs_holds_no_request_longer_than_half_a_second() -> None:
    store = Store(KEY)
    ring = KeyRing(store)
    ring.find(KEY, clock.now())
    store.open.clear()
    try:
        with pytest.raises(Unavailable):
            assert seconds_of(lambda: ring.find(OTHER, clock.now())) < 0.6
        assert seconds_of(lambda: ring.find(KEY, clock.now())) < 0.01
    finally:
        store.open.set()


def test_a_forked_process_has_a_refresher_of_its_own() -> None:
    store = Store(KEY)
    ring = KeyRing(store)
    ring.find(KEY, clock.now())
    thread = ring._thread
    ring.forget()  # what `os.register_at_fork` calls in the child
    assert ring.find(KEY, clock.now()) is SOURCE
    assert ring._thread is not thread


def test_a_known_key_costs_a_few_microseconds() -> None:
    ring = KeyRing(Store(KEY))
    now = clock.now()
    ring.find(KEY, now)
    best = min(seconds_of(lambda: [ring.find(KEY, now) for _ in range(1_000)]) for _ in range(5))
    assert best / 1_000 < 20e-6
