"""Celery's door to what is still to be done to profiles; a task may run twice, or twice at once."""

from __future__ import annotations

import logging
import threading

from celery import shared_task
from kombu.exceptions import OperationalError

from identity.perform import work_through

logger = logging.getLogger(__name__)

#: How long one run goes on: less than from sweep to sweep (`keystone.celery`), so that however
#: much there is to do, sweeps do not take up one worker process after the other.
RUN_SECONDS = 4
#: A bell that is not heard in time is as good as the next sweep.
RING_SECONDS = 30


@shared_task
def collapse_profiles() -> None:
    """Carry out merges, undos and re-folds that are due: the rows of `profile_work` say which."""
    work_through(RUN_SECONDS)


def ring() -> None:
    """Have due rows seen to now, not at the next sweep; never waits, not even for Redis.

    Call it after the commit. Whether it is heard matters little: the rows are the truth.
    """
    if _ringing.acquire(blocking=False):
        threading.Thread(target=_ring, name="ring", daemon=True).start()


def _ring() -> None:
    try:
        collapse_profiles.apply_async(retry=False, expires=RING_SECONDS)
    except OperationalError:
        logger.info("Redis is away; the next sweep sees to it")
    finally:
        _ringing.release()


#: At most one thread waits for a Redis that is away.
_ringing = threading.Lock()
