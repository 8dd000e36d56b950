"""What keeps people apart who are not one: each organization's rules, and what they refused."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models

from identity.protect import Policy
from keystone.ids import new_id
from keystone.models import Organization

_DEFAULT = Policy()


class IdentityPolicy(models.Model):
    """One organization's rules of linking; without a row the defaults hold."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, db_column="org_id"
    )
    #: How many of a kind one person may have.
    crm_ids = models.PositiveSmallIntegerField(
        default=_DEFAULT.crm_ids, validators=[MinValueValidator(1)]
    )
    emails = models.PositiveSmallIntegerField(
        default=_DEFAULT.emails, validators=[MinValueValidator(1)]
    )
    phones = models.PositiveSmallIntegerField(
        default=_DEFAULT.phones, validators=[MinValueValidator(1)]
    )
    #: A device that met so many other people is quarantined by itself.
    quarantine_after = models.PositiveIntegerField(
        default=_DEFAULT.quarantine_after, validators=[MinValueValidator(1)]
    )
    #: New identifiers that public keys may link to one person in an hour.
    public_links_per_hour = models.PositiveIntegerField(default=_DEFAULT.public_links_per_hour)
    #: kind:value in normal form; these name nobody ("email:test@example.com").
    blocked_values = ArrayField(models.CharField(max_length=270), default=list, blank=True)

    class Meta:
        db_table = "identity_policy"
        verbose_name_plural = "identity policies"

    def __str__(self) -> str:
        return f"rules of {self.organization_id}"


class Refusal(models.Model):
    """Two identifiers that an event named together and that were kept apart, and why.

    One row for each reason and pair, with the first evidence. Where staff may know better it is
    a suggestion.
    """

    class Suggestion(models.TextChoices):
        """What became of a suggestion; "" where there is nothing to decide."""

        NONE = ""
        OPEN = "open"
        ACCEPTED = "accepted"
        DISMISSED = "dismissed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(db_column="org_id")
    fingerprint = models.UUIDField(unique=True)
    reason = models.CharField(max_length=20)
    #: The identifier that was kept out, and the one it would have come to: keys, and kind:value.
    subject_key = models.UUIDField()
    other_key = models.UUIDField()
    subject = models.CharField(max_length=270)
    other = models.CharField(max_length=270)
    event_id = models.UUIDField()
    source_id = models.UUIDField()
    at = models.DateTimeField()
    suggestion = models.CharField(max_length=9, choices=Suggestion, default="", blank=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, default="")

    class Meta:
        db_table = "refusal"
        indexes = [
            models.Index(fields=["organization_id", "id"], name="refusal_by_org"),
            # How many people a device met; why two identifiers are not one person.
            models.Index(fields=["subject_key", "reason"], name="refusal_by_subject"),
            models.Index(fields=["other_key"], name="refusal_by_other"),
            models.Index(
                fields=["organization_id", "id"],
                name="refusal_suggested",
                condition=models.Q(suggestion="open"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} and {self.other}: {self.reason}"
