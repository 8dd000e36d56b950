"""What was said of people, and what became of their attributes."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from keystone.ids import new_id


class AttributeOp(models.Model):
    """What one event said of its person, as received. A person's attributes are the fold of these.

    Append-only; outlives event partitions (DESIGN §4).
    """

    pk = models.CompositePrimaryKey("actor_key", "event_id")
    actor_key = models.UUIDField()
    event_id = models.UUIDField()
    organization_id = models.UUIDField(db_column="org_id")
    #: (occurred_at, client_ms, strength, event_id) is the order of the fold.
    occurred_at = models.DateTimeField()
    client_ms = models.BigIntegerField()
    strength = models.SmallIntegerField()
    patch = models.JSONField()

    class Meta:
        db_table = "attribute_op"

    def __str__(self) -> str:
        return str(self.event_id)


class AttributeChange(models.Model):
    """Lineage: one leaf of a profile's attributes changed, from, to, by which event."""

    class Op(models.TextChoices):
        """A null that replaces a value is a change; a removed key is a remove."""

        ADD = "add"
        CHANGE = "change"
        REMOVE = "remove"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    profile_id = models.UUIDField()
    path = ArrayField(models.TextField())
    op = models.CharField(max_length=6, choices=Op)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    event_id = models.UUIDField(null=True)
    source_id = models.UUIDField(null=True)
    merge_id = models.UUIDField(null=True)

    class Meta:
        db_table = "attribute_change"
        indexes = [
            # A profile's lineage, newest first.
            models.Index(fields=["profile_id", "id"], name="attribute_change_by_profile"),
            # The admin's list of one organization's lineage.
            models.Index(fields=["organization_id", "id"], name="attribute_change_by_org"),
        ]

    def __str__(self) -> str:
        return f"{self.op} {'.'.join(self.path)}"
