"""A person of whom every table that may hold personal data holds something, and how to find it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model

from identity.identifiers import ANONYMOUS_ID, CRM_ID, EMAIL, PHONE, SESSION, Identifier
from identity.models import Erasure, IdentityPolicy, Profile, Refusal
from identity.models import Identifier as IdentifierRow
from ingest import failures
from ingest.isolation import process_isolated
from ingest.record import Outcome
from keystone import clock
from keystone.db import ingest_transaction
from keystone.people import erasure, erasures
from keystone.source import Source
from tests.make import make_record

_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname
"""


class Somebody:
    """A person of an organization; `mark` is part of every value that says anything of them."""

    def __init__(self, source: Source) -> None:
        self.source, self.mark = source, uuid4().hex
        digits = str(UUID(self.mark).int)[-8:]
        self.email = Identifier(EMAIL, f"{self.mark}@example.com")
        self.phone = Identifier(PHONE, f"+4479{digits}")
        self.crm_id = Identifier(CRM_ID, f"crm-{self.mark}")
        self.cookie = Identifier(ANONYMOUS_ID, f"cookie-{self.mark}")
        self.laptop = Identifier(ANONYMOUS_ID, f"laptop-{self.mark}")
        self.session = Identifier(SESSION, f"session-{self.mark}")

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        return self.crm_id, self.email, self.phone, self.cookie, self.laptop, self.session

    @property
    def marks(self) -> tuple[str, ...]:
        """What is looked for; a body is stored as bytes, which are shown as hex digits."""
        texts = self.mark, self.phone.value
        return *texts, *(text.encode().hex() for text in texts)

    @property
    def profile(self) -> Profile:
        row = IdentifierRow.objects.get(pk=self.key(self.email))
        return Profile.objects.get(pk=row.profile_id)

    def key(self, identifier: Identifier) -> UUID:
        return identifier.key(self.source.organization_secret)

    def does(self, *identifiers: Identifier, **fields: Any) -> Outcome:
        """Do something under these identifiers, strongest first."""
        said = {
            "name": f"Looked at {self.mark}",
            "url": f"https://example.com/{self.mark}",
            "context": json.dumps({"user_agent": self.mark, "referrer": self.mark}).encode(),
            "payload": json.dumps({"note": self.mark}).encode(),
            **fields,
        }
        record = make_record(self.source, identifiers=identifiers or (self.email,), **said)
        (outcome,) = process_isolated([record], clock.now())
        assert isinstance(outcome, Outcome), outcome
        return outcome

    def fails(self, *identifiers: Identifier, **fields: Any) -> Outcome:
        """Do what PostgreSQL refuses."""
        raw = json.dumps({"said": self.mark, "phone": self.phone.value}).encode()
        record = make_record(self.source, identifiers=identifiers, raw=raw, **fields)
        with ingest_transaction() as cursor:
            return failures.keep(cursor, record, ValueError("refused"), clock.now())

    def lives(self) -> None:
        """Come under one identifier after the other, until all of them are one person."""
        self.does(self.session)
        self.does(self.cookie, self.session)
        self.does(self.laptop, attributes={"device": self.mark})
        self.does(self.email, self.cookie, attributes={"name": self.mark, "city": "Rome"})
        self.does(self.crm_id, self.email, self.laptop, attributes={"city": f"Oslo {self.mark}"})
        self.does(self.phone, attributes={"device": f"phone {self.mark}"})
        self.does(self.email, self.phone, attributes={"address": {"street": self.mark}})
        self.fails(self.cookie, mentions=(self.email,))

    def shares(self, other: Somebody) -> None:
        """Let somebody else use the cookie, and claim the address."""
        other.does(other.email, self.cookie)
        other.does(other.crm_id, other.email, mentions=(self.email,), kind="identify")

    def is_looked_at(self) -> None:
        """Let staff act on what there is of them, and block one of their values."""
        user = User.objects.create_user(f"staff-{uuid4().hex[:20]}")
        rows: list[Model] = [self.profile, *IdentifierRow.objects.filter(profile=self.profile)]
        keys = [self.key(each) for each in self.identifiers]
        for row in (*rows, *Refusal.objects.filter(subject_key__in=keys)):
            _log(user, row, self.mark)
        IdentityPolicy.objects.create(
            organization_id=self.source.organization_id,
            blocked_values=["email:test@example.com", f"phone:{self.phone.value}"],
        )

    def asks(self, identifier: Identifier | None = None) -> UUID:
        """Ask to be forgotten."""
        asked = erasures.request(self.source, identifier or self.email, clock.now())
        assert asked is not None
        return asked[0]

    def is_erased(self, identifier: Identifier | None = None) -> Erasure:
        """Ask to be forgotten, and be."""
        id_ = self.asks(identifier)
        erasure.erase(id_)
        return Erasure.objects.get(pk=id_)


def _log(user: User, row: Model, mark: str) -> None:
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=f"{row} {mark}"[:200],
        action_flag=CHANGE,
        change_message=mark,
    )


def tables() -> list[str]:
    """Every table of the database; partitions count as the table that they are part of."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return [name for (name,) in cursor.fetchall()]


def traces(*marks: str) -> dict[str, int]:
    """Search all rows of all tables; return how many of which have one of the marks."""
    found = {}
    for table in tables():
        with connection.cursor() as cursor:
            cursor.execute(
                f'SELECT count(*) FROM "{table}" AS it WHERE it::text LIKE ANY(%s)',
                [[f"%{mark}%" for mark in marks]],
            )
            if count := (cursor.fetchone() or (0,))[0]:
                found[table] = count
    return found


def rows_of(organization_id: UUID, models: Iterable[type[Model]]) -> dict[str, list[dict]]:
    """Return all rows of an organization."""
    return {
        model.__name__: sorted(
            model._default_manager.filter(organization_id=organization_id).values(), key=str
        )
        for model in models
    }
