"""`/v1/schema/`, `/v1/docs/` and docs/read-api.md say what the routes are and answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from jsonschema import Draft202012Validator

from identity.identifiers import EMAIL, Identifier
from keystone.openapi import ErrorAnswer
from keystone.people import erasures
from keystone.reading import ReadView
from tests.http.bought import buy
from tests.http.stored import (
    MORNING,
    after,
    get,
    store_events,
    store_merge,
    store_profile,
    store_tally,
)
from tests.make import make_source

DOCS = (Path(__file__).parents[2] / "docs" / "read-api.md").read_text()
ANA = Identifier(EMAIL, "ana@example.com")


def routes(patterns=None, prefix="/") -> Iterator[str]:
    """Every route that reads, as OpenAPI writes it."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and issubclass(
            getattr(pattern.callback, "view_class", object), ReadView
        ):
            yield route


@pytest.fixture
def schema():
    return Client().get("/v1/schema/").json()


def reads(schema) -> dict[str, dict]:
    """The operations that read, by path; what is no JSON is no answer but a file."""
    operations = {path: item["get"] for path, item in schema["paths"].items() if "get" in item}
    return {
        path: operation
        for path, operation in operations.items()
        if "application/json" in operation["responses"]["200"]["content"]
    }


def validator(schema, path) -> Draft202012Validator:
    answer = schema["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    return Draft202012Validator({**answer["schema"], "components": schema["components"]})


def test_the_schema_is_openapi_3_1_and_was_made_without_a_warning(schema):
    assert schema["openapi"].startswith("3.1")
    assert not GENERATOR_STATS


def test_every_route_that_reads_is_in_the_schema(schema):
    assert set(reads(schema)) == set(routes()) != set()


def test_every_route_that_reads_is_in_the_documentation():
    documented = re.findall(r"^### `GET (\S+)`$", DOCS, re.MULTILINE)
    assert sorted(documented) == sorted(routes())


def test_every_parameter_is_described_and_documented(schema):
    for path, operation in reads(schema).items():
        section = DOCS.partition(f"### `GET {path}`")[2].partition("\n### ")[0]
        for parameter in operation["parameters"]:
            assert parameter["description"], (path, parameter)
            assert parameter["in"] == "path" or f"`{parameter['name']}`" in section, parameter


def test_every_route_describes_its_refusals_in_the_one_shape(schema):
    shape = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}
    for operation in reads(schema).values():
        responses = operation["responses"]
        assert {"200", "401", "403", "503"} <= set(responses)
        for status, response in responses.items():
            answered = response["content"]["application/json"]["schema"]
            assert (answered == shape) == (status != "200")


def test_every_route_asks_for_a_key_in_either_header(schema):
    for item in schema["paths"].values():
        for operation in item.values():
            assert operation["security"] == [{"X-API-Key": []}, {"Bearer": []}]


def test_what_the_routes_answer_is_what_the_schema_says(schema, organization, keys):
    profile = store_profile(organization, ANA, kind="anchor", attributes={"city": "Miami"})
    merged = store_profile(organization, merged_into=profile.id)
    event, _ = store_events(organization, MORNING, after(1), who=ANA)
    store_tally(organization, MORNING, "dropped:late", 1)
    filled = {"profile_id": merged.id, "event_id": event, "kind": "email", "value": ANA.value}
    filled["merge_id"] = store_merge(profile, merged).id
    buy(organization, 1, who=ANA, products=[{"id": 2}])
    filled |= {"order_id": 1, "product_id": 2}
    named = {"a": f"email:{ANA.value}", "b": "anonymous_id:cookie-1"}  # `explain` needs both
    asked = erasures.request(make_source(organization), ANA, MORNING)
    filled["erasure_id"], _ = asked
    for path in reads(schema):
        answer = get(keys.admin, path.format(**filled), limit=1, **named)
        assert answer.status_code == 200
        validator(schema, path).validate(answer.json())


def test_what_is_refused_is_what_the_schema_says(schema, keys):
    answer = get(keys.integration, "/v1/events", limit=0)
    error = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}
    Draft202012Validator({**error, "components": schema["components"]}).validate(answer.json())


def test_the_answers_in_the_documentation_are_what_the_schema_says(schema):
    sections = re.findall(r"^### `GET (\S+)`\n(.*?)```json\n(.*?)```", DOCS, re.M | re.S)
    assert len(sections) == len(reads(schema))
    for path, before, example in sections:
        assert "curl " in before, path
        validator(schema, path).validate(json.loads(example))


def test_the_page_needs_no_script_but_files_of_ours():
    page = Client().get("/v1/docs/", headers={"Accept": "text/html"}).content.decode()
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.S)
    sources = [re.search(r'src="(/[^"]+)"', attributes)[1] for attributes, _ in scripts]
    assert sources
    assert not "".join(inline for _, inline in scripts).strip()
    for source in sources:
        assert source.startswith("/v1/docs/") or finders.find(source.removeprefix("/static/"))


def test_the_pages_own_script_asks_for_the_schema():
    answer = Client().get("/v1/docs/?script=")
    assert answer["Content-Type"].startswith("application/javascript")
    assert b'url: "/v1/schema/"' in answer.content
