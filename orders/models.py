"""What people buy. Orders point at identifiers, so they follow merges and undo by themselves."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from keystone.models import Organization
from orders.lifecycle import STATUSES


class Product(models.Model):
    """Something that is sold. A skeleton is known from the lines of orders only."""

    id = models.UUIDField(primary_key=True, editable=False)  # digest(organization, external_id)
    organization_id = models.UUIDField(db_column="org_id", editable=False)
    external_id = models.CharField(max_length=255, editable=False)
    name = models.CharField(max_length=255, blank=True)
    price = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    brand = models.CharField(max_length=255, blank=True)
    category = models.CharField(max_length=255, blank=True)
    url = models.CharField(max_length=2_048, blank=True)
    image_url = models.CharField(max_length=2_048, blank=True)
    is_skeleton = models.BooleanField(default=True, editable=False)
    first_seen = models.DateTimeField(editable=False)
    #: Event time of what filled it; older descriptions do not overwrite it.
    described_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "product"
        indexes = [
            # Lists are read newest first; staff look at what is still to be filled in.
            models.Index(fields=["organization_id", "first_seen", "id"], name="product_by_org"),
            models.Index(
                fields=["organization_id", "is_skeleton", "first_seen", "id"],
                name="product_skeletons",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id


class Order(models.Model):
    """One order: the fold of its operations (`orders.lifecycle`)."""

    id = models.UUIDField(primary_key=True, editable=False)  # digest(organization, external_id)
    organization_id = models.UUIDField(db_column="org_id")
    external_id = models.CharField(max_length=255)
    #: The identifier that made it; null once its person was erased.
    actor_key = models.UUIDField(null=True)
    status = models.CharField(max_length=18, choices=[(status, status) for status in STATUSES])
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=24, decimal_places=4, null=True)
    refunded_total = models.DecimalField(max_digits=24, decimal_places=4)
    created_at = models.DateTimeField()  # event times, all of these
    placed_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()
    #: The last operation was a cart's or checkout's: what nobody goes on with is abandoned.
    is_shopping = models.BooleanField()
    abandoned_at = models.DateTimeField(null=True)
    #: `lifecycle.State`, so that the next operation needs no other.
    state = models.JSONField()
    #: More operations came late than a request folds again; `update_order_lifecycle` does.
    is_stale = models.BooleanField(default=False)

    class Meta:
        db_table = "order"
        indexes = [
            # Lists are read newest first, an id is a digest.
            models.Index(fields=["organization_id", "created_at", "id"], name="order_by_org"),
            models.Index(
                fields=["organization_id", "status", "created_at", "id"], name="order_by_status"
            ),
            models.Index(fields=["actor_key", "created_at", "id"], name="order_by_actor"),
            # What is to be abandoned: how late that is differs by organization.
            models.Index(
                fields=["organization_id", "updated_at"],
                name="order_shopping",
                condition=models.Q(
                    status="incomplete",
                    placed_at__isnull=True,
                    abandoned_at__isnull=True,
                    is_shopping=True,
                ),
            ),
            models.Index(fields=["id"], name="order_stale", condition=models.Q(is_stale=True)),
        ]

    def __str__(self) -> str:
        return self.external_id


class LineItem(models.Model):
    """Some of one product in an order."""

    pk = models.CompositePrimaryKey("order_id", "line")
    order_id = models.UUIDField()
    line = models.IntegerField()
    organization_id = models.UUIDField(db_column="org_id")
    product_id = models.UUIDField()
    external_id = models.CharField(max_length=255)  # the product's
    name = models.CharField(max_length=255)
    variant = models.CharField(max_length=255)
    quantity = models.DecimalField(max_digits=24, decimal_places=4)
    price = models.DecimalField(max_digits=20, decimal_places=4, null=True)

    class Meta:
        db_table = "line_item"

    def __str__(self) -> str:
        return f"{self.quantity} {self.name or self.external_id}"


class OrderOp(models.Model):
    """What one event said of an order or, as long as it has none, of a cart or checkout.

    Append-only. An order is the fold of its own operations and of those of the carts that became
    it, up to when they did (`CartJoin`).
    """

    pk = models.CompositePrimaryKey("key", "event_id")
    key = models.UUIDField()  # of the order, checkout or cart
    event_id = models.UUIDField()
    organization_id = models.UUIDField(db_column="org_id")
    occurred_at = models.DateTimeField()
    actor_key = models.UUIDField(null=True)
    said = models.JSONField()  # `lifecycle.Operation`

    class Meta:
        db_table = "order_op"
        indexes = [
            # Parts of a cart's operations, and the first of many.
            models.Index(fields=["key", "occurred_at", "event_id"], name="order_op_by_time"),
            # Erasure.
            models.Index(fields=["actor_key"], name="order_op_by_actor"),
        ]

    def __str__(self) -> str:
        return str(self.event_id)


class CartJoin(models.Model):
    """One event named a cart and what became of it: its history until then is the order's."""

    pk = models.CompositePrimaryKey("child_key", "event_id", "parent_key")
    child_key = models.UUIDField()
    event_id = models.UUIDField()
    parent_key = models.UUIDField()
    organization_id = models.UUIDField(db_column="org_id")
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "cart_join"
        indexes = [
            # What a cart became next, and last before that; what became part of an order.
            models.Index(
                fields=["child_key", "occurred_at", "event_id"], name="cart_join_by_child"
            ),
            models.Index(fields=["parent_key", "occurred_at"], name="cart_join_by_parent"),
        ]

    def __str__(self) -> str:
        return f"{self.child_key} became {self.parent_key}"


class OrderPolicy(models.Model):
    """One organization's rules of orders; without a row the defaults hold."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, db_column="org_id"
    )
    #: An incomplete order whose cart nobody touched for so long is abandoned.
    abandoned_after_hours = models.PositiveIntegerField(
        default=24, validators=[MinValueValidator(1)]
    )

    class Meta:
        db_table = "order_policy"
        verbose_name_plural = "order policies"

    def __str__(self) -> str:
        return f"abandoned after {self.abandoned_after_hours} hours"
