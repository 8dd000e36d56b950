"""`manage.py prepare`: what a database and a static folder need before anything may start."""

from __future__ import annotations

import hashlib
import os
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand

from ingest import partitions
from keystone import clock, demo, embedded
from keystone.settings import env


class Command(BaseCommand):
    """Create the database, migrate, add event partitions, collect static files. Repeatable."""

    help = "Create the database, migrate it, add event partitions, collect static files."
    requires_system_checks = ()  # migrate runs them

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the demo's variables go, if there is to be a demo."""
        parser.add_argument(
            "--demo",
            type=Path,
            metavar="FILE",
            help="make the demo organization too and write its keys to FILE; those in var/dev.env"
            " are kept as long as they are valid",
        )

    def handle(self, *, demo: Path | None, **_: object) -> None:
        """Do what is not done yet."""
        embedded.create_database(env("DATABASE_URL") or embedded.database_url(settings.VAR_DIR))
        call_command("migrate", interactive=False, verbosity=0)
        partitions.add_ahead(clock.now())
        if demo:
            _make_demo(demo)
        _collect_static(settings.STATIC_ROOT)


def _make_demo(file: Path) -> None:
    known = demo.read_variables(settings.VAR_DIR / "dev.env")
    variables = {"KEYSTONE_URL": settings.KEYSTONE_URL, **demo.make(known, clock.now())}
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    embedded.write_private(file, text)


def _collect_static(root: Path) -> None:
    """Collect and compress the static files, only when one of them has changed since."""
    found, stamp = _static_fingerprint(), root / ".collected"
    if stamp.exists() and stamp.read_text() == found:
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(found)


def _static_fingerprint() -> str:
    known = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = os.stat(storage.path(path))
            known.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return known.hexdigest()
