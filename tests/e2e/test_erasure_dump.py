"""Somebody comes in by the real doors, is erased by the real worker, and is in no dump any more."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import redis

from keystone import cluster, embedded
from tests.e2e.test_docs_curl import CURL, Line, lines_of
from tests.live import Answer, Up

pytestmark = pytest.mark.xdist_group("live")

#: What PostgreSQL refuses, so that it is kept as a failed event.
REFUSE = """
CREATE FUNCTION refuse_some() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.name = 'Refused' THEN RAISE EXCEPTION USING ERRCODE = '22000'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_some BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION refuse_some()
"""
ACCEPT = "DROP TRIGGER refuse_some ON event; DROP FUNCTION refuse_some"
LOG = """
INSERT INTO django_admin_log (action_time, user_id, content_type_id, object_id, object_repr,
                              action_flag, change_message)
SELECT now(), auth_user.id, django_content_type.id, %(id)s, %(mark)s::text, 2, %(mark)s::text
FROM auth_user, django_content_type
WHERE username = 'admin' AND app_label = 'identity' AND model = 'profile'
"""


class Servers:
    """What a running Keystone keeps things in."""

    def __init__(self, live: Up, environ: dict[str, str]) -> None:
        self.database = environ.get("DATABASE_URL") or embedded.database_url(live.var)
        self.redis = redis.Redis.from_url(environ.get("REDIS_URL") or embedded.redis_url(live.var))

    def run(self, sql: str, **params: object) -> None:
        with psycopg.connect(self.database, autocommit=True) as server:
            server.execute(sql, params or None)

    def dump(self) -> str:
        """Write down all rows of all tables."""
        beside = cluster.binary("postgres").with_name("pg_dump")
        program = beside if beside.exists() else shutil.which("pg_dump")
        if program is None:
            pytest.skip("there is no pg_dump")
        command = [str(program), "--dbname", self.database, "--data-only"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def dump_redis(self) -> str:
        """Write down all keys and values; a DUMP of Redis' own may be compressed."""
        return repr([(key, self._value(key)) for key in self.redis.scan_iter()])

    def _value(self, key: bytes) -> object:
        readers: dict[bytes, Callable[[], object]] = {
            b"string": lambda: self.redis.get(key),
            b"list": lambda: self.redis.lrange(key, 0, -1),
            b"set": lambda: self.redis.smembers(key),
            b"zset": lambda: self.redis.zrange(key, 0, -1, withscores=True),
            b"hash": lambda: self.redis.hgetall(key),
            b"none": lambda: None,  # gone meanwhile
        }
        return readers[self.redis.type(key)]()


class Visitor:
    """Somebody with several names; `mark` is in all that they say."""

    def __init__(self, live: Up) -> None:
        self.live, self.mark = live, uuid4().hex
        self.email = f"{self.mark}@example.com"
        self.phone = f"+4478{str(UUID(self.mark).int)[-8:]}"
        self.cookie = {"anonymous_id": f"cookie-{self.mark}"}
        self.session = {"session_id": f"session-{self.mark}"}
        self.names = [
            self.cookie,
            self.session,
            {"identity": self.email},
            {"identity": self.phone},
            {"identity": f"crm:crm-{self.mark}"},
        ]

    @property
    def marks(self) -> list[str]:
        """What is looked for; a body is dumped as hex digits."""
        texts = self.mark, self.phone
        return [*texts, *(text.encode().hex() for text in texts)]

    def does(self, *names: dict[str, Any], key: str = "INTEGRATION", **fields: Any) -> Answer:
        said: dict[str, Any] = {
            "event_type": "track",
            "event_name": f"Looked at {self.mark}",
            "payload": {"note": self.mark, "order_id": f"order {uuid4()}"},
            "context": {
                "url": f"https://example.com/{self.mark}",
                "referrer": f"https://{self.mark}.example/",
                "campaign": {"name": self.mark},
            },
        }
        for each in (*names, fields):
            said |= each
        raw = self.live.variables[f"KEYSTONE_{key}_KEY"]
        agent = f"Browser of {self.mark}"
        return self.live.request("POST", "/ingest", said, x_api_key=raw, user_agent=agent)

    def lives(self, other: Visitor) -> None:
        """Browse, sign in here and there, fail, and share a device with somebody else."""
        everything = {"email": self.email, "phone": self.phone, "crm_id": f"crm-{self.mark}"}
        answers = [
            self.does(self.session),
            self.does(self.cookie, self.session, key="TRACKER", attributes={"as": self.mark}),
            self.does(
                self.cookie,
                identity=self.email,
                event_type="identify",
                payload={"name": self.mark, "address": {"city": self.mark}, "tags": [self.mark]},
            ),
            self.does(self.cookie, identity=everything, traits={"city": f"Lima {self.mark}"}),
            self.does(self.cookie, identity=other.email, payload={}, context={}, event_name="Met"),
        ]
        assert {answer.status for answer in answers} == {200}
        assert self.does(self.names[3], event_name="Refused").status == 422

    def erase(self) -> dict[str, Any]:
        """Ask to be forgotten, and wait for the certificate."""
        key = self.live.variables["KEYSTONE_ADMIN_API_KEY"]
        asked = {"identifier": f"email:{self.email}"}
        answer = self.live.request("POST", "/v1/erasures", asked, x_api_key=key)
        assert answer.status == 202, answer
        deadline = time.monotonic() + 30
        while (said := self.certificate(answer.json()["id"]))["status"] != "completed":
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return said

    def certificate(self, id_: str) -> dict[str, Any]:
        key = self.live.variables["KEYSTONE_ADMIN_API_KEY"]
        return self.live.request("GET", f"/v1/erasures/{id_}", x_api_key=key).json()

    @property
    def profile_id(self) -> str:
        key = self.live.variables["KEYSTONE_ADMIN_API_KEY"]
        found = self.live.request("GET", f"/v1/profiles/by/email/{self.email}", x_api_key=key)
        return str(found.json()["id"])

    def export(self) -> list[dict[str, Any]]:
        key = self.live.variables["KEYSTONE_ADMIN_API_KEY"]
        path = f"/v1/profiles/{self.profile_id}/export"
        body = self.live.request("GET", path, x_api_key=key).body.decode()
        return [json.loads(line) for line in body.splitlines()]


@pytest.fixture
def servers(live: Up, up_environ: dict[str, str]) -> Servers:
    return Servers(live, up_environ)


@pytest.fixture
def ana(live: Up, servers: Servers) -> Visitor:
    visitor, other = Visitor(live), Visitor(live)
    servers.run(REFUSE)
    try:
        visitor.lives(other)
    finally:
        servers.run(ACCEPT)
    servers.run(LOG, id=visitor.profile_id, mark=visitor.mark)
    return visitor


def found(text: str, marks: list[str]) -> list[str]:
    """Return the lines that have one of the marks."""
    return [line for line in text.splitlines() if any(mark in line for mark in marks)]


def tables_of(dump: str, marks: list[str]) -> set[str]:
    """Return the tables whose rows have one of the marks; a partition is its table."""
    table, tables = "", set()
    for line in dump.splitlines():
        if start := re.match(r"COPY public\.(\S+) ", line):
            table = re.sub(r"event_(default|\d+_\d+)", "event", start[1])
        elif any(mark in line for mark in marks):
            tables.add(table)
    return tables


def files(var: Path) -> Iterator[Path]:
    """What Keystone itself writes: neither PostgreSQL's files nor the programs' own."""
    for path in var.rglob("*"):
        if path.is_file() and not {"postgresql", "static"} & set(path.relative_to(var).parts):
            yield path


def test_nobody_who_was_erased_is_in_any_dump(live: Up, servers: Servers, ana: Visitor) -> None:
    assert tables_of(servers.dump(), ana.marks) == {
        *("identifier", "profile", "attribute_op", "attribute_change", "merge", "refusal"),
        *("event", "failed_event", "django_admin_log"),
    }
    counts = ana.erase()["counts"]
    assert {**counts, "identifiers": 5, "events": 4, "failed_events": 1, "admin_log": 1} == counts
    for name in ana.names:
        late = ana.does(name, attributes={"name": ana.mark})
        assert (late.status, late.json()["status"]) == (200, "dropped")
    assert found(servers.dump(), ana.marks) == []
    assert found(servers.dump_redis(), ana.marks) == []
    assert found(live.said(), ana.marks) == []
    for path in files(live.var):
        assert not any(mark.encode() in path.read_bytes() for mark in ana.marks), path


def test_an_export_has_all_that_the_dump_has(servers: Servers, ana: Visitor) -> None:
    *lines, end = ana.export()
    assert end["place"] == "end"
    assert sum(end["counts"].values()) == len(lines)
    told = {line["place"] for line in lines if any(mark in str(line) for mark in ana.marks)}
    assert told == {
        *("identifiers", "profiles", "operations", "lineage", "refusals"),
        *("events", "failed_events"),
    }
    said = str(lines)
    for value in (ana.email, ana.phone, f"Browser of {ana.mark}", f"Lima {ana.mark}"):
        assert value in said


CURLS = list(lines_of("docs/privacy.md", "curl "))


@pytest.mark.parametrize("line", CURLS, ids=str)
def test_every_curl_line_of_the_document_answers(live: Up, tmp_path: Path, line: Line) -> None:
    ana = Visitor(live)
    ana.does({"identity": ana.email})
    command = line.command.replace("ana@example.com", ana.email)
    id_ = ana.erase()["id"] if "/erasures/" in command else ana.profile_id
    command = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id_, command)
    names = line.names.replace("var/dev.env", str(live.var / "dev.env"))
    script = "\n".join(["set -eu", CURL, names, command])
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.rpartition("\n")[2] in {"200", "202"}, ended.stdout
