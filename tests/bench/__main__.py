"""`make bench`: the real server under load, in numbers. docs/benchmarks.md says how to read them."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import django
from django.utils.module_loading import import_string

_ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Return 0 when every goal was reached, else 1."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.folder))
    try:
        _settle_in(folder)
        # Imported only now: Django has learned here which server it is to talk to.
        return 0 if import_string("tests.bench.run.run")(options, folder) else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle_in(folder: Path) -> None:
    """Point this process and the server that it starts at servers of their own."""
    for name in ("DATABASE_URL", "REDIS_URL", "KEYSTONE_URL", "HOST", "PORT"):
        os.environ.pop(name, None)
    os.environ["KEYSTONE_VAR_DIR"] = str(folder / "var")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"
    os.environ["KEYSTONE_LOG_LEVEL"] = "WARNING"
    os.chdir(_ROOT)
    django.setup()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run at all")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--only", default="a,b,c,d,e,f,g,h,i", help="letters, as in docs/benchmarks.md"
    )
    parser.add_argument(
        "--folder", type=Path, default=_ROOT / "var", help="on which disk (default: var/)"
    )
    options = parser.parse_args()
    options.only = options.only.split(",")
    if options.quick:
        options.seconds, options.rounds = 1.0, 1
    return options


if __name__ == "__main__":
    sys.exit(main())
