"""`manage.py create_key`: make a key and print it, once."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keystone import clock
from keystone.keys.create import SCOPES, KeyRefused, create_key
from keystone.keys.format import PREFIXES
from keystone.models import ApiKey, Organization


class Command(BaseCommand):
    """Only the key goes to stdout, so that `KEY=$(manage.py create_key …)` works."""

    help = "Make a key for an organization and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name what the key is for; see keystone.md §1."""
        parser.add_argument("--org", required=True, help="id or exact name of the organization")
        parser.add_argument("--kind", required=True, choices=sorted(PREFIXES))
        parser.add_argument("--name", required=True, help="what people will call it")
        parser.add_argument(
            "--scope", required=True, action="append", choices=SCOPES, help="may be repeated"
        )
        parser.add_argument(
            "--domain", action="append", default=[], help="allowed origin; may be repeated"
        )
        parser.add_argument("--expires", type=_moment, help="ISO-8601 with a time zone")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - argparse's
        """Make the key; every fault is one clear line and exit status 1."""
        try:
            key, raw = create_key(
                organization=_organization(options["org"]),
                name=options["name"],
                kind=options["kind"],
                scopes=options["scope"],
                allowed_domains=options["domain"],
                expires_at=options["expires"],
            )
        except KeyRefused as refused:
            raise CommandError(refused.message) from None
        self.stderr.write(_explanation(key))
        self.stdout.write(raw)


def _explanation(key: ApiKey) -> str:
    share = "secret: keep it out of pages and URLs" if key.kind == "integration" else "public"
    return (
        f"Key {key.name!r} of {key.organization.name!r} ({', '.join(key.scopes)}; {share}). "
        "It cannot be shown again:"
    )


def _organization(wanted: str) -> Organization:
    found = list(Organization.objects.filter(**_by_id_or_name(wanted)).order_by("id")[:10])
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"Several organizations are called {wanted!r}; use an id: {_ids(found)}")
    known = list(Organization.objects.order_by("id")[:10])
    raise CommandError(f"No organization {wanted!r}. There are: {_ids(known) or 'none yet'}")


def _by_id_or_name(wanted: str) -> dict[str, object]:
    try:
        return {"id": UUID(wanted)}
    except ValueError:
        return {"name": wanted}


def _ids(organizations: list[Organization]) -> str:
    return ", ".join(f"{each.id} ({each.name})" for each in organizations)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time; write 2030-01-31T00:00Z.") from None
    if moment.tzinfo is not None and moment <= clock.now():
        raise ArgumentTypeError(f"{text} is over already.")
    return moment
