"""Adds the tally's many small rows up into one row a group, so that reading it stays cheap."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString

from django.db import connection, transaction

from keystone.ids import lowest_id

#: Rows taken in one run; the next run goes on where this one stopped.
RUN_ROWS = 50_000
#: What is younger is left alone: its group will get more rows in a moment.
SETTLED = timedelta(minutes=2)

# The one-number space of advisory locks, as in `ingest.partitions`.
_ONE_AT_A_TIME: LiteralString = "SELECT pg_try_advisory_xact_lock(7311708611)"
# One statement sees one snapshot: a reader finds a group's old rows or its new one, never both.
# Ids are UUIDv7, so the primary key serves the search for what is old enough; the sum's own id is
# random, which keeps it out of that range's way.
_ROLL_UP: LiteralString = """
WITH taken AS MATERIALIZED (
    SELECT id, org_id, source_id, door, hour, outcome FROM tally
    WHERE id < %(settled)s AND NOT rolled_up
    ORDER BY id LIMIT %(run_rows)s
), groups AS (
    SELECT DISTINCT org_id, source_id, door, hour, outcome FROM taken
), gone AS (
    DELETE FROM tally WHERE id IN (
        SELECT id FROM taken
        UNION ALL
        SELECT id FROM groups JOIN tally USING (org_id, source_id, door, hour, outcome)
        WHERE rolled_up
    ) RETURNING org_id, source_id, door, hour, outcome, count
), summed AS (
    INSERT INTO tally (id, org_id, source_id, door, hour, outcome, count, rolled_up)
    SELECT gen_random_uuid(), org_id, source_id, door, hour, outcome, sum(count), true
    FROM gone GROUP BY org_id, source_id, door, hour, outcome
)
SELECT count(*) FROM taken
"""


def roll_up(now: datetime) -> int:
    """Add up at most `RUN_ROWS` settled rows; return how many went into sums.

    Sums never change, whatever is appended meanwhile. A second run at the same time does
    nothing: two that added to one group would leave it two rows.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ONE_AT_A_TIME)
        if cursor.fetchone() != (True,):
            return 0
        cursor.execute(_ROLL_UP, {"settled": lowest_id(now - SETTLED), "run_rows": RUN_ROWS})
        (rows,) = cursor.fetchone() or (0,)
        return int(rows)
