"""Celery's door to orders: the task may run twice, or twice at once, and is then as good as once."""

from __future__ import annotations

from celery import shared_task

from keystone import clock
from orders import abandonment


@shared_task
def update_order_lifecycle() -> None:
    """Bring stale orders in line, then mark what was abandoned."""
    abandonment.refold_stale()
    abandonment.abandon(clock.now())
