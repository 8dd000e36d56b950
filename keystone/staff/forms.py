"""The forms of what staff write: members, applications, keys."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from keystone.keys.create import SCOPES, KeyRefused, create_key
from keystone.models import ApiKey, Application, Membership


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user is named, not picked: a list would show who works for other organizations."""

    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True, is_staff=True),
        to_field_name="username",
        widget=UnfoldAdminTextInputWidget,
        error_messages={"invalid_choice": "There is no active staff user of that name."},
        help_text="The user name, exactly.",
    )

    class Meta:
        model = Membership
        fields = ("user", "organization", "role")


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]
    """One origin a line."""

    trusted_origins = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One origin a line, such as https://shop.example.",
    )

    class Meta:
        model = Application
        fields = ("organization", "name", "trusted_origins")

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> object:
        """Write the list as lines."""
        value: object = super().get_initial_for_field(field, field_name)
        return "\n".join(value) if isinstance(value, list) else value

    def clean_trusted_origins(self) -> list[str]:
        """Split lines."""
        said: str = self.cleaned_data["trusted_origins"]
        return said.split()


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no such thing at run time
    """What a person chooses; the key itself is `create_key`'s."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="A key that stands in a page takes data in; CROW's may read, too.",
    )
    allowed_domains = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One origin a line, such as https://shop.example; none: any page may use it.",
    )

    class Meta:
        model = ApiKey
        fields = ("organization", "name", "kind", "scopes", "allowed_domains", "expires_at")

    #: The key as it must be handed over, once the form has been found valid.
    raw = ""

    def clean_allowed_domains(self) -> list[str]:
        """Split lines."""
        said: str = self.cleaned_data["allowed_domains"]
        return said.split()

    def clean(self) -> dict[str, Any]:
        """Make the key, so that what `create_key` refuses is told beside its field.

        The admin's transaction holds both this and what follows.
        """
        chosen = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.made, self.raw = create_key(**chosen)
            except KeyRefused as refused:
                self.add_error(refused.field, refused.message)
        return chosen

    def save(self, commit: bool = True) -> ApiKey:
        """Return the key that was made; nothing is left to do."""
        super().save(commit=False)
        return self.made
