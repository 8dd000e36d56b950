"""A storm of first logins: fresh cookies that turn out to be a few people, or many.

Runs as a process of its own, beside another like it: `python -m tests.bench.storm KEY PEOPLE COUNT`.
Makes the shadows, says `ready`, waits for a line, merges, and tells what it did as JSON.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import sys
import time
from collections.abc import Iterator, Sequence

import django

BATCH = 500


def storm(raw_key: str, people: int, count: int) -> dict[str, float]:
    """Merge so many shadows into so many anchors, in batches; seconds are of the merges alone."""
    from ingest.isolation import process_isolated  # noqa: PLC0415 - Django is set up by now
    from keystone import clock, scheduling  # noqa: PLC0415

    scheduling.with_little_garbage_collection()
    run = secrets.token_hex(4)
    for records in _batches(raw_key, count, lambda number: {"anonymous_id": f"{run}-{number}"}):
        process_isolated(records, clock.now())
    rng = random.Random(run)
    logins = list(
        _batches(
            raw_key,
            count,
            lambda number: {
                "anonymous_id": f"{run}-{number}",
                "identity": f"storm-{people}-{rng.randrange(people)}@example.com",
            },
        )
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started = time.perf_counter()
    outcomes = [each for records in logins for each in process_isolated(records, clock.now())]
    seconds = time.perf_counter() - started
    merged = sum(len(getattr(each, "merged_profile_ids", ())) for each in outcomes)
    stored = sum(getattr(each, "status", "") == "stored" for each in outcomes)
    return {"merges": merged, "stored": stored, "seconds": seconds}


def _batches(raw_key: str, count: int, who) -> Iterator[Sequence]:
    from ingest.dialects import cdp  # noqa: PLC0415
    from keystone import clock  # noqa: PLC0415
    from keystone.keys.format import digest  # noqa: PLC0415
    from keystone.keys.ring import load_keys  # noqa: PLC0415

    source = load_keys([digest(raw_key)])[digest(raw_key)].source
    for start in range(0, count, BATCH):
        now = clock.now()
        records = []
        for number in range(start, min(start + BATCH, count)):
            item = {
                "event_type": "track",
                "event_name": "Seen",
                "message_id": secrets.token_hex(8),
                "timestamp": clock.to_ms(now),
                **who(number),
            }
            body = json.dumps(item).encode()
            records += cdp.parse(body, source=source, door="bench", received_at=now).items
        yield records


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.settings")
    django.setup()
    key, people, count = sys.argv[1:]
    sys.stdout.write(json.dumps(storm(key, int(people), int(count))) + "\n")
