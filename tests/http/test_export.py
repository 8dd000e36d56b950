"""`GET /v1/profiles/{id}/export`: everything about one person, and nothing about anybody else."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from identity.models import AttributeChange
from identity.work import merge_by_hand, undo_by_hand
from keystone.people import export
from keystone.people.places import PLACES
from keystone.source import Source
from tests.db.traces import Somebody
from tests.http.echo import NewKey
from tests.http.sending import code_of, make_tenant
from tests.http.stored import after, get, store_events
from tests.make import Keys

Line = dict[str, Any]
TOLD = [place.name for place in PLACES if place.is_exported]


@pytest.fixture
def ana(source: Source) -> Somebody:
    somebody = Somebody(source)
    somebody.lives()
    return somebody


@pytest.fixture
def bob(source: Source) -> Somebody:
    somebody = Somebody(source)
    somebody.lives()
    return somebody


def text_of(keys: Keys, somebody: Somebody) -> str:
    answer = get(keys.admin, f"/v1/profiles/{somebody.profile.id}/export")
    assert answer.status_code == 200, answer
    return b"".join(answer.streaming_content).decode()


def lines_of(keys: Keys, somebody: Somebody) -> list[Line]:
    return [json.loads(line) for line in text_of(keys, somebody).splitlines()]


def of_place(place: str, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["place"] == place]


def test_every_place_is_told_and_counted_in_the_last_line(keys, ana, bob):
    ana.shares(bob)
    *lines, end = lines_of(keys, ana)
    assert end == {"place": "end", "counts": {**dict.fromkeys(TOLD, 0), **_count(lines)}}
    assert set(_count(lines)) == set(TOLD) - {"orders", "order_operations"}


def _count(lines: list[Line]) -> dict[str, int]:
    return dict(Counter(line["place"] for line in lines))


def test_it_is_a_file_of_lines(keys, ana):
    answer = get(keys.admin, f"/v1/profiles/{ana.profile.id}/export")
    assert answer["Content-Type"] == "application/x-ndjson"
    name = f"person-{ana.profile.id}.ndjson"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["Cache-Control"] == "no-store"


def test_whoever_asks_for_lines_gets_lines(keys, ana):
    headers = {"X-API-Key": keys.admin, "Accept": "application/x-ndjson"}
    answer = Client().get(f"/v1/profiles/{ana.profile.id}/export", headers=headers)
    assert b"".join(answer.streaming_content).endswith(b"}}\n")


def test_identifiers_and_attributes_are_told(keys, ana):
    lines = lines_of(keys, ana)
    values = {(line["kind"], line["value"]) for line in of_place("identifiers", lines)}
    assert values == {(each.kind, each.value) for each in ana.identifiers}
    (person,) = [line for line in of_place("profiles", lines) if not line["merged_into"]]
    assert person["attributes"] == ana.profile.attributes
    said = [line["patch"] for line in of_place("operations", lines)]
    assert {"name": ana.mark, "city": "Rome"} in said


def test_events_are_told_as_they_were_stored(keys, ana):
    lines = of_place("events", lines_of(keys, ana))
    assert len(lines) == 7
    for line in lines:
        assert line["payload"] == {"note": ana.mark}
        assert line["context"] == {"user_agent": ana.mark, "referrer": ana.mark}
        assert line["url"].endswith(ana.mark)
        assert line["occurred_at"].endswith("Z")


def test_numbers_keep_their_digits(organization, keys, ana):
    ana.does(payload=b'{"price": 19.90, "big": 12345678901234567890}')
    assert '{"big": 12345678901234567890, "price": 19.90}' in text_of(keys, ana)


def test_failed_events_are_told_with_their_bodies(keys, ana):
    (line,) = of_place("failed_events", lines_of(keys, ana))
    assert json.loads(line["raw"]) == {"said": ana.mark, "phone": ana.phone.value}


def test_lineage_and_merges_are_told(keys, ana):
    lines = lines_of(keys, ana)
    assert {tuple(line["path"]) for line in of_place("lineage", lines)} >= {("name",), ("city",)}
    merged = of_place("merges", lines)
    assert len(merged) == len(of_place("profiles", lines)) - 1


def test_of_a_refusal_only_the_own_side_is_told(keys, ana, bob):
    ana.shares(bob)
    lines = of_place("refusals", lines_of(keys, ana))
    reasons = {line["reason"]: (line["subject"], line["other"]) for line in lines}
    assert reasons["shared_device"] == (f"anonymous_id:{ana.cookie.value}", None)


def test_nobody_else_is_told_of(keys, ana, bob):
    ana.shares(bob)
    bob.fails(bob.email, ana.cookie)
    told = text_of(keys, ana)
    assert not any(mark in told for mark in bob.marks)


def test_nothing_is_told_of_somebody_who_was_part_of_the_person(keys, ana, bob):
    own = {"organization_id": ana.source.organization_id, "by": "staff ada"}
    joined = merge_by_hand(winner_id=ana.profile.id, loser_id=bob.profile.id, **own)
    bob.does(bob.crm_id, attributes={"note": bob.mark})
    undo_by_hand(merge_id=joined.merge_id, **own)
    lineage = AttributeChange.objects.filter(profile_id=ana.profile.id)
    assert lineage.filter(new__icontains=bob.mark).exists()
    told = text_of(keys, ana)
    assert not any(mark in told for mark in bob.marks)
    assert ana.mark in told


def test_no_staff_are_named(keys, ana, bob):
    own = {"organization_id": ana.source.organization_id, "by": "staff ada"}
    merge_by_hand(winner_id=ana.profile.id, loser_id=bob.profile.id, **own)
    assert "staff ada" not in text_of(keys, ana)


def test_the_id_of_a_merged_away_profile_tells_the_survivor(keys, ana):
    merged = of_place("merges", lines_of(keys, ana))[0]["loser_id"]
    answer = get(keys.admin, f"/v1/profiles/{merged}/export")
    assert str(ana.profile.id) in answer["Content-Disposition"]


def test_many_rows_are_read_page_by_page(organization, keys, ana):
    times = [after(minute) for minute in range(export.PAGE * 2 + 50)]
    store_events(organization, *times, who=ana.email)
    store_events(organization, *times, who=ana.crm_id)
    lines = of_place("events", lines_of(keys, ana))
    assert len({line["id"] for line in lines}) == len(lines) == 7 + 2 * len(times)


def test_a_page_is_one_statement(organization, keys, ana):
    times = [after(minute) for minute in range(export.PAGE * 3)]
    store_events(organization, *times, who=ana.email)
    with CaptureQueriesContext(connection) as statements:
        text_of(keys, ana)
    pages = [each["sql"] for each in statements if "FROM event AS it" in each["sql"]]
    assert len(pages) == 4


def test_many_identifiers_are_looked_for_together(keys, ana):
    with CaptureQueriesContext(connection) as few:
        text_of(keys, ana)
    for number in range(20):
        ana.does(ana.email, Somebody(ana.source).cookie, name=f"Device {number}")
    with CaptureQueriesContext(connection) as many:
        lines = lines_of(keys, ana)
    assert len(of_place("identifiers", lines)) == 26
    assert len(many) == len(few)


def test_another_organizations_people_are_not_found(ana):
    other = make_tenant()
    answer = get(other.keys.admin, f"/v1/profiles/{ana.profile.id}/export")
    assert code_of(answer) == (404, "not_found")


@pytest.mark.parametrize("id_", ["nothing", str(UUID(int=7))])
def test_who_never_was_is_not_found(keys, id_):
    assert code_of(get(keys.admin, f"/v1/profiles/{id_}/export")) == (404, "not_found")


def test_who_was_erased_is_not_found(keys, ana):
    ana.is_erased()
    answer = get(keys.admin, f"/v1/profiles/{ana.profile.id}/export")
    assert code_of(answer) == (404, "not_found")


@pytest.mark.parametrize("scope", ["ingest", "viewer"])
def test_only_editors_export(new: NewKey, ana, scope):
    key = new("integration", scope)
    assert code_of(get(key, f"/v1/profiles/{ana.profile.id}/export")) == (403, "forbidden")


def test_an_editor_exports(new: NewKey, ana):
    answer = get(new("integration", "editor"), f"/v1/profiles/{ana.profile.id}/export")
    assert answer.status_code == 200
