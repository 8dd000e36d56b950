"""What came in: events, the memory of message ids without a time, failures, the tally."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from keystone.ids import new_id


class Event(models.Model):
    """The stored thing. Range-partitioned by `id` by month; the SQL is in migrations/sql.

    The primary key in PostgreSQL is (id, actor_key); Django is told of `id`, which is unique
    by itself (`ingest.event_id`) and which the admin can hold.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    actor_key = models.UUIDField()  # the identifier that the message itself carried
    organization_id = models.UUIDField(db_column="org_id")
    session_id = models.UUIDField(null=True)  # row id of the session
    dialect = models.TextField()
    source_id = models.UUIDField()
    kind = models.TextField()
    type = models.TextField()
    name = models.TextField()
    url = models.TextField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    context = models.JSONField()
    payload = models.JSONField()

    class Meta:
        db_table = "event"
        managed = False

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


class Receipt(models.Model):
    """Remembers a message id that came without a usable time (DESIGN §4)."""

    key = models.UUIDField(primary_key=True)  # digest(organization, actor key, message id)
    event_id = models.UUIDField()
    actor_key = models.UUIDField()
    received_at = models.DateTimeField()

    class Meta:
        db_table = "receipt"

    def __str__(self) -> str:
        return str(self.key)


class FailedEvent(models.Model):
    """A record that PostgreSQL or our own code refuses, kept with its reason until it is retried."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    source_id = models.UUIDField()
    door = models.TextField()
    code = models.TextField()
    message = models.TextField()
    raw = models.BinaryField()
    #: Whom it names: keys of all its identifiers, the actor's first, and of the addresses among its
    #: attributes. By these it is found when somebody is to be forgotten.
    actor_keys = ArrayField(models.UUIDField(), default=list)
    #: Same event, same row: a client that sends it again does not fill the inbox.
    event_id = models.UUIDField(unique=True)
    attempts = models.IntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "failed_event"
        indexes = [
            models.Index(fields=["organization_id", "id"], name="failed_event_by_org"),
            # Erasure.
            GinIndex(fields=["actor_keys"], name="failed_event_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.code} at {self.door}"


class Tally(models.Model):
    """How many records of a key and door ended how, in one hour.

    A flush appends a row for each group; `roll_up_tally` adds them up. A row that every
    transaction updates would serialize them all.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    source_id = models.UUIDField()
    door = models.TextField()
    hour = models.DateTimeField()
    outcome = models.TextField()  # stored, duplicate, failed, dropped:<reason>
    count = models.BigIntegerField()
    rolled_up = models.BooleanField(default=False)

    class Meta:
        db_table = "tally"
        verbose_name_plural = "tally"
        indexes = [models.Index(fields=["organization_id", "hour"], name="tally_by_hour")]

    def __str__(self) -> str:
        return f"{self.count} {self.outcome}"
