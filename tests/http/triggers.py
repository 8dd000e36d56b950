"""Makes PostgreSQL refuse chosen rows, as a broken one would: faults that no body can cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE said text := coalesce(TG_ARGV[0], to_jsonb(NEW) ->> 'name');
BEGIN
    IF said = 'hang' THEN
        PERFORM pg_sleep(60);
    ELSIF said LIKE 'refused %' THEN
        RAISE EXCEPTION USING ERRCODE = split_part(said, ' ', 2), MESSAGE = 'refused by a test';
    END IF;
    RETURN NEW;
END $$
"""
# PostgreSQL does not notice by itself that nobody waits for them any more.
_END_THOSE_THAT_HANG = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'
"""


@contextmanager
def refusing(table: str, always: str = "", *, at_commit: bool = False) -> Iterator[None]:
    """Refuse rows of `table` named "refused 22000 …" with SQLSTATE 22000; or all, with `always`.

    As they are inserted, or only when their transaction commits. One named "hang" takes a minute.
    """
    how = "CREATE CONSTRAINT TRIGGER refuse AFTER" if at_commit else "CREATE TRIGGER refuse BEFORE"
    when = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    said = f"'refused {always}'" if always else ""
    with connection.cursor() as cursor:
        cursor.execute(_FUNCTION)
        cursor.execute(
            f"{how} INSERT ON {table} {when} FOR EACH ROW EXECUTE FUNCTION refuse({said})"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_END_THOSE_THAT_HANG)
            cursor.execute(f"DROP TRIGGER refuse ON {table}")
