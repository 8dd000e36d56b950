"""Celery's door to erasures: the task may run twice, or twice at once, and is then as good as once."""

from __future__ import annotations

import logging
import threading

from celery import shared_task
from kombu.exceptions import OperationalError

from keystone.people import erasure

logger = logging.getLogger(__name__)

#: A bell that is not heard in time is as good as the next one (`keystone.celery`).
SECONDS = 30


@shared_task
def erase_person() -> None:
    """Go on with the erasures that are due: the rows of `erasure` say which."""
    erasure.work_through()


def ring() -> None:
    """Have due erasures seen to now; never waits, not even for Redis. Call it after the commit."""
    threading.Thread(target=_ring, name="ring", daemon=True).start()


def _ring() -> None:
    try:
        erase_person.apply_async(retry=False, expires=SECONDS)
    except OperationalError:
        logger.info("Redis is away; the next sweep sees to it")
