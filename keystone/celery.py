"""The worker's door: which tasks run when. Rows say what is to do; Redis only rings the bell."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keystone.settings")

app = Celery("keystone")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "add-event-partitions": {"task": "ingest.tasks.add_event_partitions", "schedule": 3_600.0},
    "roll-up-tally": {"task": "ingest.tasks.roll_up_tally", "schedule": 300.0},
}
