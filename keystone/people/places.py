"""Where personal data lives: the closed list that erasure and export work through.

Whoever adds a table adds a place here, or says in `NOTHING_PERSONAL` why it needs none: a test
looks at every table of the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from django.db.models import Model

from identity.models import (
    AttributeChange,
    AttributeOp,
    Identifier,
    IdentityPolicy,
    Merge,
    Profile,
    ProfileWork,
    Refusal,
)
from ingest.models import Event, FailedEvent
from orders.models import Order, OrderOp


class Place(NamedTuple):
    """A table: how to find what it holds of one person, to erase it and to export it."""

    #: In certificates and exports.
    name: str
    model: type[Model]
    #: What `mine.id` is: the key of each of the person's identifiers, or the id of each profile
    #: that the person consists of.
    by: Literal["keys", "profiles"]
    #: SQL: FROM and WHERE that find the rows `it` of one `mine.id`, by an index.
    rows: str
    #: SQL: what is written over a row, and which rows still need it; "": rows are deleted.
    #: `at` is the time of the erasure, `ids` are all of `mine.id` at hand.
    emptied: str = ""
    needed: str = "true"
    #: Erased in the first transaction, under the lock of the person, in the order of this list.
    at_once: bool = False
    is_exported: bool = True
    #: SQL: which of the rows an export shows; `person` is the profile that the others joined.
    exported: str = "true"
    #: Columns that an export leaves out, and SQL that it shows in the place of a column.
    hidden: tuple[str, ...] = ()
    instead: Mapping[str, str] = {}
    #: When a row was written: what was written while somebody else was part of the person may
    #: tell of that other, and no export shows it.
    written_at: str = ""

    @property
    def table(self) -> str:
        """The table's name."""
        return self.model._meta.db_table


# Who was one with the person until that was taken back, and whoever they were part of meanwhile:
# what was written of them between `since` and `until`, or by the undo, may tell of our person.
# Transactions around these may have read the clock before they waited for a lock, and a long
# history is folded again a moment after the undo.
_APART = """(
    WITH RECURSIVE apart (id, merge_id, since, until) AS (
        SELECT CASE winner_id WHEN mine.id THEN loser_id ELSE winner_id END, id,
               at - interval '1 minute', undone_at + interval '10 minutes'
        FROM merge WHERE (winner_id = mine.id OR loser_id = mine.id) AND undone_at IS NOT NULL
        UNION
        SELECT winner_id, merge_id, GREATEST(since, at - interval '1 minute'),
               LEAST(until, undone_at + interval '10 minutes')
        FROM apart JOIN merge ON loser_id = apart.id
        WHERE at < until AND COALESCE(undone_at, until) >= since
    )
    SELECT apart.* FROM apart JOIN profile USING (id) WHERE erased_at IS NULL
) AS apart"""
_HAS_PERSON = (
    "EXISTS (SELECT FROM identifier WHERE key = it.{} AND profile_id = %(person)s::uuid)".format
)
_IS_PART = """EXISTS (
    SELECT FROM profile
    WHERE id = it.loser_id AND COALESCE(merged_into, id) = %(person)s::uuid)"""

PLACES = (
    # A value that names nobody may name somebody who wants to be forgotten. While it is known:
    # before the identifiers.
    Place(
        "blocked_values",
        IdentityPolicy,
        "profiles",
        """identifier AS named JOIN identity_policy AS it ON it.org_id = named.org_id
           AND it.blocked_values @> ARRAY[named.kind || ':' || named.value]::varchar[]
           WHERE named.profile_id = mine.id""",
        emptied="""blocked_values = ARRAY(
            SELECT said FROM unnest(it.blocked_values) AS said WHERE said NOT IN (
                SELECT kind || ':' || value FROM identifier
                WHERE profile_id = ANY(%(ids)s::uuid[])))""",
        at_once=True,
        is_exported=False,
    ),
    # The digest stays: the tombstone by which late events of the person are known.
    Place(
        "identifiers",
        Identifier,
        "profiles",
        "identifier AS it WHERE it.profile_id = mine.id",
        emptied="""value = '', status = 'erased', event_id = NULL, linked_at = %(at)s,
                   first_seen = %(at)s, last_seen = %(at)s""",
        needed="(it.status <> 'erased' OR it.value <> '')",
        at_once=True,
    ),
    # With a new version: whoever has read the attributes and is about to write them loses.
    Place(
        "profiles",
        Profile,
        "profiles",
        "profile AS it WHERE it.id = mine.id",
        emptied="""attributes = '{}', mentioned = '{}', version = it.version + 1,
                   erased_at = %(at)s, first_seen = %(at)s, last_seen = %(at)s""",
        needed="(it.erased_at IS NULL OR it.attributes <> '{}' OR it.mentioned <> '{}')",
        at_once=True,
        hidden=("mentioned", "version"),
    ),
    # Nobody becomes part of an erased person any more.
    Place(
        "work",
        ProfileWork,
        "profiles",
        """profile_work AS it
           WHERE it.done_at IS NULL AND (it.profile_id = mine.id OR it.other_id = mine.id)""",
        emptied="done_at = %(at)s, error = 'the person was erased'",
        at_once=True,
        is_exported=False,
    ),
    Place(
        "operations",
        AttributeOp,
        "keys",
        "attribute_op AS it WHERE it.actor_key = mine.id",
    ),
    Place(
        "lineage",
        AttributeChange,
        "profiles",
        "attribute_change AS it WHERE it.profile_id = mine.id",
        written_at="recorded_at",
    ),
    Place(
        "lineage_of_others",
        AttributeChange,
        "profiles",
        f"""{_APART} JOIN attribute_change AS it ON it.profile_id = apart.id
            AND (it.recorded_at BETWEEN apart.since AND apart.until
                 OR it.merge_id = apart.merge_id) WHERE true""",
        is_exported=False,
    ),
    # What the attributes were is in the operations too, and there without those of others.
    Place(
        "merges",
        Merge,
        "profiles",
        "merge AS it WHERE (it.winner_id = mine.id OR it.loser_id = mine.id)",
        emptied="attributes_before = '{}'",
        needed="it.attributes_before <> '{}'",
        exported=f"(it.loser_id = mine.id OR NOT {_IS_PART})",
        hidden=("attributes_before", "by", "undone_by"),
    ),
    Place(
        "merges_of_others",
        Merge,
        "profiles",
        f"""{_APART} JOIN merge AS it ON (it.winner_id = apart.id OR it.loser_id = apart.id)
            AND it.at BETWEEN apart.since AND apart.until WHERE true""",
        emptied="attributes_before = '{}'",
        needed="it.attributes_before <> '{}'",
        is_exported=False,
    ),
    Place(
        "refusals",
        Refusal,
        "keys",
        "refusal AS it WHERE (it.subject_key = mine.id OR it.other_key = mine.id)",
        exported=f"(it.subject_key = mine.id OR NOT {_HAS_PERSON('subject_key')})",
        hidden=("fingerprint", "subject_key", "other_key", "decided_by"),
        instead={
            name: f"CASE WHEN {_HAS_PERSON(f'{name}_key')} THEN it.{name} END"
            for name in ("subject", "other")
        },
    ),
    # Orders are the shop's books. They stay, and are nobody's.
    Place(
        "order_operations",
        OrderOp,
        "keys",
        "order_op AS it WHERE it.actor_key = mine.id",
        emptied="actor_key = NULL",
    ),
    Place(
        "orders",
        Order,
        "keys",
        '"order" AS it WHERE it.actor_key = mine.id',
        emptied="actor_key = NULL, state = it.state - 'owner'",
        instead={"state": "it.state - 'owner' - 'others'"},
    ),
    Place("events", Event, "keys", "event AS it WHERE it.actor_key = mine.id"),
    # The first key is the actor's, whose event it is; the others are named in the body.
    Place(
        "failed_events",
        FailedEvent,
        "keys",
        "failed_event AS it WHERE it.actor_keys @> ARRAY[mine.id]",
        exported="it.actor_keys[1] = mine.id",
        hidden=("actor_keys",),
    ),
)

#: All of `mine.id`, by `Place.by`.
MINE = {
    "profiles": "SELECT id FROM profile WHERE id = %(person)s OR merged_into = %(person)s",
    "keys": "SELECT key FROM identifier WHERE profile_id = %(person)s",
}
#: Staff's acts in the admin, which are kept without the name of what they were done to: whenever
#: a row of a place is erased, what the log calls it is emptied.
ADMIN_LOG = "admin_log"

_STAFF = "staff, who are not the people that this is about"
_DJANGO = "Django's own"
#: Every other table, and why nothing in it is anybody's personal data.
NOTHING_PERSONAL = {
    "organization": "the tenant: its name and secret",
    "api_key": "keys of the organization, as digests",
    "application": "a name and origins of the organization",
    "membership": _STAFF,
    "receipt": "digests, ids and a time; without it a repeat of a message that says no time would"
    " be a new event",
    "cannot_link": "ids of two profiles",
    "erasure": "a digest, ids and counts: the certificate",
    "tally": "counts",
    "line_item": "what orders are made of, which are nobody's any more",
    "cart_join": "digests of carts and orders",
    "product": "what is sold",
    "order_policy": "rules of the organization",
    "django_admin_log": f"emptied with what it is about ({ADMIN_LOG})",
    "django_content_type": _DJANGO,
    "django_migrations": _DJANGO,
    "django_session": _STAFF,
    "auth_group": _DJANGO,
    "auth_group_permissions": _DJANGO,
    "auth_permission": _DJANGO,
    "auth_user": _STAFF,
    "auth_user_groups": _STAFF,
    "auth_user_user_permissions": _STAFF,
    "axes_accessattempt": f"failed logins: {_STAFF}",
    "axes_accessattemptexpiration": f"failed logins: {_STAFF}",
    "axes_accessfailurelog": f"failed logins: {_STAFF}",
    "axes_accesslog": f"logins: {_STAFF}",
}
