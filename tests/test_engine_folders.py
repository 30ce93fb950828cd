"""An engine is one folder: without it, the tool runs on the others and says in one line what is not there."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "trueup"
#: Guests, which need what they are guests of.
GUESTS = ("django", "alembic", "pytest_plugin")
IMPORT_ALL = f"""
import importlib, pathlib, trueup
root = pathlib.Path(trueup.__file__).parent
for path in sorted(root.rglob("*.py")):
    parts = path.relative_to(root.parent).with_suffix("").parts
    if parts[1] in {GUESTS!r} or parts[-1] == "__main__":
        continue
    importlib.import_module(".".join(part for part in parts if part != "__init__"))
"""
CONFIG = """\
environment: test
stores:
  app: sqlite:///shop.db
checks:
  - kind: wrong-json-type
    name: metadata
    table: events
    column: metadata
    expected: object
    repair: nullify
"""
URLS = {
    "sqlite": "sqlite:///shop.db",
    "postgresql": "postgresql://me@localhost/shop",
    "mysql": "mysql://me@localhost/shop",
    "mariadb": "mariadb://me@localhost/shop",
}


@pytest.mark.parametrize("engine", URLS)
def test_an_engine_is_gone_with_its_folder_and_nothing_else_is(engine: str, tmp_path: Path) -> None:
    copy = tmp_path / "site" / "trueup"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(copy / "engines" / engine)
    env = {"PYTHONPATH": str(copy.parent), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)

    done = run("-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    asked = run("-m", "trueup", "scan", URLS[engine])
    assert asked.returncode != 0
    (line,) = asked.stderr.splitlines()
    others = ", ".join(sorted(set(URLS) - {engine}))
    assert f"no dialect for {engine}://; there is {others}" in line
    if engine == "sqlite":
        return
    (tmp_path / "trueup.yaml").write_text(CONFIG)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(
            "CREATE TABLE events (id INTEGER PRIMARY KEY, metadata TEXT);INSERT INTO events VALUES (1, '{}'), (2, '4');"
        )
    loop = ("scan", "plan -o plan.jsonl", "apply plan.jsonl --yes", "verify last", "undo last --yes", "guard metadata")
    for command in loop:
        done = run("-m", "trueup", *command.split())
        assert done.returncode == (1 if command == "scan" else 0), done.stdout + done.stderr
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        assert connection.execute("SELECT metadata FROM events").fetchall() == [("{}",), ("4",)]
