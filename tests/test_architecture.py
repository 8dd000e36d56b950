"""What keeps the house in shape: floors, sizes, names, migrations, lock files."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

from keystone.sql_migrations import RunSqlFile

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
APPS = ("keystone", "ingest", "identity", "orders", "replay", "tracker_static")
TOP = {
    *("manage.py", "pyproject.toml", "README.md", *APPS, "tests"),
    *("docs", "Makefile", "requirements.lock", "requirements-dev.lock"),
    *("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
}
GENERATED = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
CODE = {".py", ".sql", ".js", ".css", ".html"}
MAX_LINES = 300


def files() -> Iterator[Path]:
    """Every file of ours below the apps and tests, as a path from the top."""
    for folder in (*APPS, "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            ours = path.relative_to(ROOT)
            if path.is_file() and not any(is_generated(part) for part in ours.parts):
                yield ours


def is_generated(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in GENERATED)


def test_imports_point_down_and_pure_modules_are_pure() -> None:
    # In a process of its own: it silences all loggers of the one it runs in.
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_module_of_the_ground_app_has_a_floor() -> None:
    floors = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    named = set(re.findall(r"keystone\.(\w+)", " ".join(floors)))
    folder = ROOT / "keystone"
    present = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    homeless = present - named - {"__init__"}
    assert not homeless, f"name these in the first contract of [tool.importlinter]: {homeless}"


def test_the_top_level_is_the_fixed_one() -> None:
    present = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    strangers = {name for name in present - TOP if not is_generated(name)}
    assert not strangers, f"put these into an app, docs/ or tests/: {strangers}"
    assert not TOP - present


def test_no_file_is_longer_than_people_like_to_read() -> None:
    code = [path for path in files() if path.suffix in CODE and "migrations" not in path.parts]
    lines = {str(path): (ROOT / path).read_text().count("\n") for path in code}
    long = {path: count for path, count in lines.items() if count > MAX_LINES}
    assert not long, f"split these by noun: {long}"


def test_every_module_is_named_after_something_of_the_domain() -> None:
    empty = re.compile(r"(utils?|helpers?|services?|managers?|common|misc)")
    names = {(path.stem, *path.parts[:-1]): path for path in files()}
    vague = [str(path) for parts, path in names.items() if any(map(empty.fullmatch, parts))]
    assert not vague, f"name these after what they are for: {vague}"


def test_each_sql_file_is_used_by_exactly_one_migration() -> None:
    migrations = MigrationLoader(None).disk_migrations.values()
    operations = [step for migration in migrations for step in migration.operations]
    used = Counter(step.path for step in operations if isinstance(step, RunSqlFile))
    present = {path for app in APPS for path in (ROOT / app).glob("migrations/sql/*.sql")}
    wrong = {str(path.relative_to(ROOT)): used[path] for path in present if used[path] != 1}
    assert not wrong, (
        f"times used: {wrong}. 0: write a migration with RunSqlFile(__file__, name). "
        "More: SQL files never change and never run twice, so copy it to a new name."
    )


def test_no_migration_is_missing() -> None:
    try:
        call_command("makemigrations", "--check", "--dry-run", verbosity=1)
    except SystemExit:
        pytest.fail("models changed: run `manage.py makemigrations` and commit what it writes")


def test_the_changelog_begins_with_the_version_that_is_being_made() -> None:
    newest = re.search(r"^## v(\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == PYPROJECT["project"]["version"]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_pin_everything_by_hash_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    pinned = re.compile(r"[\w.\[\]-]+==[^\s;]+( ;[^-]*)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [line for line in lines if not pinned.match(line)] == []
    assert "://" not in text
