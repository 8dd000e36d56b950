"""What a writer raises who finds that another transaction was there first."""

from __future__ import annotations


class LostRace(Exception):
    """The rows changed between reading and writing: roll back, then do all of it again."""
