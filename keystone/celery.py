"""The worker's door: which tasks run when. Rows say what is to do; Redis only rings the bell."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keystone.settings")

app = Celery("keystone")
app.set_default()  # for every thread, whatever was imported first: who rings is not the main one
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "add-event-partitions": {"task": "ingest.tasks.add_event_partitions", "schedule": 3_600.0},
    "roll-up-tally": {"task": "ingest.tasks.roll_up_tally", "schedule": 300.0},
    # Sweeps up what nobody rang for; one that is not heard in time is as good as the next.
    "collapse-profiles": {
        "task": "identity.tasks.collapse_profiles",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "erase-person": {
        "task": "keystone.people.tasks.erase_person",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "update-order-lifecycle": {
        "task": "orders.tasks.update_order_lifecycle",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
}
