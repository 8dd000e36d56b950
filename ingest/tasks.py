"""Celery's door: each task may run twice, or twice at once, and is then as good as once."""

from __future__ import annotations

from celery import shared_task

from ingest import partitions, rollup
from keystone import clock


@shared_task
def add_event_partitions() -> None:
    """Keep this month and the next two ahead of the events, and give backfills their months."""
    now = clock.now()
    partitions.add_ahead(now)
    partitions.add_waiting(now)


@shared_task
def roll_up_tally() -> None:
    """Add the tally's settled rows up."""
    rollup.roll_up(clock.now())
