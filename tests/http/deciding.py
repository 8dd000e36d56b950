"""People to decide about, and what decisions change."""

from __future__ import annotations

from identity.identifiers import EMAIL, PHONE, Identifier
from identity.models import Identifier as IdentifierRow
from identity.models import Merge, Profile, Refusal
from ingest.pipeline import process
from keystone import clock
from keystone.db import ingest_transaction
from tests.http.staffed import refuse
from tests.make import make_record


def say(house, *identifiers, **fields):
    """Let somebody say who they are."""
    record = make_record(house.source, kind="identify", identifiers=identifiers, **fields)
    with ingest_transaction() as cursor:
        process(cursor, [record], clock.now())


def appear(house, identifier, **fields):
    """Let somebody say who they are; return their identifier."""
    say(house, identifier, **fields)
    return row_of(house, identifier)


def key_of(house, identifier):
    return identifier.key(house.source.organization_secret)


def row_of(house, identifier):
    return IdentifierRow.objects.get(pk=key_of(house, identifier))


def two_people(house):
    """Two anchors, the older first, and a suggestion that they are one."""
    older = appear(house, Identifier(EMAIL, "old@example.com"), attributes={"city": "Rome"})
    younger = appear(house, Identifier(PHONE, "+15550101234"), attributes={"city": "Oslo"})
    refusal = refuse(younger, other_key=older.key, other=str(older), reason="untrusted")
    return older, younger, refusal


def state_of(house):
    """Everything that a decision could change."""
    own = {"organization_id": house.organization.pk}
    return [
        list(model._default_manager.filter(**own).order_by("pk").values())
        for model in (Profile, IdentifierRow, Merge, Refusal)
    ]


def warned(page):
    return "leading-[18px] rounded-default bg-orange-100" in page
