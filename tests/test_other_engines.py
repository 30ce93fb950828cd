"""Units that another distribution adds by entry points: it lies on the path, and no file of trueup names it."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.distribution import lay_down
from tests.distribution import trueup as command_line

#: The distribution's files. A unit is a module of its own, or for an engine a package with a `dialect`.
FILES = {
    "trueup_litethin/__init__.py": '"""An engine that does as SQLite does, without guards and without backups."""\n',
    "trueup_litethin/dialect.py": '''\
"""SQLite by another name."""

from sqlalchemy.dialects import registry

from trueup.engines.sqlite.dialect import Sqlite

registry.register("litethin", "sqlalchemy.dialects.sqlite.pysqlite", "dialect")


class Litethin(Sqlite):
    """SQLite."""

    name = "litethin"
''',
    "trueup_litereader/__init__.py": '"""An engine that does as SQLite does, and is only read."""\n',
    "trueup_litereader/dialect.py": '''\
"""SQLite, without a word for writing."""

from sqlalchemy.dialects import registry

from trueup.engines.sqlite.dialect import Sqlite
from trueup.sql.dialect import ReadOnlyDialect

registry.register("litereader", "sqlalchemy.dialects.sqlite.pysqlite", "dialect")


class Litereader(ReadOnlyDialect, Sqlite):
    """SQLite."""

    name = "litereader"
''',
}
#: Its entry points: unit by name, in the group of the room that it belongs to.
ENTRIES = {"trueup.engines": {"litethin": "trueup_litethin", "litereader": "trueup_litereader"}}

CONFIG = """\
environment: test
stores:
  app: litethin:///shop.db
checks:
  - kind: wrong-json-type
    name: metadata
    table: events
    column: metadata
    expected: object
    repair: nullify
  - kind: orphan
    name: users
    table: events
    column: user_id
    references: users.id
    repair: nullify
"""

Trueup = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def trueup(tmp_path: Path) -> Trueup:
    """The command line in a process of its own, with the distribution on its path and a broken shop in its folder."""
    lay_down(tmp_path, {**FILES, "trueup.yaml": CONFIG}, ENTRIES)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(
            "CREATE TABLE users (id INTEGER PRIMARY KEY);"
            "CREATE TABLE events (id INTEGER PRIMARY KEY, user_id INTEGER, metadata TEXT);"
            "INSERT INTO users VALUES (1), (2);"
            "INSERT INTO events VALUES (1, 1, '{}'), (2, 2, '42'), (3, 9, '{\"a\": 1}'), (4, 1, '[1]');"
        )
    return partial(command_line, tmp_path)


def rows(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        return connection.execute("SELECT * FROM events ORDER BY id").fetchall()


def test_an_engine_of_another_distribution_goes_through_the_whole_loop(trueup: Trueup, tmp_path: Path) -> None:
    before = rows(tmp_path)
    assert trueup("scan", "--export", "found.jsonl").returncode == 1
    found = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert sorted((one["check"], one["key"][0]) for one in found) == [
        ("metadata", "2"),
        ("metadata", "4"),
        ("users", "3"),
    ]
    for command in ("plan -o plan.jsonl", "apply plan.jsonl --yes"):
        done = trueup(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    assert [row[1:] for row in rows(tmp_path)] == [(1, "{}"), (2, None), (None, '{"a": 1}'), (1, None)]
    for command in ("verify last", "runs", "scan", "undo last --yes"):
        done = trueup(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr
        assert "guard" not in done.stdout + done.stderr
    assert rows(tmp_path) == before


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("guard", "metadata"), "trueup has no guards on litethin"),
        (("guard", "metadata", "--apply"), "trueup has no guards on litethin"),
        (("guard", "metadata", "--remove"), "trueup has no guards on litethin"),
        (("backup",), "trueup has no backup for litethin"),
    ],
)
def test_what_an_engine_does_not_bring_is_told_in_one_line_to_who_asks(
    trueup: Trueup, command: tuple[str, ...], told: str
) -> None:
    done = trueup(*command)
    assert done.returncode != 0
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_no_index_is_advised_where_none_is_known(trueup: Trueup) -> None:
    done = trueup("advise")
    assert done.returncode == 0, done.stderr
    assert "trueup advises no indexes on litethin" in done.stdout


def test_an_engine_that_is_only_read_is_scanned_and_refuses_the_rest_in_one_line(
    trueup: Trueup, tmp_path: Path
) -> None:
    before = rows(tmp_path)
    (tmp_path / "trueup.yaml").write_text(CONFIG.replace("litethin", "litereader"))
    scan = trueup("scan")
    assert "3 findings in 2 checks" in scan.stdout, scan.stderr
    assert trueup("runs").returncode == 0
    trueup("plan", "-o", "plan.jsonl")
    done = trueup("apply", "plan.jsonl", "--yes")
    assert done.returncode != 0
    assert "cannot be written: trueup only reads litereader" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert rows(tmp_path) == before
