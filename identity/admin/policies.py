"""The page of an organization's rules of linking; who has none of its own sees the defaults."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminTextareaWidget

from identity.identifiers import Placeholder, Unusable, identifier
from identity.models import IdentityPolicy
from keystone.staff.markup import column
from keystone.staff.policies import PolicyAdmin

#: How many values an organization may block: they travel with every batch of its events.
BLOCKED_MAX = 1_000
_LIMITS = ("crm_ids", "emails", "phones")
_PACE = ("quarantine_after", "public_links_per_hour")


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """One blocked value a line."""

    blocked_values = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="One kind:value a line, such as email:test@example.com: these name nobody."
        f" Kinds are crm_id, email, phone, anonymous_id and session; at most {BLOCKED_MAX:,}.",
    )

    class Meta:
        model = IdentityPolicy
        fields = (*_LIMITS, *_PACE, "blocked_values")
        labels = {
            "crm_ids": "Customer ids",
            "emails": "E-mail addresses",
            "phones": "Phone numbers",
            "quarantine_after": "Quarantine after",
            "public_links_per_hour": "Links an hour",
        }
        help_texts = {
            "crm_ids": "How many one person may have.",
            "emails": "How many one person may have.",
            "phones": "How many one person may have.",
            "quarantine_after": "A device that met so many other people is quarantined by itself.",
            "public_links_per_hour": "New identifiers that public keys may link to one person.",
        }

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> object:
        """Write the list as lines."""
        value: object = super().get_initial_for_field(field, field_name)
        return "\n".join(value) if isinstance(value, list) else value

    def clean_blocked_values(self) -> list[str]:
        """Bring each line into the normal form that events are compared with."""
        said: str = self.cleaned_data["blocked_values"]
        lines = [line.strip() for line in said.splitlines()]
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
        if len(numbered) > BLOCKED_MAX:
            raise forms.ValidationError(
                f"At most {BLOCKED_MAX:,} values: these are {len(numbered):,}."
            )
        faults: list[str] = []
        values: dict[str, None] = {}
        for number, line in numbered:
            try:
                values[_normal(line)] = None
            except Unusable as unusable:
                faults.append(f"Line {number}, {line[:60]}: {unusable.message}.")
        if faults:
            raise forms.ValidationError(faults[:10])
        return list(values)


def _normal(line: str) -> str:
    kind, colon, value = line.partition(":")
    try:
        found = identifier(kind.strip().lower(), value) if colon else None
    except Placeholder:
        raise Unusable("placeholder", "that names nobody anyway") from None
    if found is None:
        raise Unusable("invalid", "write kind:value")
    return f"{found.kind}:{found.value}"


@admin.register(IdentityPolicy)
class IdentityPolicyAdmin(PolicyAdmin):
    """An organization's rules of linking."""

    form = PolicyForm
    editable = (*_LIMITS, *_PACE, "blocked_values")
    list_display = ("name", "rules", *_LIMITS, *_PACE, "blocked")
    fieldsets = (
        ("One person may have at most", {"fields": _LIMITS}),
        ("Protection", {"fields": _PACE}),
        ("Values that name nobody", {"fields": ("blocked_values",)}),
    )

    @column("blocked values")
    def blocked(self, row: IdentityPolicy) -> str:
        return f"{len(row.blocked_values):,}"
