"""Two profiles became one, must not become one, or are still to become one."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from keystone.ids import new_id


class Merge(models.Model):
    """One profile became part of another: what moved, why, and what the attributes were."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    winner_id = models.UUIDField()
    loser_id = models.UUIDField()
    #: Keys of the identifiers that moved then. What an undo takes back follows from
    #: `Identifier.home_id` and the merges in force, whatever happened since.
    identifiers = ArrayField(models.UUIDField())
    event_id = models.UUIDField(null=True)
    source_id = models.UUIDField(null=True)
    rule = models.CharField(max_length=40)
    #: Who decided it, where people did: "staff ada", "key ks_s_abc…wxyz".
    by = models.CharField(max_length=200, default="")
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
        constraints = [
            # Merges in force make a forest: whoever is part of another is no root to merge again.
            models.UniqueConstraint(
                fields=["loser_id"],
                name="merge_in_force_once",
                condition=models.Q(undone_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.loser_id} into {self.winner_id}"


class CannotLink(models.Model):
    """Two people whom no event brings together again, because somebody took their merge back.

    Set between the two profiles of that merge; `left_id` and `right_id` are whoever these are
    part of by now.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    left_home_id = models.UUIDField()
    right_home_id = models.UUIDField()
    left_id = models.UUIDField()
    right_id = models.UUIDField()
    merge_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    by = models.CharField(max_length=200, default="")

    class Meta:
        db_table = "cannot_link"
        indexes = [
            models.Index(fields=["left_id"], name="cannot_link_by_left"),
            models.Index(fields=["right_id"], name="cannot_link_by_right"),
        ]

    def __str__(self) -> str:
        return f"{self.left_id} is not {self.right_id}"


class ProfileWork(models.Model):
    """What is still to be done to profiles; `collapse_profiles` works through it.

    Merges that the request path could not finish within its bounds, what staff decide, and
    attributes to be folded again from thousands of operations.
    """

    class Kind(models.TextChoices):
        """`profile_id` takes in `other_id`; a merge is taken back; a profile is folded again."""

        MERGE = "merge"
        UNDO = "undo"
        REFOLD = "refold"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    kind = models.CharField(max_length=6, choices=Kind)
    profile_id = models.UUIDField()
    other_id = models.UUIDField(null=True)
    merge_id = models.UUIDField(null=True)
    #: Because of which event and rule, said by which key; or who decided it.
    event_id = models.UUIDField(null=True)
    source_id = models.UUIDField(null=True)
    rule = models.CharField(max_length=40, default="")
    by = models.CharField(max_length=200, default="")
    seen_at = models.DateTimeField()  # event time
    created_at = models.DateTimeField()
    #: Counted before each attempt, so that what kills its worker is seen.
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    #: Why it came to nothing, where it did.
    error = models.CharField(max_length=200, default="")

    class Meta:
        db_table = "profile_work"
        verbose_name_plural = "profile work"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="profile_work_open",
                condition=models.Q(done_at__isnull=True),
            ),
            models.Index(fields=["organization_id", "id"], name="profile_work_by_org"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.profile_id}"
