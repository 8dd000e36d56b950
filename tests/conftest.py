"""One database for a run; every test makes its own organization and commits for real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from psycopg.conninfo import make_conninfo
from pytest_django import DjangoDbBlocker

from ingest import partitions
from keystone import clock
from keystone.models import Organization
from keystone.source import Source
from tests.embedded_servers import OURS
from tests.live import Up, free_port
from tests.make import Keys, make_keys, make_organization, make_source


def pytest_configure() -> None:
    """Trade strength for speed where a test gains nothing from it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Pages are rendered without a `collectstatic` before them.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one `live` in one process of xdist's: starting it takes seconds."""
    for item in items:
        if "live" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("live"))


@pytest.fixture(scope="session", autouse=True)
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,  # xdist's workers have one each
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Make the database and open it to all tests and threads. Replaces pytest-django's fixture,
    which makes one only for tests with its mark, and rolls theirs back.
    """
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        partitions.add_ahead(clock.now())
        yield
        with connection.cursor() as cursor:  # threads of ours would keep it from being dropped
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        teardown_databases(made, verbosity=0)


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def source(organization: Organization) -> Source:
    """The holder of a secret key."""
    return make_source(organization)


@pytest.fixture
def public_source(organization: Organization) -> Source:
    """The page that carries a public key, of the same organization as `source`."""
    return make_source(organization, "tracker")


@pytest.fixture
def keys(organization: Organization) -> Keys:
    """Raw keys of `organization`."""
    return make_keys(organization)


@pytest.fixture(scope="session")
def up_environ() -> Iterator[dict[str, str]]:
    """The variables for an `up` of a test: its own servers, or its own database on those given."""
    given = {"DATABASE_URL", "REDIS_URL"} if OURS not in os.environ else set()
    ours = {"KEYSTONE_VAR_DIR", "KEYSTONE_URL", "HOST", "PORT", "DATABASE_URL", "REDIS_URL", OURS}
    environ = {name: value for name, value in os.environ.items() if name not in ours - given}
    if not given:
        yield environ
        return
    name, url = f"keystone_live_{free_port()}", os.environ["DATABASE_URL"]
    yield {**environ, "DATABASE_URL": make_conninfo(url, dbname=name)}
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, up_environ: dict[str, str]) -> Iterator[Up]:
    """A running `manage.py up` with its demo organization, one for all tests of a process."""
    var: Path = tmp_path_factory.mktemp("live") / "var"
    up = Up(var, up_environ)
    try:
        yield up.wait_until_up()
    finally:
        up.end()
