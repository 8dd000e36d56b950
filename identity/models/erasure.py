"""Somebody asked to be forgotten: how far it is, and the certificate."""

from __future__ import annotations

from django.db import models

from keystone.ids import new_id


class Erasure(models.Model):
    """One person erased everywhere. Holds digests and counts, nothing of the person."""

    class Status(models.TextChoices):
        """Accepted, under way, done."""

        ENQUEUED = "enqueued"
        RUNNING = "running"
        COMPLETED = "completed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    #: The identifier by which the person was named, as its key.
    identifier_key = models.UUIDField()
    profile_id = models.UUIDField()
    status = models.CharField(max_length=9, choices=Status, default=Status.ENQUEUED)
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    #: The transaction that set the tombstones: what began before it may still write.
    barrier = models.BigIntegerField(null=True)
    #: By place, how many rows were erased: the certificate.
    counts = models.JSONField(default=dict)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField()

    class Meta:
        db_table = "erasure"
        indexes = [
            models.Index(fields=["organization_id", "id"], name="erasure_by_org"),
            models.Index(
                fields=["next_attempt_at"],
                name="erasure_open",
                condition=models.Q(finished_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"erasure {self.id}"
