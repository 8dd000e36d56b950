"""pytest plugin (`-p tests.embedded_servers`): the tests' own PostgreSQL and Redis.

Started before Django reads its settings, once for a run (xdist's workers inherit the variables),
in a temporary folder; not at all where DATABASE_URL and REDIS_URL name other servers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from keystone import embedded
from keystone.processes import Family

#: xdist's workers, threads of concurrency tests, flushers.
CONNECTIONS = 200
#: Set when the servers are ours: `live` then brings up its own as well.
OURS = "KEYSTONE_TEST_SERVERS"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the servers before pytest-django, a plain hook, imports the settings."""
    asked = early_config.known_args_namespace
    if not (os.environ.get("PYTEST_XDIST_WORKER") or asked.help or asked.version):
        early_config.add_cleanup(_start().close)
    return (yield)


def _start() -> ExitStack:
    stack = ExitStack()
    var = Path(tempfile.mkdtemp(prefix="keystone-tests-"))
    stack.callback(shutil.rmtree, var, ignore_errors=True)
    stack.callback(embedded.forget_sockets, var)
    os.environ["KEYSTONE_VAR_DIR"] = str(var)
    log = stack.enter_context((var / "servers.log").open("w", buffering=1))
    family = stack.enter_context(Family(lambda line, name: print(name, line, file=log)))
    if not os.environ.get("DATABASE_URL"):
        embedded.start_postgresql(family, var, CONNECTIONS, durable=False)
        os.environ["DATABASE_URL"] = embedded.database_url(var)
        os.environ[OURS] = "1"
    if not os.environ.get("REDIS_URL"):
        embedded.start_redis(family, var)
        os.environ["REDIS_URL"] = embedded.redis_url(var)
    return stack
