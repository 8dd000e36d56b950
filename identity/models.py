"""Identifiers point at profiles; facts point at identifiers, so a merge rewrites no history."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from identity import identifiers
from keystone.ids import new_id


class Profile(models.Model):
    """One person as we know them."""

    class Kind(models.TextChoices):
        """A shadow has only anonymous ids; an anchor has at least one explicit identity."""

        SHADOW = "shadow"
        ANCHOR = "anchor"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    kind = models.CharField(max_length=6, choices=Kind)
    attributes = models.JSONField(default=dict)
    #: Per top-level attribute the sort key of the last operation that mentioned it
    #: (`identity.attributes.sort_key`), so that newer operations apply without reading history.
    mentioned = models.JSONField(default=dict)
    #: Counts writes of `attributes`; a writer who read an older version has lost its race.
    version = models.IntegerField(default=0)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    #: Always the root: chains are flattened when a winner itself is merged.
    merged_into = models.UUIDField(null=True)

    class Meta:
        db_table = "profile"
        indexes = [
            # The admin's list of one organization's people, newest first.
            models.Index(fields=["organization_id", "id"], name="profile_by_org"),
            # `merged_from` of a profile, and the flattening of chains.
            models.Index(
                fields=["merged_into"],
                name="profile_merged_into",
                condition=models.Q(merged_into__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Identifier(models.Model):
    """Names a person or device. `key` digests (kind, normalized value) with the org's secret."""

    class Kind(models.TextChoices):
        """Strongest first (DESIGN §4)."""

        CRM_ID = identifiers.CRM_ID
        EMAIL = identifiers.EMAIL
        PHONE = identifiers.PHONE
        ANONYMOUS_ID = identifiers.ANONYMOUS_ID
        SESSION = identifiers.SESSION

    class Status(models.TextChoices):
        """A quarantined device keeps its events but stops merging people."""

        ACTIVE = "active"
        QUARANTINED = "quarantined"

    key = models.UUIDField(primary_key=True, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    kind = models.CharField(max_length=12, choices=Kind)
    value = models.CharField(max_length=255)
    # No constraint: re-pointing thousands of rows must not lock their profiles.
    profile = models.ForeignKey(
        Profile, on_delete=models.DO_NOTHING, db_constraint=False, related_name="identifiers"
    )
    source_id = models.UUIDField()  # the key that first said it
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()  # to the minute: `identity.resolve.touch`
    status = models.CharField(max_length=11, choices=Status, default=Status.ACTIVE)

    class Meta:
        db_table = "identifier"
        indexes = [
            # The admin's list of one organization's identifiers.
            models.Index(fields=["organization_id", "key"], name="identifier_by_org"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


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


class Merge(models.Model):
    """One profile became part of another: what moved, why, and what the attributes were."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    winner_id = models.UUIDField()
    loser_id = models.UUIDField()
    #: Keys of the identifiers that moved.
    identifiers = ArrayField(models.UUIDField())
    event_id = models.UUIDField(null=True)
    rule = models.CharField(max_length=40)
    #: {"winner": {…}, "loser": {…}}
    attributes_before = models.JSONField()
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=200, default="")

    class Meta:
        db_table = "merge"
        indexes = [
            models.Index(fields=["winner_id", "id"], name="merge_by_winner"),
            models.Index(fields=["loser_id", "id"], name="merge_by_loser"),
            models.Index(fields=["organization_id", "id"], name="merge_by_org"),
        ]

    def __str__(self) -> str:
        return f"{self.loser_id} into {self.winner_id}"
