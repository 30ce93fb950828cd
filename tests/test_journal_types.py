"""The journal's copies keep no type of the application's: it can drop and change them, and undo gives all back."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.binaries import postgresql_folder
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import changed_rows, execute, row_hashes
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.run import apply, make_plan, undo, verify

pytestmark = pytest.mark.each_engine

POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
INNODB = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)

TYPES = [
    "CREATE EXTENSION citext",
    "CREATE EXTENSION hstore",
    "CREATE TYPE mood AS ENUM ('so so', 'good, \"really\"', 'it''s')",
    "CREATE DOMAIN short AS varchar(5) CHECK (value <> 'no')",
    "CREATE DOMAIN padded AS char(6)",
    "CREATE DOMAIN yes AS boolean NOT NULL",
    "CREATE DOMAIN moods AS mood[]",
    "CREATE TYPE pair AS (a int, b text, c mood)",
    "CREATE TYPE floats AS RANGE (subtype = float8)",
    "CREATE COLLATION blunt (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    "CREATE TYPE \"odd. %s\" AS ENUM ('50%')",
]
COLUMNS = {
    "m": ("mood", "'good, \"really\"'"),
    "ms": ("mood[]", "ARRAY['it''s', NULL, 'so so']::mood[]"),
    "bounds": ("mood[]", "'[0:1]={\"so so\",\"it''s\"}'"),
    "d": ("short", "'  é '"),
    "p": ("padded", "'ab  '"),
    "y": ("yes", "true"),
    "dm": ("moods", "'{}'"),
    "c": ("pair", "ROW(1, 'a\"b,(\\', 'it''s')"),
    "nulls": ("pair", "ROW(NULL, NULL, NULL)"),
    "cs": ("pair[]", "ARRAY[ROW(1, '', NULL)::pair, NULL]"),
    "f": ("floats", "'[1e-300,0.1)'"),
    "fs": ("floats", "'empty'"),
    "ci": ("citext", "'MiXed'"),
    "h": ("hstore", '\'a=>NULL, "b c"=>""\''),
    "tx": ("text COLLATE blunt", "'Straße'"),
    "o": ('"odd. %s"', "'50%'"),
    "plain": ("numeric(10,3)", "1.100"),
    "n": ("mood", "NULL"),
}
DROPPED = [
    "ALTER TYPE mood ADD VALUE 'more'",
    *(f"ALTER TABLE t DROP COLUMN {name}" for name in COLUMNS),
    "DROP EXTENSION citext",
    "DROP EXTENSION hstore",
    'DROP TYPE "odd. %s"',
    "DROP TYPE pair",
    "DROP TYPE floats",
    "DROP DOMAIN moods",
    "DROP DOMAIN short",
    "DROP DOMAIN padded",
    "DROP DOMAIN yes",
    "DROP TYPE mood",
]


def there_and_back(database: Database, check: Check, repair: str, folder: Path) -> str:
    """Plan, apply, verify, undo; what was changed is what it was. Returns the run."""
    config = config_of(database, check)
    before = row_hashes(database)
    path = str(folder / f"{repair}.jsonl")
    plan = make_plan(config, path, repairs={check.title: repair}, because="a test", accept_rate=[check.title])
    run = apply(config, path, confirm="yes", because="a test")
    assert run.states == {"applied": plan.summary.count}, [one.reason for one in run.listed]
    assert run.states["applied"] > 0
    assert changed_rows(before, row_hashes(database))
    seen = verify(config, run.run_id)
    assert seen.sound, seen.problems
    back = undo(config, run.run_id, confirm="yes")
    assert back.states == {"undone": plan.summary.count}, [one.reason for one in back.listed]
    assert not changed_rows(before, row_hashes(database))
    seen = verify(config, run.run_id)
    assert (seen.sound, seen.restored) == (True, plan.summary.count), seen.problems
    return run.run_id


def journal_depends(database: Database) -> list[str]:
    """Columns of the journal whose type or collation is not PostgreSQL's own."""
    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = 'trueup'::regnamespace AND (a.atttypid >= 16384 OR a.attcollation >= 16384)"
        )
        return [row[0] for row in found]


@pytest.mark.slow
@POSTGRESQL
@pytest.mark.parametrize("key", ["int", "mood", "citext", "short", "text COLLATE blunt", "mood[]"])
def test_types_of_the_application_go_and_come_back_exactly_and_can_then_be_dropped(
    database: Database, tmp_path: Path, key: str
) -> None:
    names = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    values = ", ".join(value for _, value in COLUMNS.values())
    keys = {"int": ["1", "2"], "mood": ["'so so'", "'it''s'"], "mood[]": ["'{}'", "'{it''s}'"]}
    execute(
        database,
        [
            *TYPES,
            f"CREATE TABLE t (id {key} PRIMARY KEY, name short, {names})",
            *(
                f"INSERT INTO t VALUES ({one}, {name}, {values})"
                for one, name in zip(keys.get(key, ["'ä'", "'b''\"'"]), ("NULL", "'x'"), strict=True)
            ),
        ],
    )
    for repair in ("fill", "quarantine"):
        there_and_back(database, Missing(table="t", column="name", fill="zz"), repair, tmp_path)
    # of an enum, one that is filled
    there_and_back(database, Missing(table="t", column="n", fill="it's"), "fill", tmp_path)
    assert journal_depends(database) == []
    if key == "int":
        execute(database, ["ALTER TABLE t DROP COLUMN name", *DROPPED, "DROP COLLATION blunt"])


@POSTGRESQL
def test_a_type_that_was_dropped_and_made_anew_meets_a_journal_that_is_whole(
    database: Database, tmp_path: Path
) -> None:
    execute(
        database,
        [
            "CREATE TYPE mood AS ENUM ('good', 'bad')",
            "CREATE TABLE t (id int PRIMARY KEY, m mood, name text)",
            "INSERT INTO t VALUES (1, 'bad', NULL), (2, 'good', 'x')",
        ],
    )
    check = Missing(table="t", column="name", fill="zz")
    config = config_of(database, check)
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, repairs={check.title: "quarantine"}, because="a test", accept_rate=[check.title])
    run = apply(config, path, confirm="yes", because="a test")
    # as a migration that takes a label away does it
    execute(
        database,
        [
            "ALTER TYPE mood RENAME TO old",
            "CREATE TYPE mood AS ENUM ('good', 'bad')",
            "ALTER TABLE t ALTER m TYPE mood USING m::text::mood",
            "DROP TYPE old",
        ],
    )
    with psycopg.connect(database.url) as connection:
        kept = connection.execute("SELECT b0, b1, b2 FROM trueup.img_1 WHERE run_id = %s", [run.run_id]).fetchall()
    assert kept == [(1, "bad", None)]


#: Casts both ways that write other values than the type's own functions, and a row somewhere else.
CASTS = [
    "CREATE TABLE called (what text)",
    "CREATE TYPE mood AS ENUM ('good', 'bad', 'more')",
    "CREATE TYPE pair AS (a int, b mood)",
    "CREATE DOMAIN kind AS mood",
    *(
        statement
        for name, other in (("mood", "CASE $1 WHEN 'bad' THEN 'good' ELSE 'bad' END"), ("pair", "'(0,more)'"))
        for statement in (
            (
                f"CREATE FUNCTION read_{name}(text) RETURNS {name} LANGUAGE plpgsql AS $$ BEGIN"
                f" INSERT INTO public.called VALUES ('read'); RETURN (SELECT r.v FROM"
                f" jsonb_to_record(jsonb_build_object('v', {other})) AS r(v public.{name})); END $$"
            ),
            (
                f"CREATE FUNCTION write_{name}({name}) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
                " INSERT INTO public.called VALUES ('write'); RETURN 'no such'; END $$"
            ),
            f"CREATE CAST (text AS {name}) WITH FUNCTION read_{name} AS IMPLICIT",
            f"CREATE CAST ({name} AS text) WITH FUNCTION write_{name} AS ASSIGNMENT",
        )
    ),
]


@pytest.mark.slow
@POSTGRESQL
@pytest.mark.parametrize("key", ["int", "mood"])
def test_casts_that_the_application_made_take_no_part_in_what_is_kept(
    database: Database, tmp_path: Path, key: str
) -> None:
    columns = "m mood, k kind, p pair, n mood, name text"
    keys = ["'good'", "'bad'"] if key != "int" else ["1", "2"]
    values = 'jsonb_to_record(\'{"m": "bad", "p": "(1,bad)"}\') AS r(m mood, p pair)'
    execute(
        database,
        [
            # what compares the tables shows a key by a cast
            *(one for one in CASTS if key == "int" or not one.startswith("CREATE CAST (mood")),
            f"CREATE TABLE t (id {key} PRIMARY KEY, {columns})",
            f"INSERT INTO t SELECT {keys[0]}, m, m, p, NULL, NULL FROM {values}",
            f"INSERT INTO t SELECT {keys[1]}, m, m, p, m, 'x' FROM {values}",
        ],
    )
    for repair in ("fill", "quarantine"):
        there_and_back(database, Missing(table="t", column="name", fill="zz"), repair, tmp_path)
    there_and_back(database, Missing(table="t", column="n", fill="more"), "fill", tmp_path)
    assert not row_hashes(database)["called"]


#: Types of PostgreSQL's own, and two values of each.
OWN = {
    "int": ("-3", "3"),
    "bigint": ("-3", "3"),
    "numeric": ("-3.50", "3.50"),
    "uuid": ("00000000-0000-0000-0000-000000000003", "00000000-0000-0000-0000-000000000004"),
    "timestamptz": ("infinity", "2024-01-01 00:00:00+00"),
    "interval": ("1 mon", "2 days"),
    "int[]": ("{-3,NULL}", "{3}"),
}


@pytest.mark.slow
@pytest.mark.any_server
@pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)
@pytest.mark.parametrize("key", OWN)
def test_casts_that_a_superuser_made_for_types_of_postgresql_take_no_part_either(
    database: Database, tmp_path: Path, key: str
) -> None:
    bad, good = OWN[key]
    execute(
        database,
        [
            "CREATE TABLE called (what text)",
            f"CREATE TABLE t (id {key} PRIMARY KEY, n {key}, name text)",
            f"INSERT INTO t VALUES ('{bad}', NULL, NULL), ('{good}', '{bad}', 'x')",
            (
                f"CREATE FUNCTION taken(text) RETURNS {key} LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called"
                f" VALUES ('read'); RETURN (SELECT r.v FROM jsonb_to_record('{{\"v\": \"{good}\"}}') AS r(v {key}));"
                " END $$"
            ),
            f"CREATE FUNCTION told({key}) RETURNS text LANGUAGE sql AS $$ SELECT concat('<', $1, '>') $$",
            f"CREATE CAST (text AS {key}) WITH FUNCTION taken(text) AS IMPLICIT",
            f"CREATE CAST ({key} AS text) WITH FUNCTION told AS ASSIGNMENT",
        ],
    )
    for repair in ("fill", "quarantine"):
        there_and_back(database, Missing(table="t", column="name", fill="zz"), repair, tmp_path)
    there_and_back(database, Missing(table="t", column="n", fill=good), "fill", tmp_path)
    assert not row_hashes(database)["called"]


@INNODB
def test_per_cent_signs_in_the_members_of_an_enum_are_members_like_others(database: Database, tmp_path: Path) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (id ENUM('1%', '2') PRIMARY KEY, name VARCHAR(9), e ENUM('50%', '100% ''sure''', '%s %%'))",
            "ALTER TABLE t MODIFY e ENUM('50%', '100% ''sure''', '%s %%') CHARACTER SET latin1",
            "ALTER TABLE t ADD s SET('a%', 'b''%(c)s'), ADD z INT(8) ZEROFILL, ADD f FLOAT(7,2), ADD d DATETIME(3)",
            "INSERT INTO t VALUES ('1%', NULL, '50%', 'a%', 7, 12345.67, '2020-01-01 00:00:00.123')",
            "INSERT INTO t VALUES ('2', 'x', '%s %%', 'a%,b''%(c)s', 7, 0.1, NULL)",
        ],
    )
    for repair in ("fill", "quarantine"):
        there_and_back(database, Missing(table="t", column="name", fill="z%"), repair, tmp_path)


@POSTGRESQL
def test_a_large_object_of_a_row_in_quarantine_is_none_that_nothing_refers_to(
    database: Database, tmp_path: Path
) -> None:
    program = postgresql_folder() / "vacuumlo"
    if not program.exists():
        pytest.skip("no vacuumlo")
    execute(
        database,
        [
            "CREATE EXTENSION lo",
            "CREATE TABLE t (id int PRIMARY KEY, name text, a lo, b oid)",
            *(
                f"INSERT INTO t SELECT {n}, nullif({n}, 1), lo_from_bytea(0, 'a'), lo_from_bytea(0, 'b')"
                for n in (1, 2, 3)
            ),
            "SELECT lo_from_bytea(0, 'nobody''s')",
        ],
    )
    check = Missing(table="t", column="name", repair=("quarantine",))
    config = config_of(database, check)
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="a test", accept_rate=[check.title])
    run = apply(config, path, confirm="yes", because="a test")
    assert run.states == {"applied": 1}

    address = urlsplit(database.url)
    where = ["-h", str(address.hostname), "-p", str(address.port), "-U", str(address.username)]
    subprocess.run([program, *where, address.path[1:]], check=True)

    assert undo(config, run.run_id, confirm="yes").states == {"undone": 1}
    with psycopg.connect(database.url) as connection:
        held = connection.execute("SELECT lo_get(a), lo_get(b) FROM t").fetchall()
        left = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    assert held == [(b"a", b"b")] * 3
    assert left == (6,)
