from __future__ import annotations

from django.db import migrations

from keystone.sql_migrations import RunSqlFile


class Migration(migrations.Migration):
    dependencies = [("ingest", "0001_initial")]

    operations = [RunSqlFile(__file__, "0002_event.sql")]
