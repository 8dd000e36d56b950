"""Migrations whose SQL is an immutable file: history must not change under a live database."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class RunSqlFile(migrations.RunSQL):
    """Run `<migrations folder>/sql/<name>`; each file is used by exactly one migration (tested)."""

    def __init__(self, migration_file: str, name: str) -> None:
        self.path = Path(migration_file).parent / "sql" / name
        super().__init__(self.path.read_text(), reverse_sql=migrations.RunSQL.noop)
