"""Another distribution adds a unit by an entry point, and edits nothing of trueup's."""

import sqlite3
from pathlib import Path

import pytest

from tests.distribution import lay_down, trueup

#: What the authors of a distribution write, by path.
FILES = {
    "more_trueup/__init__.py": "",
    "more_trueup/negative.py": '''
"""A number that must not be negative."""

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import func, literal

from trueup.check import Facts, Repair, RowCheck


@dataclass(frozen=True, kw_only=True)
class Negative(RowCheck):
    """A number that must not be negative, and is."""

    kind: ClassVar[str] = "negative"
    column: str

    @property
    def columns(self):
        return (self.column,)

    def holds(self, row):
        return func.coalesce(row[self.column] < 0, False)

    def evidence(self, row):
        return Facts(values={"value": row[self.column]})

    def message(self, evidence):
        return f"{self.table}.{self.column} is negative"

    def repairs(self):
        zero = lambda row: {self.column: literal(0)}
        return [Repair(name="zero", effect="lossy", fits=lambda row: self.holds(row), sets=zero)]
''',
    "more_trueup/beside.py": '''
"""A database that lies in the folder of whoever runs trueup: beside://shop."""

from trueup.stores.sql import SqlStore


class Beside(SqlStore):
    """Knows where a database is from its name alone."""

    def __init__(self, name, url):
        super().__init__(name, "sqlite:///" + url.partition("://")[2] + ".db")
''',
    "more_trueup/tally.py": '''
"""How many findings each check has."""

from collections import Counter

from trueup.reports.export import Export


class Tally(Export):
    """A line a check."""

    endings = (".tally",)

    def __init__(self, file, about):
        self._file = file
        self._found = Counter({name: 0 for name in about.rules})

    def add(self, finding, line="", mark=""):
        self._found[finding.check] += 1

    def close(self, unchecked):
        for name, count in sorted(self._found.items()):
            self._file.write(f"{name} {count}\\n".encode())
''',
    "more_trueup/no_print.py": '''
"""A call of print."""

import ast

from trueup.lint.rule import Rule


class NoPrint(Rule):
    """A call of print, which a service has no reader for."""

    name = "no-print"
    needles = (b"print(",)

    def check(self, file, index):
        for node in ast.walk(file.module.tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                yield self.finding(file, node, "nobody reads what is printed", "log it")
''',
    "trueup.yaml": """
environment: staging
stores: {app: "beside://shop"}
checks:
  - {kind: negative, table: accounts, column: balance, name: debts}
""",
    "code.py": "print('hello')\n",
}


ENTRY_POINTS = {
    "trueup.checks": {"negative": "more_trueup.negative"},
    "trueup.stores": {"beside": "more_trueup.beside"},
    "trueup.reports": {"tally": "more_trueup.tally"},
    "trueup.rules": {"no-print": "more_trueup.no_print"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lay_down(tmp_path, FILES, ENTRY_POINTS)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.executescript(
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER);"
            "INSERT INTO accounts VALUES (1, 10), (2, -5), (3, NULL), (4, -1);"
        )
    connection.close()
    return tmp_path


def balances(folder: Path) -> list[int | None]:
    with sqlite3.connect(folder / "shop.db") as connection:
        found = [one for (one,) in connection.execute("SELECT balance FROM accounts ORDER BY id")]
    connection.close()
    return found


def test_a_check_a_store_and_a_format_of_another_distribution_go_through_the_whole_loop(folder: Path) -> None:
    scanned = trueup(folder, "scan", "--export", "found.tally")
    assert (scanned.returncode, scanned.stderr) == (1, "")
    assert (folder / "found.tally").read_text() == "debts 2\n"
    planned = trueup(folder, "plan", "-o", "plan.jsonl")
    assert planned.returncode == 0, planned.stderr
    applied = trueup(folder, "apply", "plan.jsonl", "--yes")
    assert (applied.returncode, balances(folder)) == (0, [10, 0, None, 0]), applied.stderr
    assert trueup(folder, "verify", "last").returncode == 0
    assert trueup(folder, "scan").returncode == 0
    undone = trueup(folder, "undo", "last", "--yes")
    assert (undone.returncode, balances(folder)) == (0, [10, -5, None, -1]), undone.stderr


def test_a_rule_of_another_distribution_is_listed_explained_and_run(folder: Path) -> None:
    assert "no-print" in trueup(folder, "lint", "--rules").stdout
    assert "which a service has no reader for" in trueup(folder, "lint", "--explain", "no-print").stdout
    found = trueup(folder, "lint", "code.py", "--format", "tally")
    assert "no-print 1\n" in found.stdout, found.stderr


def test_a_unit_that_is_not_there_any_more_is_told_in_one_line(folder: Path) -> None:
    (folder / "more_trueup" / "negative.py").unlink()
    found = trueup(folder, "scan")
    assert found.returncode == 2
    assert found.stderr == (
        "trueup: the kind of check 'negative' cannot be loaded from more_trueup.negative: ModuleNotFoundError\n"
    )


def rewrite(folder: Path, old: str, new: str) -> None:
    """Change the check as its author might get it wrong."""
    path = folder / "more_trueup" / "negative.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("def message", "def sentence", "the kind 'negative' lacks 'message'"),
        ("def holds", "def breaks", "the kind 'negative' lacks 'holds'"),
        (
            "    column: str\n",
            "    column: str\n    parent: str\n",
            "the kind 'negative' has an option 'parent', which is a method of every check; name it otherwise",
        ),
        (
            "    column: str\n",
            "    column: str\n    measures: str = ''\n",
            "the kind 'negative' has an option 'measures', which is a method of every check; name it otherwise",
        ),
        (
            "    column: str\n",
            "    column: str\n    reads: tuple[str, ...]\n",
            "the kind 'negative' has an option 'reads' without a default; give it one",
        ),
        (
            "    column: str\n",
            "    column: str\n    limit: float = 0.0\n",
            "the kind 'negative' has an option 'limit' of type float, which no configuration can hold",
        ),
    ],
)
def test_a_kind_that_is_not_finished_is_refused_when_it_is_loaded(folder: Path, old: str, new: str, told: str) -> None:
    rewrite(folder, old, new)
    found = trueup(folder, "scan")
    assert (found.returncode, found.stdout, found.stderr) == (2, "", f"trueup: {told}\n")


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "more_trueup" / "negative.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_mistake_in_a_check_names_the_check_and_its_line_and_shows_no_data(folder: Path) -> None:
    rewrite(folder, "row[self.column] < 0", "row.colunm('secret') < 0")
    found = trueup(folder, "scan")
    assert found.returncode == 3
    place = f"more_trueup.negative:{line_of(folder, 'colunm')}"
    assert found.stderr == (
        f"trueup: this is a bug: AttributeError at {place}, in the check of kind 'negative'; "
        "TRUEUP_TRACEBACK=1 before the command shows all of it, and may show values of your data\n"
    )


def test_a_mistake_that_shows_inside_trueup_names_the_line_of_the_check_that_led_there(folder: Path) -> None:
    rewrite(folder, "row[self.column] < 0", "row[['secret']] < 0")
    told = trueup(folder, "scan").stderr
    place = f"more_trueup.negative:{line_of(folder, 'secret')}"
    assert told.startswith("trueup: this is a bug: TypeError at trueup.check:")
    assert f", in the check of kind 'negative' at {place}; " in told
    assert "secret" not in told
