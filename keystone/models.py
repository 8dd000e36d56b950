"""Organizations, who may see them, and the keys that speak for them."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from keystone.ids import new_id


def new_secret() -> bytes:
    """Return the 32 random bytes that key an organization's identifier digests."""
    return secrets.token_bytes(32)


class Organization(models.Model):
    """The tenant that owns rows. Nothing of it is ever visible to another."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    # Keys the digests of identifiers (DESIGN §4): the same address has another digest in another
    # organization, and a dump without this table does not tell whose they are. It is no defence where
    # this table is stolen too: addresses can then be tried out.
    secret = models.BinaryField(max_length=32, default=new_secret, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "organization"

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """Which staff user sees which organization, and what they may do there."""

    class Role(models.TextChoices):
        """Each role contains the one before it."""

        VIEWER = "viewer"
        EDITOR = "editor"
        ADMIN = "admin"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)

    class Meta:
        db_table = "membership"
        constraints = [
            # One role a person and organization.
            models.UniqueConstraint(fields=["user", "organization"], name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.organization_id}"


class ApiKey(models.Model):
    """A public or secret key: stored as its digest, shown once (keystone.md §1)."""

    class Kind(models.TextChoices):
        """Who holds the key; the prefix of the raw key says the same."""

        TRACKER = "tracker"  # ks_w_…: public, stands in a page
        INTEGRATION = "integration"  # ks_s_…: secret, a backend's
        CROW = "crow"  # crow_…: public, the CROW SDK's

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="keys")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=Kind)
    scopes = ArrayField(models.CharField(max_length=10))
    #: Exact scheme://host:port; empty = any origin; "http://localhost:*" = any port there.
    allowed_domains = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    #: SHA-256 of the raw key. Random keys of 143 bits need no slow hash.
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    first8 = models.CharField(max_length=8, editable=False)
    last4 = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "api_key"
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.display})"

    @property
    def display(self) -> str:
        """The form people see after creation: the first 8 and the last 4 characters."""
        return f"{self.first8}…{self.last4}"


class Application(models.Model):
    """A Croct application: the id in `X-App-Id` and the origins it trusts (croct.md)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="applications"
    )
    name = models.CharField(max_length=200)
    trusted_origins = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "application"

    def __str__(self) -> str:
        return self.name
