"""The embedded servers' names, secrets and folders; children that end with their parent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from psycopg.conninfo import conninfo_to_dict

from keystone import cluster, embedded
from keystone.processes import Ended, Family, Program
from tests.live import wait_for_the_end_of

ROOT = Path(__file__).resolve().parents[2]
SLEEP = ("/bin/sleep", "60")


def test_the_secret_stays_the_same_and_is_private(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(embedded.secret_key, [tmp_path / "var"] * 8))
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 50
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_a_private_file_loses_the_rights_it_had_before(tmp_path: Path) -> None:
    file = tmp_path / "dev.env"
    file.write_text("old")
    file.chmod(0o644)
    embedded.write_private(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)


def test_urls_follow_from_the_folder_and_its_depth_does_not_matter(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-very-long-name"] * 12)
    folder = conninfo_to_dict(embedded.database_url(deep))["host"]
    assert folder == str(embedded.sockets(deep))
    assert embedded.redis_url(deep) == f"unix://{folder}/redis.sock"
    assert len(f"{folder}/.s.PGSQL.5432.lock") < 100
    assert embedded.sockets(tmp_path) != embedded.sockets(deep)


def test_connections_grow_with_what_may_open_one() -> None:
    base = embedded.connections(2, 32, 1)
    assert base >= 2 * (32 + 3) + 1
    assert embedded.connections(3, 32, 1) == base + 35
    assert embedded.connections(2, 33, 1) == base + 2
    assert embedded.connections(2, 32, 2) == base + 1


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    me = cluster.owner(Path(__file__))
    folder = tmp_path / "sockets"
    cluster.owned_folder(folder, me)
    folder.chmod(0o755)
    with pytest.raises(cluster.Unavailable, match="alone"):
        cluster.owned_folder(folder, me)


def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "sockets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(cluster.Unavailable):
        cluster.owned_folder(tmp_path / "sockets", cluster.owner(Path(__file__)))


@pytest.mark.parametrize("text", ["{alive}\n/data\n", "999999999\n/data\n", "", "nonsense"])
def test_a_stale_pid_file_blocks_nothing(tmp_path: Path, text: str) -> None:
    sleeper = subprocess.Popen(SLEEP)  # has got the pid of a server that died
    (tmp_path / "postmaster.pid").write_text(text.format(alive=sleeper.pid))
    cluster.end_leftover(tmp_path)
    alive = sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()
    assert alive
    assert not (tmp_path / "postmaster.pid").exists() or "{alive}" not in text


def test_a_server_left_over_on_the_same_folder_is_ended(tmp_path: Path) -> None:
    leftover = subprocess.Popen(SLEEP, cwd=tmp_path)
    (tmp_path / "postmaster.pid").write_text(f"{leftover.pid}\n")
    with ThreadPoolExecutor(1) as pool:  # somebody has to take leave of it, as init does
        code = pool.submit(leftover.wait)
        cluster.end_leftover(tmp_path)
    assert code.result() == -signal.SIGINT


def test_lines_say_who_speaks(tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    with Family(lambda line, name: lines.append((name, line))) as family:
        family.run(Program("talker", ("/bin/echo", "hello"), tmp_path))
    assert lines == [("talker", "hello")]


def test_children_end_in_the_opposite_order(tmp_path: Path) -> None:
    said: list[str] = []
    script = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.05; done"
    with Family(lambda line, name: said.append(f"{name} {line}")) as family:
        for name in ("first", "second", "third"):
            family.start(Program(name, ("/bin/sh", "-c", script), tmp_path))
        while len(said) < 3:
            time.sleep(0.01)
    assert said[3:] == ["third bye", "second bye", "first bye"]


def test_a_child_that_will_not_end_is_killed_with_its_own_children(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & wait; sleep 60"
    with Family(lambda *_: None) as family:
        child = family.start(
            Program("stubborn", ("/bin/sh", "-c", script), tmp_path, patience_seconds=0.2)
        )
        process = psutil.Process(child.process.pid)
        while not process.children():
            time.sleep(0.01)
        every = [process, *process.children()]
    assert wait_for_the_end_of(every, 2) == []


def test_a_child_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    with Family(lambda *_: None) as family:
        family.start(Program("brief", ("/bin/sh", "-c", "exit 3"), tmp_path))
        with pytest.raises(Ended, match="brief ended with code 3"):
            family.watch()


def test_the_first_sigterm_ends_the_family(tmp_path: Path) -> None:
    family, handler = Family(lambda *_: None), signal.getsignal(signal.SIGTERM)

    def wait_for_it() -> None:
        with family:
            family.start(Program("sleeper", SLEEP, tmp_path))
            os.kill(os.getpid(), signal.SIGTERM)
            family.watch()

    with pytest.raises(KeyboardInterrupt):
        wait_for_it()
    assert family.children == []
    assert signal.getsignal(signal.SIGTERM) == handler


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from keystone.processes import *\n"
        f"child = Child(Program('sleeper', {SLEEP!r}, Path({str(tmp_path)!r})))\n"
        "time.sleep(0.3); print(child.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_for_the_end_of([child], 5) == []
