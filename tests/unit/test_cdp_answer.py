from __future__ import annotations

from uuid import UUID

import msgspec

from ingest.dialects import cdp
from ingest.record import FieldError, Outcome, Rejected
from tests.unit.cdp import record

ID = UUID(int=3)
STORED = Outcome(status="stored", event_id=ID, profile_id=UUID(int=4), profile_kind="anchor")


def answer(*outcomes, public=False, single=True, items=None):
    return cdp.answer(items or [record()] * len(outcomes), outcomes, public=public, single=single)


def test_a_secret_key_is_told_who_it_was_and_what_changed():
    merged = msgspec.structs.replace(STORED, merged_profile_ids=[UUID(int=5)], changes=2)
    assert answer(merged) == (
        200,
        {
            "status": "processed",
            "event_id": str(ID),
            "profile_id": str(UUID(int=4)),
            "profile_type": "anchor",
            "merged": True,
            "merge": "done",
            "merged_profile_ids": [str(UUID(int=5))],
            "changes": 2,
            "order": None,
            "duplicate": False,
        },
    )


def test_a_public_key_learns_nothing_about_people():
    warned = msgspec.structs.replace(STORED, status="duplicate", warnings=("x",))
    assert answer(warned, public=True) == (
        200,
        {"status": "processed", "event_id": str(ID), "duplicate": True},
    )


def test_warnings_are_told_once():
    item = record(identity="null")
    warned = msgspec.structs.replace(STORED, warnings=(*item.warnings, "and this"))
    _, body = answer(warned, items=[item])
    assert body["warnings"] == [*item.warnings, "and this"]
    assert "merge" in body
    assert body["merge"] is None


def test_a_rejected_event_is_answered_422_with_its_fields():
    item = Rejected((FieldError(("payload", 0), "wrong_type", "not a JSON object"),))
    assert answer(items=[item]) == (
        422,
        {
            "detail": "not a JSON object",
            "code": "invalid_event",
            "errors": [
                {"loc": ("payload", 0), "code": "wrong_type", "message": "not a JSON object"}
            ],
        },
    )


def test_an_event_that_could_not_be_stored_is_answered_422():
    fault = FieldError(("payload",), "unstorable", "PostgreSQL refuses it")
    failed = Outcome(status="failed", event_id=ID, error=fault)
    status, body = answer(failed)
    assert (status, body["code"], body["errors"][0]["code"]) == (422, "failed_event", "unstorable")


def test_a_batch_is_answered_item_by_item_in_order():
    bad = Rejected((FieldError((), "wrong_type", "not a JSON object"),))
    status, body = answer(STORED, STORED, items=[record(), bad, record()], single=False)
    assert status == 200
    assert [one["status"] for one in body["results"]] == ["processed", "error", "processed"]
    assert body["results"][1]["code"] == "invalid_event"
    assert answer(items=[], single=False) == (200, {"results": []})
