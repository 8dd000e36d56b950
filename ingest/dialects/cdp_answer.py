"""Pure: what Keystone's own door answers (keystone.md §2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ingest.record import FieldError, Outcome, Record, Rejected


def answer(
    items: Sequence[Record | Rejected], outcomes: Iterable[Outcome], *, public: bool, single: bool
) -> tuple[int, dict[str, Any]]:
    """Return status and body for items and, in the same order, the outcomes of those not rejected.

    A public key learns nothing about people (keystone.md §2).
    """
    outcome = iter(outcomes)
    results = [
        _refused(item.errors)
        if isinstance(item, Rejected)
        else _result(item, next(outcome), public=public)
        for item in items
    ]
    if not single:
        return 200, {"results": results}
    result = results[0]
    if result["status"] != "error":
        return 200, result
    return 422, {
        "detail": result["errors"][0]["message"],
        "code": result["code"],
        "errors": result["errors"],
    }


def _result(record: Record, outcome: Outcome, *, public: bool) -> dict[str, Any]:
    if outcome.error:
        return _refused((outcome.error,), code="failed_event")
    duplicate = outcome.status == "duplicate"
    result = {"status": "processed", "event_id": str(outcome.event_id), "duplicate": duplicate}
    if public:
        return result  # not that somebody was erased either
    if outcome.reason:
        return {**result, "status": "dropped", "reason": outcome.reason}
    merged = [str(id_) for id_ in outcome.merged_profile_ids]
    result |= {
        "profile_id": str(outcome.profile_id),
        "profile_type": outcome.profile_kind,
        "merged": bool(merged),
        "merge": "pending" if outcome.is_pending else "done" if merged else None,
        "merged_profile_ids": merged,
        "changes": outcome.changes,
        "order": outcome.order and msgspec.to_builtins(outcome.order),
    }
    if warnings := [*dict.fromkeys((*record.warnings, *outcome.warnings))]:
        result["warnings"] = warnings
    return result


def _refused(errors: tuple[FieldError, ...], code: str = "invalid_event") -> dict[str, Any]:
    return {"status": "error", "code": code, "errors": [msgspec.to_builtins(e) for e in errors]}
