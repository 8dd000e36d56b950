"""Identifiers point at profiles; facts point at identifiers, so a merge rewrites no history."""

from __future__ import annotations

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
    #: Since when nothing is known any more, because somebody asked to be forgotten.
    erased_at = models.DateTimeField(null=True)

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
        """What is quarantined keeps its events but brings nobody together.

        An erased one has lost its value; its digest is the tombstone by which late events of
        the person are known (`identity.protect.suppressed`).
        """

        ACTIVE = "active"
        QUARANTINED = "quarantined"
        ERASED = "erased"

    key = models.UUIDField(primary_key=True, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    kind = models.CharField(max_length=12, choices=Kind)
    value = models.CharField(max_length=255)
    # No constraint: re-pointing thousands of rows must not lock their profiles.
    profile = models.ForeignKey(
        Profile,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="identifiers",
    )
    #: The profile it was first linked to. Where it is now follows from this and the merges in
    #: force, which is what makes undo exact.
    home_id = models.UUIDField()
    source_id = models.UUIDField()  # the key that first said it
    event_id = models.UUIDField(null=True)  # the event that did
    #: When it came to the profile that has it (our clock).
    linked_at = models.DateTimeField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()  # to the minute: `identity.seen.touch`
    status = models.CharField(max_length=11, choices=Status, default=Status.ACTIVE)

    class Meta:
        db_table = "identifier"
        indexes = [
            # The admin's list of one organization's identifiers.
            models.Index(fields=["organization_id", "key"], name="identifier_by_org"),
            # A person's identifiers, how many of a kind, and how many came in the last hour.
            models.Index(fields=["profile", "kind", "linked_at"], name="identifier_by_profile"),
            # Search by the beginning of a value.
            models.Index(
                fields=["organization_id", "value"],
                name="identifier_by_value",
                opclasses=["uuid_ops", "varchar_pattern_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"
