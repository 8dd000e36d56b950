"""The page of an organization's rules of orders; who has none of its own sees the defaults."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from keystone.staff.markup import column
from keystone.staff.policies import PolicyAdmin
from orders.abandonment import HOURS_MAX
from orders.models import OrderPolicy


class OrderPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Hours, as many as time can be reckoned with."""

    abandoned_after_hours = forms.IntegerField(
        label="Abandoned after (hours)",
        min_value=1,
        max_value=HOURS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="A cart or checkout with which nobody went on for so long is marked as"
        " abandoned. What was placed or completed never is.",
    )

    class Meta:
        model = OrderPolicy
        fields = ("abandoned_after_hours",)


@admin.register(OrderPolicy)
class OrderPolicyAdmin(PolicyAdmin):
    """An organization's rules of orders."""

    form = OrderPolicyForm
    editable = ("abandoned_after_hours",)
    list_display = ("name", "rules", "abandoned")
    fieldsets = (
        (None, {"fields": (("name", "rules"),)}),
        ("Abandoned carts", {"fields": ("abandoned_after_hours",)}),
    )

    @column("abandoned after")
    def abandoned(self, row: OrderPolicy) -> str:
        return f"{row.abandoned_after_hours:,} hours"
