from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event_time import DAY, MINUTE, EventTime, event_time, read_time
from keystone.clock import to_ms

NOON = to_ms(datetime(2026, 11, 21, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21t12:00:00z",
        "2026-11-21T12:00:00.0004Z",
        "2026-11-21T12:00:00.000000999Z",
        "2026-11-21T14:00:00+02:00",
        "2026-11-21T06:30:00-05:30",
        " 2026-11-21 12:00:00 ",
        "2026-11-21T12:00",
        "20261121T120000Z",
        NOON,
        NOON // 1000,
        float(NOON),
        NOON / 1000,
        str(NOON),
        str(NOON // 1000),
        f"{NOON // 1000}.000",
    ],
)
def test_a_time_is_read_however_it_is_written(value):
    assert read_time(value) == NOON


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2026-11-21T12:00:00.1Z", 100),
        ("2026-11-21T12:00:00.12Z", 120),
        ("2026-11-21T12:00:00.123456789Z", 123),
        (f"{NOON // 1000}.123", 123),
        (NOON / 1000 + 0.5, 500),
    ],
)
def test_fractions_of_a_second_are_kept_to_the_millisecond(value, ms):
    assert read_time(value) - NOON == ms


def test_a_number_is_seconds_below_1e11():
    assert read_time(99_999_999_999 // 25) == 99_999_999_999 // 25 * 1000
    assert read_time(100_000_000_000) == 100_000_000_000


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_an_empty_time_is_none(nothing):
    assert read_time(nothing) is None


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-13-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+010000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        -1,
        1e300,
        float("nan"),
        float("inf"),
        10**100,
        "9" * 5000,
        "\u0663\u0664",
        253_402_300_800_000,
    ],
)
def test_what_is_no_time_between_1970_and_2100_is_a_value_error(value):
    with pytest.raises(ValueError, match=r"year|ISO"):
        read_time(value)


@given(st.text() | st.floats() | st.integers())
def test_reading_a_time_raises_nothing_but_value_error(value):
    try:
        ms = read_time(value)
    except ValueError:
        return
    assert ms is None or 1970 <= datetime.fromtimestamp(ms / 1000, UTC).year <= 2100


def test_without_a_client_time_it_happened_when_we_received_it():
    assert event_time(None, NOON - DAY, NOON) == EventTime(None, NOON)


@pytest.mark.parametrize("skew", [0, 1, -1, 5 * MINUTE, -5 * MINUTE])
def test_a_clock_that_is_off_by_up_to_five_minutes_is_believed(skew):
    client = NOON - DAY
    assert event_time(client, NOON - skew, NOON) == EventTime(client, client)


@pytest.mark.parametrize("skew", [5 * MINUTE + 1, 2 * 60 * MINUTE, -3 * DAY, 400 * DAY])
def test_a_clock_that_is_off_by_more_is_corrected_by_whole_minutes(skew):
    client = NOON - skew - 10_000  # ten seconds before it was sent
    time = event_time(client, NOON - skew, NOON)
    assert abs(time.occurred_ms - (NOON - 10_000)) <= MINUTE // 2
    assert (time.occurred_ms - client) % MINUTE == 0


@given(st.integers(-300, 300), st.integers(-300, 300))
def test_network_jitter_never_reorders_one_devices_events(first_jitter, second_jitter):
    skew = 600 * MINUTE
    client = NOON - skew
    first = event_time(client - 2, client, NOON + first_jitter)
    second = event_time(client - 1, client, NOON + second_jitter)
    assert first.occurred_ms < second.occurred_ms


def test_a_day_ahead_is_believed_and_more_is_not():
    assert event_time(NOON + DAY, None, NOON) == EventTime(NOON + DAY, NOON + DAY)
    ahead = NOON + DAY + 1
    assert event_time(ahead, None, NOON) == EventTime(None, NOON, ahead)


def test_a_clock_far_ahead_is_corrected_yet_tells_no_messages_apart():
    ahead = NOON + 30 * DAY
    assert event_time(ahead - 5, ahead, NOON) == EventTime(None, NOON - 5, ahead - 5)


def test_before_2000_is_kept_as_the_time_but_tells_no_messages_apart():
    then = to_ms(datetime(1999, 12, 31, 23, 59, tzinfo=UTC))
    assert event_time(then, None, NOON) == EventTime(None, then)


def test_a_clock_that_was_never_set_is_corrected():
    assert event_time(MINUTE - 2_000, MINUTE, NOON).occurred_ms == NOON - 2_000


@given(st.none() | st.integers(0, 4_133_980_799_999), st.none() | st.integers(0, 4_133_980_799_999))
def test_no_event_lies_before_1970_or_more_than_a_day_ahead(client, sent):
    assert 0 <= event_time(client, sent, NOON).occurred_ms <= NOON + DAY
