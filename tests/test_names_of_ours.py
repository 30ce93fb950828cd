"""Tables of the application that are called as trueup calls things in its own statements."""

import ast
import json
from pathlib import Path

import pytest

from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.check import Check
from trueup.checks.duplicate import Duplicate
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.checks.stale_total import StaleTotal
from trueup.checks.torn_write import TornWrite
from trueup.run import apply, make_plan, undo, verify

pytestmark = pytest.mark.any_server

SOURCE = Path(__file__).parent.parent / "src" / "trueup"
ALIASES = ["child0", "source", "parent", "referenced", "kept", "other"]
NAMES = ["Child0", "SOURCE", "trueup_child0", "Trueup_Source", "trueup_referenced", "trueup_kept", "totals", "numbered"]
ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql", "mariadb"], indirect=True)


def quoted(database: Database, name: str) -> str:
    return f"`{name}`" if database.engine in ("mysql", "mariadb") else f'"{name}"'


def loop(database: Database, check: Check, tmp_path: Path, applied: int) -> None:
    """Apply, look, verify, undo: every other row is as before in between, and all are as before in the end."""
    path = str(tmp_path / "plan.jsonl")
    before = row_hashes(database)
    make_plan(config_of(database, check), path)
    report = apply(config_of(database, check), path, confirm="yes", because="a test")
    assert report.states == ({"applied": applied} if applied else {})
    now = row_hashes(database)
    changed = {name for name in before if not name.startswith("_trueup") and now[name] != before[name]}
    assert changed <= {check.table}
    assert verify(config_of(database, check), report.run_id).sound
    assert undo(config_of(database, check), report.run_id, confirm="yes").states == (
        {"undone": applied} if applied else {}
    )
    after = row_hashes(database)
    assert {name: after[name] for name in before} == before


@ENGINES
@pytest.mark.slow
@pytest.mark.parametrize("name", [*ALIASES, *NAMES])
def test_rows_that_others_refer_to_stay(database: Database, name: str, tmp_path: Path) -> None:
    table, action = quoted(database, name), "ON DELETE CASCADE"
    execute(
        database,
        [
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name VARCHAR(9))",
            f"CREATE TABLE kids (id INTEGER PRIMARY KEY, p INTEGER, FOREIGN KEY (p) REFERENCES {table} (id) {action})",
            f"INSERT INTO {table} VALUES (1, 'x'), (2, NULL), (3, NULL), (4, 'x')",
            "INSERT INTO kids VALUES (10, 2), (11, 1)",
        ],
    )
    loop(database, Missing(table=name, column="name", name="n", repair=("quarantine",)), tmp_path, 1)


@ENGINES
@pytest.mark.slow
@pytest.mark.parametrize("name", [*ALIASES, *NAMES])
def test_what_derives_from_another_table_is_read_there(database: Database, name: str, tmp_path: Path) -> None:
    table = quoted(database, name)
    # who looks into the wrong table finds the purchases of others
    bought = ", ".join(f"({n}, {11 - n}, {(11 - n) * 10}, {n}, 'w{11 - n}')" for n in range(1, 11))
    execute(
        database,
        [
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, total INTEGER, last VARCHAR(9))",
            "CREATE TABLE p (id INTEGER PRIMARY KEY, uid INTEGER, amt INTEGER, at INTEGER, what VARCHAR(9))",
            f"INSERT INTO {table} VALUES " + ", ".join(f"({n}, {n * 10}, 'w{n}')" for n in range(1, 11)),
            f"INSERT INTO p VALUES {bought}",
        ],
    )
    right = row_hashes(database)
    execute(database, [f"UPDATE {table} SET total = 1 WHERE id = 4", f"UPDATE {table} SET last = NULL WHERE id = 6"])
    path = str(tmp_path / "plan.jsonl")
    total = StaleTotal(table=name, column="total", sum_of="p.amt", by=("uid",), name="s")
    origin = {"last": "what"}
    torn = TornWrite(table=name, expects=("last",), exists="p", by=("uid",), newest="at", from_=origin, name="w")
    config = config_of(database, total, torn)
    make_plan(config, path)
    assert apply(config, path, confirm="yes", because="a test").states == {"applied": 2}
    mended = row_hashes(database)
    assert {one: mended[one] for one in right} == right


@ENGINES
@pytest.mark.slow
@pytest.mark.parametrize("name", [*ALIASES, *NAMES])
def test_parents_and_twins_are_found(database: Database, name: str, tmp_path: Path) -> None:
    table = quoted(database, name)
    execute(
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY, uid INTEGER)",
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, uid INTEGER, code VARCHAR(9))",
            "INSERT INTO users VALUES (1, 9), (2, 8)",
            f"INSERT INTO {table} VALUES (1, 1, 'a'), (2, 7, 'b'), (3, 2, 'b'), (4, 1, 'c')",
        ],
    )
    loop(database, Orphan(table=name, column="uid", references="users.id", name="o", repair=("nullify",)), tmp_path, 1)
    (tmp_path / "twins").mkdir()
    loop(database, Duplicate(table=name, columns=("code",), name="d", repair=("quarantine",)), tmp_path / "twins", 1)


def test_every_name_in_our_statements_is_recognisably_ours() -> None:
    """A name given to a table inside of a statement begins with trueup_: by `SqlDatabase.row`, or as written."""
    foreign = []
    for path in sorted(SOURCE.rglob("*.py")):
        if "lint" in path.relative_to(SOURCE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                wants = node.func.attr in ("subquery", "cte", "alias", "lateral", "values")
                given = node.args[0] if node.args else None
                text = given.values[0] if isinstance(given, ast.JoinedStr) else given
                if wants and isinstance(text, ast.Constant) and not str(text.value).startswith("trueup_"):
                    foreign.append(f"{path.relative_to(SOURCE)}:{node.lineno} {json.dumps(text.value)}")
    assert foreign == []
