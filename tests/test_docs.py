"""The documents tell the truth: every route, setting, reason and file they name, and no fewer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from ingest import decoding, record
from ingest.dialects import cdp
from keystone.celery import app

ROOT = Path(__file__).parent.parent
DOCS = {path: path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]}
EVERYTHING = "\n".join(DOCS.values())
OPERATIONS = DOCS[ROOT / "docs/operations.md"]
INGEST = DOCS[ROOT / "docs/protocols/ingest.md"]


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    """List our own routes, as people write them; the admin's are Django's."""
    found: list[str] = []
    for pattern in patterns:
        path = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            found += [] if path == "admin/" else routes(pattern.url_patterns, path)
        else:
            found.append(f"/{path}")
    return found


@pytest.mark.parametrize("route", routes(get_resolver().url_patterns))
def test_every_route_is_documented(route: str) -> None:
    written = re.escape(route).replace(r"\{", r"\{").replace("_id", "(_id)?")
    assert re.search(re.sub(r"\\\{\w+\\\}", r"\\{\\w+\\}", written), EVERYTHING)


SETTINGS = (ROOT / "keystone/settings.py").read_text() + (ROOT / "keystone/up.py").read_text()


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"""\b(?:env|env_int|env_bool)\(\s*"([A-Z_]+)\"""", SETTINGS)))
)
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in OPERATIONS


@pytest.mark.parametrize("name", re.findall(r"^\| `([A-Z_]+)` \|", OPERATIONS, re.MULTILINE))
def test_every_documented_setting_exists(name: str) -> None:
    assert f'"{name}"' in SETTINGS


@pytest.mark.parametrize("reason", record.DROP_REASONS)
def test_every_drop_reason_is_documented(reason: str) -> None:
    assert f"`{reason}`" in OPERATIONS


@pytest.mark.parametrize("task", [entry["task"] for entry in app.conf.beat_schedule.values()])
def test_every_scheduled_task_is_documented_and_exists(task: str) -> None:
    app.loader.import_default_modules()
    assert task in app.tasks
    assert f"`{task.rsplit('.', 1)[1]}`" in OPERATIONS


def field_codes() -> set[str]:
    """Collect the machine words that the door's parsing modules refuse fields with."""
    modules = [decoding.__file__, cdp.__file__, *map(str, ROOT.glob("ingest/fields.py"))]
    modules += [str(path) for path in ROOT.glob("identity/identifiers.py")]
    source = "".join(Path(str(module)).read_text() for module in modules)
    return set(re.findall(r'(?:refuse|Unusable|FieldError|_Fault)\(\s*"([a-z_]+)"', source))


@pytest.mark.parametrize("code", sorted(field_codes()))
def test_every_field_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in INGEST


@pytest.mark.parametrize("path", {*DOCS, *ROOT.glob("*.md")}, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_every_file_of_the_walk_exists() -> None:
    walk = DOCS[ROOT / "docs/architecture.md"]
    named = re.findall(r"\*\*`([\w/]+\.py)`\*\*", walk)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_walk_names_the_pipelines_steps_in_their_order() -> None:
    """What `process` calls, in the order it does, is what the document says."""
    source = (ROOT / "ingest/pipeline.py").read_text()
    steps = ["receipts.settle", "events.insert", "resolve(", "apply_operations(", "tally.count"]
    assert sorted(steps, key=source.index) == steps
    walk = DOCS[ROOT / "docs/architecture.md"]
    files = ["ingest/receipts.py", "ingest/events.py", "identity/resolve.py"]
    files += ["identity/lineage.py", "ingest/tally.py"]
    assert sorted(files, key=walk.index) == files


@pytest.mark.parametrize(
    "target", re.findall(r"^(\w+):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
)
def test_every_make_target_is_documented(target: str) -> None:
    assert f"`make {target}`" in DOCS[ROOT / "docs/development.md"]


def test_the_readme_is_short() -> None:
    assert len(DOCS[ROOT / "README.md"].splitlines()) <= 120
