"""`manage.py up`: everything Keystone needs on one machine, from one command."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand

from keystone.settings import BASE_DIR


class Command(BaseCommand):
    """Become `keystone.up`: it only starts others and waits, so it carries no Django (60 MB)."""

    help = "Start everything: PostgreSQL and Redis unless given, migrations, web, worker, beat."
    requires_system_checks = ()  # `prepare` runs them, once there is a database

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the one choice there is; `keystone.up` reads it again."""
        parser.add_argument(
            "--no-demo", action="store_true", help="make no demo organization, keys and admin user"
        )

    def handle(self, **_: object) -> None:
        """Replace this process; its id and its words in `ps` stay."""
        os.environ["KEYSTONE_VAR_DIR"] = str(settings.VAR_DIR.resolve())
        os.chdir(BASE_DIR)
        command = [sys.executable, "-m", "keystone.up", *sys.argv]
        os.execv(sys.executable, command)  # noqa: S606 - ourselves
