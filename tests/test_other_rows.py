"""No row but the planned ones changes, and none is left without what it refers to: rules whose functions write, and
keys that nothing checks."""

from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy.engine import make_url

from tests.dialects.opened import opened
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import changed_rows, execute, row_hashes
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.out_of_range import OutOfRange
from trueup.config.config import Config
from trueup.results import RunReport
from trueup.run import apply, make_plan, undo
from trueup.write import runner
from trueup.write.runner import Runner

POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)
FUNCTION = "CREATE OR REPLACE FUNCTION f(v text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {} RETURN true; END $$"
TABLES = (
    FUNCTION.format(""),
    "CREATE FUNCTION g(a text, b text) RETURNS boolean LANGUAGE sql AS 'SELECT public.f(a)'",
    "CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = g)",
    "CREATE DOMAIN d AS text CHECK (f(value))",
    "CREATE TABLE t (id int PRIMARY KEY, name text, note text)",
    "CREATE TABLE log (n int)",
    "INSERT INTO log VALUES (0)",
    "INSERT INTO t SELECT i, CASE WHEN i % 10 = 0 THEN NULL ELSE 'n' END, 'x' FROM generate_series(1, 40) i",
)
RULES = {
    "check": ["ALTER TABLE t ADD CHECK (f(name))"],
    "domain": ["ALTER TABLE t ALTER COLUMN name TYPE d"],
    "operator": ["ALTER TABLE t ADD CHECK (name === note)"],
    # what is called immutable may not write itself, but call what does
    "generated": [
        "CREATE FUNCTION h(a text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN public.f(a); END $$",
        "ALTER TABLE t ADD COLUMN known boolean GENERATED ALWAYS AS (h(name)) STORED",
    ],
    "index": [
        "CREATE FUNCTION h(a text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN public.f(a); END $$",
        "CREATE INDEX by_h ON t (h(name))",
    ],
}
WRITES = {
    "inserts": "INSERT INTO public.log VALUES (1);",
    "truncates": "TRUNCATE public.log;",
    "makes a table": "CREATE TABLE IF NOT EXISTS public.made (n int);",
    "changes another row": "UPDATE public.t SET note = 'y' WHERE id = 1;",
}


def missing(repair: str) -> Check:
    return Missing(table="t", column="name", name="n", fill="zz", repair=(repair,))


def applied(config: Config, tmp_path: Path) -> RunReport:
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")
    return apply(config, path, confirm="yes")


def function(database: Database, when: str, what: str) -> None:
    execute(database, [FUNCTION.format(f"IF {when} THEN {WRITES[what]} END IF;")])


@POSTGRESQL
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_whose_function_writes_nothing_is_no_obstacle(database: Database, tmp_path: Path, rule: str) -> None:
    execute(database, [*TABLES, *RULES[rule]])
    before = row_hashes(database)
    for repair in ("fill", "quarantine"):
        config = config_of(database, missing(repair))
        report = applied(config, tmp_path)
        assert report.states == {"applied": 4}
        assert undo(config, report.run_id, confirm="yes").states == {"undone": 4}
        assert row_hashes(database) == before


@POSTGRESQL
@pytest.mark.parametrize(
    ("rule", "what"),
    [*((rule, "inserts") for rule in RULES), *(("check", what) for what in WRITES if what != "inserts")],
)
def test_a_rule_whose_function_writes_leaves_the_row_alone(
    database: Database, tmp_path: Path, rule: str, what: str
) -> None:
    execute(database, [*TABLES, *RULES[rule]])
    function(database, "v = 'zz'", what)
    before = row_hashes(database)
    config = config_of(database, missing("fill"))

    report = applied(config, tmp_path)

    assert report.states == {"blocked": 4}
    assert "a function that a rule of t calls wrote" in report.listed[0].reason
    assert row_hashes(database) == before

    function(database, "v = 'nobody'", what)
    report = applied(config, tmp_path)
    assert report.states == {"applied": 4}
    function(database, "v IS NULL", what)
    mended = row_hashes(database)
    assert undo(config, report.run_id, confirm="yes").states == {"undo_conflict": 4}
    assert row_hashes(database) == mended


LOOKS = "BEGIN PERFORM public.f(a), public.f(b); RETURN bttextcmp(a, b); END"
SIGNS = "OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >"
CLASS = (
    f"CREATE FUNCTION cmp(a text, b text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ {LOOKS} $$",
    f"CREATE OPERATOR CLASS own FOR TYPE text USING btree AS {SIGNS}, FUNCTION 1 cmp(text, text)",
)


@POSTGRESQL
def test_a_comparison_of_an_index_that_writes_leaves_the_row_alone(database: Database, tmp_path: Path) -> None:
    execute(database, [*TABLES, *CLASS, "CREATE INDEX compared ON t (name own)"])
    function(database, "v = 'zz'", "inserts")
    before = row_hashes(database)
    config = config_of(database, missing("fill"))
    report = applied(config, tmp_path)
    assert report.states == {"blocked": 4}
    assert "a function that a rule of t calls wrote" in report.listed[0].reason
    assert row_hashes(database) == before
    function(database, "v = 'nobody'", "inserts")
    report = applied(config, tmp_path)
    assert report.states == {"applied": 4}
    assert undo(config, report.run_id, confirm="yes").states == {"undone": 4}
    assert row_hashes(database) == before


#: What compares values by a function of the application, or does not.
COMPARED = {
    "an index": (["CREATE TABLE c (id int PRIMARY KEY, v text)", "CREATE INDEX ON c (v own)"], True),
    "a partition's parent": (
        [
            "CREATE TABLE p (id int, v text) PARTITION BY RANGE (v own)",
            "CREATE TABLE c PARTITION OF p FOR VALUES FROM ('a') TO ('z')",
        ],
        True,
    ),
    "a range": (
        ["CREATE TYPE span AS RANGE (subtype = text, subtype_opclass = own)", "CREATE TABLE c (id int, v span)"],
        True,
    ),
    "a composite's attribute": (
        [
            "CREATE FUNCTION cmp(a point, b point) RETURNS int LANGUAGE sql AS 'SELECT 0'",
            "CREATE FUNCTION lt(a point, b point) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
            "CREATE OPERATOR < (LEFTARG = point, RIGHTARG = point, FUNCTION = lt)",
            "CREATE OPERATOR CLASS p DEFAULT FOR TYPE point USING btree AS OPERATOR 1 <, FUNCTION 1 cmp(point, point)",
            "CREATE TYPE place AS (at point)",
            "CREATE TABLE c (id int PRIMARY KEY, v place)",
        ],
        True,
    ),
    "nothing": (
        [
            "CREATE EXTENSION citext",
            "CREATE TABLE p (n citext PRIMARY KEY)",
            "CREATE TABLE c (id int PRIMARY KEY, v citext REFERENCES p, w text[], r int4range)",
            "CREATE INDEX ON c (v, w, r)",
        ],
        False,
    ),
}


@POSTGRESQL
@pytest.mark.parametrize("what", COMPARED)
def test_what_compares_values_is_known_before_anything_is_written(database: Database, what: str) -> None:
    statements, calls = COMPARED[what]
    execute(database, [*TABLES, *CLASS, *statements])
    with opened(database) as session:
        assert session.table("c").calls_functions is calls


@POSTGRESQL
def test_a_rule_whose_function_cannot_be_watched_is_an_obstacle(database: Database, tmp_path: Path) -> None:
    name = database.url.rpartition("/")[2].partition("?")[0]
    execute(database, [*TABLES, *RULES["check"], f'ALTER DATABASE "{name}" SET track_counts = off'])
    report = applied(config_of(database, missing("fill")), tmp_path)
    assert report.planned == 0


@POSTGRESQL
def test_a_generated_column_that_would_be_computed_as_another_value_leaves_its_row_alone(
    database: Database, tmp_path: Path
) -> None:
    name = database.url.rpartition("/")[2].partition("?")[0]
    said = "SELECT to_char(t, 'YYYY-MM-DD HH24:MI TZH')"
    execute(
        database,
        [
            f"CREATE FUNCTION said(t timestamptz) RETURNS text IMMUTABLE LANGUAGE sql AS $$ {said} $$",
            "SET TimeZone = 'America/New_York'",
            "CREATE TABLE t (id int PRIMARY KEY, name text, seen timestamptz)",
            "ALTER TABLE t ADD COLUMN local text GENERATED ALWAYS AS (said(seen)) STORED",
            "INSERT INTO t VALUES (1, NULL, '2024-07-01 12:00+00'), (2, NULL, NULL), (3, 'c', '2024-07-01 12:00+00')",
            f"ALTER DATABASE \"{name}\" SET TimeZone = 'America/New_York'",
        ],
    )
    before = row_hashes(database)

    config = config_of(database, missing("quarantine"))
    report = applied(config, tmp_path)
    assert report.states == {"applied": 1, "blocked": 1}
    assert report.listed[0].reason == (
        "it could not be taken back: a generated column would be computed as another value"
    )
    assert undo(config, report.run_id, confirm="yes").states == {"blocked": 1, "undone": 1}
    assert row_hashes(database) == before

    config = config_of(database, missing("fill"))
    report = applied(config, tmp_path)
    assert report.states == {"applied": 2}
    assert undo(config, report.run_id, confirm="yes").states == {"undone": 2}
    assert row_hashes(database) == before


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_a_stored_column_that_our_session_computes_otherwise_leaves_its_row_alone(
    database: Database, tmp_path: Path
) -> None:
    made = "day DATE AS (CAST(said AS DATE)) STORED, slug VARCHAR(20) AS (CONCAT(LOWER(name), said)) STORED"
    execute(
        database,
        [
            f"CREATE TABLE t (id INT PRIMARY KEY, said VARCHAR(20), name VARCHAR(20), {made})",
            "INSERT IGNORE INTO t (id, said) VALUES (1, '2023-02-30'), (2, '2023-02-28'), (3, NULL)",
            "INSERT IGNORE INTO t (id, said, name) VALUES (4, '2023-02-30', 'x')",
        ],
    )
    before = row_hashes(database)
    told = {
        "fill": "a generated column that it does not bear on would be computed as another value",
        "quarantine": "it could not be taken back: a generated column would be computed as another value",
    }
    for repair, reason in told.items():
        config = config_of(database, missing(repair))
        report = applied(config, tmp_path)
        assert report.states == {"applied": 2, "blocked": 1}
        assert [(one.key, one.reason) for one in report.listed] == [("1", reason)]
        assert changed_rows(before, row_hashes(database)) == {"t": {"2", "3"}}
        assert undo(config, report.run_id, confirm="yes").states == {"undone": 2, "blocked": 1}
        assert row_hashes(database) == before


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_an_undo_computes_no_stored_column_otherwise(database: Database, tmp_path: Path) -> None:
    """The application has written the row since, in a session of its own."""
    made = "g DATE AS (CAST(said AS DATE)) STORED"
    execute(
        database,
        [
            f"CREATE TABLE t (id INT PRIMARY KEY, said VARCHAR(20), name VARCHAR(20), {made})",
            "INSERT INTO t (id, said) VALUES (1, '2023-02-28'), (2, '2023-02-28')",
        ],
    )
    config = config_of(database, missing("fill"))
    report = applied(config, tmp_path)
    assert report.states == {"applied": 2}
    execute(database, ["UPDATE IGNORE t SET said = '2023-02-30' WHERE id = 2"])
    before = row_hashes(database)
    undone = undo(config, report.run_id, confirm="yes", edited=True)
    assert undone.states == {"undone": 1, "undo_conflict": 1}
    assert changed_rows(before, row_hashes(database)) == {"t": {"1"}}


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
@pytest.mark.parametrize("index", ["KEY k (day)", "KEY k (name, day)", "UNIQUE k (id, day)"])
def test_an_index_over_what_our_session_computes_otherwise_keeps_its_entries(
    database: Database, tmp_path: Path, index: str
) -> None:
    columns = "id INT PRIMARY KEY, said VARCHAR(20), name VARCHAR(20), day DATE AS (CAST(said AS DATE)) VIRTUAL"
    rows = "(1, '2023-02-30', NULL), (2, '2023-02-28', 'x')"
    execute(
        database,
        [f"CREATE TABLE t ({columns}, {index})", f"INSERT IGNORE INTO t (id, said, name) VALUES {rows}"],
    )
    before = row_hashes(database)

    config = config_of(database, missing("quarantine"))
    plan = make_plan(config, str(tmp_path / "no.jsonl"), because="test")
    assert "over the computed column 'day', may hold what another session computed by other settings" in str(plan)
    assert applied(config, tmp_path).planned == 0
    report = applied(config_of(database, missing("fill")), tmp_path)
    assert report.planned == (0 if "name" in index else 1)
    if report.planned:
        assert report.states == {"applied": 1}
        assert undo(config, report.run_id, confirm="yes").states == {"undone": 1}
    assert row_hashes(database) == before
    assert checked(database, "t") == "OK"


def checked(database: Database, table: str) -> str:
    where = make_url(database.url)
    connection = pymysql.connect(host=where.host, port=where.port or 0, user=where.username, database=where.database)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CHECK TABLE {table} EXTENDED")
        return str(cursor.fetchall()[-1][-1])


# -- keys that nothing checks ---------------------------------------------------------------------------------------
UNCHECKED = pytest.mark.parametrize("engine", ["sqlite", "postgresql18"], indirect=True)


@pytest.fixture
def loose(database: Database) -> Database:
    """Children of two parents of one table, by keys that the engine does not check."""
    key = "FOREIGN KEY ({}) REFERENCES parents (id)" + (" NOT ENFORCED" if database.engine != "sqlite" else "")
    children = f"id INTEGER PRIMARY KEY, name VARCHAR(20), a INTEGER, b INTEGER, {key.format('a')}, {key.format('b')}"
    rows = ", ".join(f"({n}, 'n{n}', {n}, {n + 1})" for n in range(1, 31))
    execute(
        database,
        [
            "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
            *(f"INSERT INTO parents VALUES ({n})" for n in range(1, 60)),
            f"CREATE TABLE t ({children})",
            f"INSERT INTO t VALUES {rows}, (40, NULL, 41, 42), (50, NULL, 51, 52)",
        ],
    )
    if database.engine == "sqlite":
        return Database(database.engine, f"{database.url}?foreign_keys=off")
    return database


@UNCHECKED
@pytest.mark.parametrize("parent", [41, 42])
def test_an_undo_gives_no_row_back_whose_parent_is_gone(
    database: Database, loose: Database, tmp_path: Path, parent: int
) -> None:
    config = config_of(loose, missing("quarantine"))
    report = applied(config, tmp_path)
    assert report.states == {"applied": 2}
    execute(database, [f"DELETE FROM parents WHERE id = {parent}"])

    undone = undo(config, report.run_id, confirm="yes")

    assert undone.states == {"undone": 1, "undo_conflict": 1}
    assert [(one.key, one.reason) for one in undone.listed] == [
        ("40", "the row of parents that it refers to is not there")
    ]
    execute(database, [f"INSERT INTO parents VALUES ({parent})"])
    assert undo(config, report.run_id, confirm="yes").states == {"undone": 2}


@UNCHECKED
def test_a_repair_makes_no_orphan(database: Database, loose: Database, tmp_path: Path) -> None:
    check = OutOfRange(table="t", column="b", name="o", maximum="45", repair=("clamp",))
    execute(database, ["DELETE FROM parents WHERE id = 45"])
    report = applied(config_of(loose, check), tmp_path)
    assert report.states == {"blocked": 1}
    assert [one.reason for one in report.listed] == ["the row of parents that it refers to is not there"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_orphan_less_does_not_buy_an_orphan_more(database: Database, tmp_path: Path) -> None:
    """SQLite counts what a statement breaks less what it mends: of a repair, and of an undo."""
    execute(
        database,
        [
            "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
            *(f"INSERT INTO parents VALUES ({n})" for n in range(1, 60)),
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), a INTEGER REFERENCES parents (id))",
            *(f"INSERT INTO t VALUES ({n}, 'n{n}', {n})" for n in range(1, 31)),
            "INSERT INTO t VALUES (40, NULL, 41), (50, NULL, 51), (55, NULL, 53)",
            "CREATE TABLE kids (t INTEGER REFERENCES t (id))",
        ],
    )
    config = config_of(database, missing("quarantine"))
    report = applied(config, tmp_path)
    assert report.states == {"applied": 3}
    # a kid comes to one of the rows from a session that checks no keys, and the other one's parent goes
    execute(database, ["INSERT INTO kids VALUES (50)", "DELETE FROM parents WHERE id = 41"])
    undone = undo(config, report.run_id, confirm="yes")
    assert undone.states == {"undone": 2, "undo_conflict": 1}
    assert [one.key for one in undone.listed] == ["40"]


# -- rows of others that follow ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb", "sqlite"], indirect=True)
@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL"])
def test_a_key_that_refers_to_what_is_computed_from_the_repaired_column_forbids_the_repair(
    database: Database, tmp_path: Path, rule: str
) -> None:
    code = "GENERATED ALWAYS AS (coalesce(name, 'none')) STORED UNIQUE"
    key = f"FOREIGN KEY (code) REFERENCES t (code) ON UPDATE {rule}"
    execute(
        database,
        [
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), code VARCHAR(20) {code})",
            f"CREATE TABLE c (id INTEGER PRIMARY KEY, code VARCHAR(20), {key})",
            *(f"INSERT INTO t (id, name) VALUES ({n}, {'NULL' if n == 3 else repr(f'n{n}')})" for n in range(1, 31)),
            "INSERT INTO c VALUES (1, 'none')",
        ],
    )
    before = row_hashes(database)
    assert applied(config_of(database, missing("fill")), tmp_path).planned == 0
    assert row_hashes(database) == before


@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
def test_operations_of_one_row_are_taken_back_newest_first_whatever_order_they_came_in(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is locked while the first of two is done, which is put aside and comes last."""
    rows = ", ".join(f"({n}, {'NULL' if n == 3 else repr('x')}, {-1 if n < 8 else 1})" for n in range(1, 41))
    execute(
        database,
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), n INTEGER)", f"INSERT INTO t VALUES {rows}"],
    )
    config = config_of(
        database, missing("fill"), OutOfRange(table="t", column="n", name="o", minimum="0", repair=("clamp",))
    )
    before = row_hashes(database)
    aside = Runner._without_locked
    put: list[Any] = []

    def busy(self: Runner, ops: Any, phase: Any) -> list[Any]:
        first = [op for op in ops if op.seq == 1]
        if put or not first:
            return aside(self, ops, phase)
        put.append(first)
        self.busy.extend(first)
        return [op for op in ops if op.seq != 1]

    monkeypatch.setattr(runner, "TRIES_LOCKED", 0)
    monkeypatch.setattr(Runner, "_without_locked", busy)
    report = applied(config, tmp_path)
    assert put
    assert report.states == {"applied": 8}
    monkeypatch.undo()

    assert undo(config, report.run_id, confirm="yes").states == {"undone": 8}
    assert row_hashes(database) == before
