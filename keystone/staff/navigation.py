"""The admin's sidebar: what a person looks for, in the order they look for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest
from django.urls import reverse

from keystone.staff.reach import reach_of

_GROUPS = {
    "People": (
        ("People", "group", "identity_profile"),
        ("Identifiers", "badge", "identity_identifier"),
        ("Attribute changes", "history", "identity_attributechange"),
        ("Merges", "merge", "identity_merge"),
    ),
    "Who is one person": (
        ("Suggestions", "lightbulb", "identity_refusal", "suggestion=open"),
        ("Refusals", "block", "identity_refusal"),
        ("Identity policies", "policy", "identity_identitypolicy"),
        ("Erasures", "ink_eraser", "identity_erasure"),
        ("Profile work", "pending_actions", "identity_profilework"),
    ),
    "What people buy": (
        ("Orders", "shopping_bag", "orders_order"),
        ("Products", "sell", "orders_product"),
        ("Order policies", "rule_settings", "orders_orderpolicy"),
    ),
    "What happened": (
        ("Events", "bolt", "ingest_event"),
        ("Failed events", "error", "ingest_failedevent"),
        ("Tally", "bar_chart", "ingest_tally"),
    ),
    "Organizations": (
        ("Organizations", "domain", "keystone_organization"),
        ("Members", "manage_accounts", "keystone_membership"),
        ("API keys", "key", "keystone_apikey"),
        ("Applications", "apps", "keystone_application"),
    ),
}
_USERS = ("Users", "person", "auth_user")


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar as the theme wants it (settings.UNFOLD)."""
    reach = reach_of(request.user)
    if not (reach.everything or reach.roles):
        return []
    everybody = {title: list(items) for title, items in _GROUPS.items()}
    if reach.everything:
        everybody["Organizations"].append(_USERS)
    return [
        {"title": title, "items": [_item(request, *item) for item in items]}
        for title, items in everybody.items()
    ]


def _item(
    request: HttpRequest, title: str, icon: str, page: str, asked: str = ""
) -> dict[str, Any]:
    address = reverse(f"admin:{page}_changelist")
    # Two items share a page; a row's own page says in its address from which list one came.
    is_asked = "suggestion=" in unquote(request.META.get("QUERY_STRING", ""))
    return {
        "title": title,
        "icon": icon,
        "link": f"{address}?{asked}" if asked else address,
        "active": request.path.startswith(address) and is_asked == bool(asked),
    }
