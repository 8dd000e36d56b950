"""Pure: when it happened, by the client's clock and by ours (DESIGN §5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from keystone.clock import to_ms

MINUTE, DAY = 60_000, 86_400_000
#: A smaller number is seconds: 1e11 s is the year 5138, 1e11 ms is 1973.
SECONDS_BELOW = 100_000_000_000
#: 2000-01-01: a clock before it was never set, so its times do not tell messages apart.
CLOCK_WAS_SET_MS = 946_684_800_000
#: 2101-01-01: PostgreSQL takes years that Python can never read again.
END_OF_TIME_MS = 4_133_980_800_000

_NUMBER = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]{1,20})?")


class EventTime(msgspec.Struct, frozen=True, gc=False):
    """When something happened, in epoch ms."""

    #: The client's raw clock, where it tells messages apart.
    client_ms: int | None
    occurred_ms: int
    #: The client's raw clock, where it does not and the event shows another time.
    replaced_ms: int | None = None


def read_time(value: str | float | None) -> int | None:
    """Return epoch ms of an ISO-8601 text or an epoch number (s if < 1e11); None if empty.

    No zone means UTC. Raise ValueError for anything else, and outside 1970–2100.

    >>> read_time("2026-11-21T10:00:00.123456789+02:00") == read_time("1795248000.123")
    True
    >>> read_time(1795248000123) - read_time("2026-11-21T08:00:00")
    123
    """
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "":
        return None
    ms = _epoch_ms(value)
    if not 0 <= ms < END_OF_TIME_MS:
        raise ValueError("a year outside 1970–2100")
    return ms


def event_time(client_ms: int | None, sent_ms: int | None, received_ms: int) -> EventTime:
    """Correct the client's clock where it is off by more than five minutes.

    1. skew = received - sent, rounded to whole minutes so that network jitter never reorders
       one device's events.
    2. What still lies more than 24 h ahead of us (or before 1970) happened when we received it.
    3. A raw clock before 2000 or more than 24 h ahead of us cannot tell messages apart.

    >>> noon = 1_795_262_400_000
    >>> event_time(noon - 3_610_000, noon - 3_600_000, noon).occurred_ms - noon
    -10000
    >>> event_time(noon + 2 * DAY, None, noon)
    EventTime(client_ms=None, occurred_ms=1795262400000, replaced_ms=1795435200000)
    """
    if client_ms is None:
        return EventTime(None, received_ms)
    skew = 0 if sent_ms is None else received_ms - sent_ms
    occurred_ms, latest = client_ms, received_ms + DAY
    if abs(skew) > 5 * MINUTE:
        occurred_ms += (skew + MINUTE // 2) // MINUTE * MINUTE
    if not 0 <= occurred_ms <= latest:
        occurred_ms = received_ms
    if CLOCK_WAS_SET_MS <= client_ms <= latest:
        return EventTime(client_ms, occurred_ms)
    return EventTime(None, occurred_ms, None if occurred_ms == client_ms else client_ms)


def _epoch_ms(value: str | float) -> int:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return _iso_ms(value)
        value = float(value) if "." in value else int(value)
    if not -1e15 < value < 1e15:  # NaN too
        raise ValueError("a year outside 1970–2100")
    return round(value * 1000) if abs(value) < SECONDS_BELOW else round(value)


def _iso_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError("neither ISO-8601 nor an epoch number") from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
