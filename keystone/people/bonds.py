"""What made a person one, and what was kept apart from them, as the page of a person shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identity.admin.refusals import REASON_LABELS, SUGGESTION_LABELS
from identity.models import Identifier, Refusal
from identity.read_merges import MergeAnswer, merges_of
from keystone.source import Source

MERGES_SHOWN, REFUSALS_SHOWN = 20, 20
#: Refusals of one identifier that are looked at: their indexes have no order.
_LOOKED_AT = 200

# By refusal_by_subject and refusal_by_other, an arm for each identifier.
_OF_IDENTIFIERS = """
SELECT refusal.* FROM refusal WHERE id IN (
    SELECT found.id FROM unnest(%(keys)s::uuid[]) AS asked (key) CROSS JOIN LATERAL (
        (SELECT id FROM refusal WHERE subject_key = asked.key LIMIT %(looked_at)s)
        UNION ALL
        (SELECT id FROM refusal WHERE other_key = asked.key LIMIT %(looked_at)s)
    ) AS found
    GROUP BY found.id ORDER BY found.id DESC LIMIT %(shown)s
) ORDER BY id DESC
"""


class Joined(NamedTuple):
    """A merge: somebody came to the person, or left again."""

    merge: MergeAnswer
    at: datetime
    undone_at: datetime | None

    @property
    def in_force(self) -> bool:
        """Say whether it can be undone."""
        return self.merge.status == "done"


class KeptApart(NamedTuple):
    """A refusal, with the theme's colours for what it says."""

    refusal: Refusal
    reason: str
    label: str
    suggestion_label: str


def joined(source: Source, parts: Sequence[UUID]) -> list[Joined]:
    """Return the newest merges between the profiles of a person, undone ones too."""
    merges, _ = merges_of(source, parts, limit=MERGES_SHOWN, after=None)
    return [
        Joined(
            each,
            datetime.fromisoformat(each.at),
            datetime.fromisoformat(each.undone_at) if each.undone_at else None,
        )
        for each in merges
    ]


def kept_apart(identifiers: Sequence[Identifier]) -> list[KeptApart]:
    """Return the newest refusals about any of these identifiers."""
    asked = {
        "keys": [each.key for each in identifiers],
        "looked_at": _LOOKED_AT,
        "shown": REFUSALS_SHOWN,
    }
    return [
        KeptApart(
            refusal,
            refusal.reason.replace("_", " "),
            REASON_LABELS.get(refusal.reason, ""),
            SUGGESTION_LABELS.get(refusal.suggestion, ""),
        )
        for refusal in Refusal.objects.raw(_OF_IDENTIFIERS, asked)
    ]
