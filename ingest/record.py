"""Pure: `Record`, the one canonical form of "something happened", and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from identity.identifiers import Identifier
from keystone.source import Source
from orders.lifecycle import Touched

#: Why a record that was answered OK is not kept (DESIGN §2, promise 6). Closed.
DROP_REASONS = ("late", "bot", "suspended", "suppressed", "over_limit")

#: What events are, whatever a protocol calls them.
KINDS = ("track", "page", "identify", "screen", "group", "alias")

#: Text that is shown is cut (DESIGN §4).
URL_MAX, NAME_MAX, USER_AGENT_MAX = 2_048, 255, 512


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that happened, as every dialect says it. Made by dialects, never changed."""

    source: Source
    door: str  # "ingest", "tenant_batch", …: for the tally and the failed-event inbox
    dialect: str  # "cdp", "crow", "croct", "segment"
    kind: str  # one of KINDS
    type: str  # as the client called it
    name: str
    #: Who did it, by the message's own words; strongest first, at least one, no kind twice
    #: unless the message says so.
    identifiers: tuple[Identifier, ...]
    #: Addresses among an identify's attributes: linked unless another anchor has them.
    mentions: tuple[Identifier, ...] = ()
    message_id: str | None = None
    #: 16-byte digest of the content, where there is no message id; decides what "the same" is.
    content: bytes = b""
    #: 0 for the first, 1 for the second … of equal items in one body.
    ordinal: int = 0
    #: The client's own clock, uncorrected (epoch ms); None when absent or unusable
    #: (before 2000, or more than 24 h ahead of us).
    client_ms: int | None = None
    occurred_at: datetime  # corrected (DESIGN §5)
    received_at: datetime
    session_id: str | None = None  # the SDK's
    url: str = ""
    context: bytes = b"{}"  # JSON object
    payload: bytes = b"{}"  # JSON object
    #: What the event says of the person: a patch of keystone.md §6.
    attributes: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    raw: bytes = b""  # the item as it came, for the failed-event inbox


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: where, a machine word, a sentence."""

    loc: tuple[str | int, ...]
    code: str
    message: str


class Rejected(msgspec.Struct, frozen=True):
    """An item of a body that is no record: refused in its place, its neighbours are kept."""

    errors: tuple[FieldError, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one record. `status`: stored, duplicate, dropped or failed."""

    status: str
    event_id: UUID
    profile_id: UUID | None = None
    profile_kind: str | None = None  # "shadow" or "anchor"
    merged_profile_ids: Sequence[UUID] = ()
    is_pending: bool = False  # a part of the merge is left to `collapse_profiles`
    changes: int = 0
    order: Touched | None = None
    warnings: tuple[str, ...] = ()
    error: FieldError | None = None  # only where status is "failed"
    reason: str | None = None  # only where it is "dropped": one of DROP_REASONS
