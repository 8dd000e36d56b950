"""The page of products: those that only orders speak of come first, and editors fill them in."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from keystone import clock
from keystone.models import Membership
from keystone.staff.admin import StaffAdmin
from keystone.staff.decisions import write_down
from keystone.staff.markup import column, moment
from orders.admin.amounts import with_currency
from orders.admin.filters import OneShopFilter, SkeletonFilter, found_by
from orders.keys import PRODUCT
from orders.models import Product
from orders.read_money import amount_text

_FIELDS = ("name", "brand", "category", "price", "currency", "url", "image_url")


class ProductForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is filled in has a name, as what events tell in full has one."""

    name = forms.CharField(max_length=255, widget=UnfoldAdminTextInputWidget)
    price = forms.DecimalField(
        max_digits=20,
        decimal_places=4,
        min_value=0,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    currency = forms.CharField(
        max_length=3,
        required=False,
        validators=[RegexValidator(r"\A[A-Za-z]{3}\Z", "Three letters, such as EUR.")],
        widget=UnfoldAdminTextInputWidget,
        help_text="Three letters, such as EUR.",
    )

    class Meta:
        model = Product
        fields = _FIELDS
        labels = {"url": "Address", "image_url": "Address of its image"}

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> object:
        """Write the price without noughts that nobody typed."""
        value: object = super().get_initial_for_field(field, field_name)
        known = self.instance.price
        return amount_text(known) if field_name == "price" and known is not None else value

    def clean_currency(self) -> str:
        """Write the code as events have it."""
        code: str = self.cleaned_data["currency"]
        return code.upper()


@admin.register(Product)
class ProductAdmin(StaffAdmin):
    """Skeletons first, those first seen last at the top; the index begins with the organization."""

    form = ProductForm
    opens: ClassVar = {"change": Membership.Role.EDITOR}
    editable = _FIELDS
    list_display = ("called", "number", "state", "price_shown", "brand", "category", "first")
    list_filter = (OneShopFilter, SkeletonFilter)
    search_fields = ("external_id",)
    search_help_text = "A product's id, exactly"
    ordering = ("-is_skeleton", "-first_seen", "-id")
    fieldsets = (
        (None, {"fields": (("number", "state"), ("first", "described"), "whose")}),
        (
            "What it is",
            {
                "fields": (
                    "name",
                    ("brand", "category"),
                    ("price", "currency"),
                    "url",
                    "image_url",
                ),
                "description": "What an event tells of the product later on replaces it,"
                " older events do not.",
            },
        ),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Product], search_term: str
    ) -> tuple[QuerySet[Product], bool]:
        """Look up the digest of what the shop calls it."""
        if search_term:
            queryset = queryset.filter(pk__in=found_by(search_term, PRODUCT, request))
        return queryset, False

    def save_model(
        self, request: HttpRequest, obj: Product, form: ProductForm, change: bool
    ) -> None:
        """Describe it as of now; what events have just said of other fields stands."""
        obj.is_skeleton, obj.described_at = False, clock.now()
        obj.save(update_fields=[*form.changed_data, "is_skeleton", "described_at"])

    def construct_change_message(
        self, request: HttpRequest, form: ProductForm, formsets: object, add: bool = False
    ) -> str:
        """Name fields, not what was written into them."""
        return f"Filled in: {', '.join(form.changed_data) or 'nothing new'}."

    def log_change(self, request: HttpRequest, obj: Model, message: str) -> None:
        """Keep who did it by ids: what is sold may be called after somebody."""
        write_down(request, obj, message)

    @column("product")
    def called(self, row: Product) -> str:
        return str(row)

    @column("id")
    def number(self, row: Product) -> str:
        return row.external_id

    @column("state", {"skeleton": "warning", "described": "success"})
    def state(self, row: Product) -> str:
        return "skeleton" if row.is_skeleton else "described"

    @column("price")
    def price_shown(self, row: Product) -> str | None:
        return with_currency(row.price, row.currency) or None

    @column("first seen")
    def first(self, row: Product) -> SafeString:
        return moment(row.first_seen)

    @column("described")
    def described(self, row: Product) -> SafeString:
        return moment(row.described_at)
