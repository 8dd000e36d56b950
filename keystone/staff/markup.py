"""How admin pages write links, moments and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode
from uuid import UUID

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keystone.clock import iso

F = TypeVar("F", bound=Callable[..., Any])

#: Characters of JSON or text that a page shows of one value.
SHOWN = 100_000
_BRIEF = 80


def column(title: str, labels: Mapping[str, str] | None = None) -> Callable[[F], F]:
    """Name what a method shows; with `labels` it is coloured, by the value.

    The theme's colours are success, info, warning and danger. A method that returns two values is
    coloured by the first and shows the second.
    """

    def named(method: F) -> F:
        shown = _coloured(method, labels) if labels else method
        vars(shown).update({"short_description": title})
        return shown

    return named


def _coloured(method: F, labels: Mapping[str, str]) -> F:
    """The theme colours what lists show; rows have pages, too."""

    @wraps(method)
    def coloured(*args: object) -> str:
        said = method(*args)
        value, text = said if isinstance(said, tuple) else (said, said)
        return coloured_text(text, labels.get(value, "")) if text else ""

    return cast("F", coloured)


def coloured_text(text: str, colour: str) -> SafeString:
    """Write a word as the theme's label."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})


def link(page: str, key: object, text: object | None = None) -> SafeString:
    """Link to a row: `page` is `<app>_<model>`. The page itself checks who may see it."""
    shown = short(key) if text is None else text
    return format_html('<a class="ks-link" href="{}">{}</a>', address(page, key), shown)


def address(page: str, key: object) -> str:
    """Return where a row is shown."""
    return reverse(f"admin:{page}_change", args=[key])


def list_link(page: str, text: str, **asked: object) -> SafeString:
    """Link to a list, filtered."""
    where = f"{reverse(f'admin:{page}_changelist')}?{urlencode(asked)}"
    return format_html('<a class="ks-link" href="{}">{}</a>', where, text)


def short(key: object) -> str:
    """Write an id as keys are written: its beginning tells the time, its end tells it apart.

    >>> short(UUID("018bcfe5-6800-7303-9323-334353637383"))
    '018bcfe5…7383'
    """
    text = str(key)
    return f"{text[:8]}…{text[-4:]}" if isinstance(key, UUID) else text


def moment(at: datetime | None) -> SafeString:
    """Write a time in UTC to the second; pointing at it shows the milliseconds."""
    if at is None:
        return SafeString("–")
    text = at.astimezone(UTC).strftime("%d %b %Y %H:%M:%S")
    return format_html('<time datetime="{0}" title="{0}">{1}</time>', iso(at), text)


def pretty(value: object) -> SafeString:
    """Write JSON for people, cut where it is longer than anyone reads."""
    return plain(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def brief(value: object) -> str:
    """Write JSON on one short line.

    >>> brief({"city": "Zürich"}), brief("x" * 100)[-4:]
    ('{"city": "Zürich"}', 'xxx…')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 1]}…"


def plain(text: str) -> SafeString:
    """Write text as it came."""
    cut = text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… {len(text) - SHOWN:,} more"
    return format_html('<pre class="ks-code">{}</pre>', cut)
