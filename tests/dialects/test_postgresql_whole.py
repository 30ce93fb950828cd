"""Whole runs on what PostgreSQL alone has: names with any sign, domains that refuse, databases without an encoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tests.dialects.opened import opened
from tests.dialects.test_postgresql import role, script
from tests.engines import Database
from tests.proof import config_of
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.checks.unknown_value import UnknownValue
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.config import Config
from trueup.errors import Refused, StoreError
from trueup.results import RunReport
from trueup.run import apply, make_plan, propose, scan, undo, verify
from trueup.stores.sql import SqlStore

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)


def applied(database: Database, check: Check, tmp_path: Path) -> RunReport:
    path = str(tmp_path / "plan.jsonl")
    make_plan(config_of(database, check), path, values=True)
    return apply(config_of(database, check), path, confirm="yes", because="a test")


def rows(database: Database, table: str) -> list[str]:
    with psycopg.connect(database.url) as connection:
        return [row[0] for row in connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1".encode())]


@pytest.mark.slow
@pytest.mark.parametrize("repair", ["nullify", "quarantine"])
@pytest.mark.parametrize("schema", ["public", 'o"dd.%s'])
def test_names_and_labels_with_any_sign_go_through_a_whole_run(
    database: Database, repair: str, schema: str, tmp_path: Path
) -> None:
    quoted = '"' + schema.replace('"', '""') + '"'
    table = f'{quoted}."we""ird.%s %(t)s"'
    script(
        database,
        f"CREATE SCHEMA IF NOT EXISTS {quoted}",
        "CREATE TYPE public.\"ty.p\"\"e\" AS ENUM ('100%', 'a%sb', 'it''s', 'bad%(x)s')",
        f'CREATE TABLE {table} ("i""d%" int PRIMARY KEY, "e%" public."ty.p""e", "a.b" text)',
        f"INSERT INTO {table} VALUES (1, '100%', '%s'), (2, 'bad%(x)s', '%'), (3, 'it''s', NULL), (4, 'a%sb', '%(y)s')",
    )
    before = rows(database, table)
    with opened(database) as session:
        (name,) = session.dialect.tables(session.connection)
    check: Check = Missing(table=name, column="a.b", name="n", repair=("quarantine",))
    if repair == "nullify":
        check = UnknownValue(table=name, column="a.b", allowed=("%s",), name="n", repair=("nullify",))
    report = applied(database, check, tmp_path)
    assert report.states == {"applied": 2 if repair == "nullify" else 1}
    assert len(rows(database, table)) == (4 if repair == "nullify" else 3)
    config = config_of(database, check)
    assert verify(config, report.run_id).sound
    assert undo(config, report.run_id, confirm="yes").states == {"undone": 2 if repair == "nullify" else 1}
    assert rows(database, table) == before


def test_a_domain_that_refuses_blocks_the_rows_and_does_not_end_the_plan(database: Database, tmp_path: Path) -> None:
    script(
        database,
        "CREATE DOMAIN public.word AS varchar(9) CHECK (VALUE IS NOT NULL)",
        "CREATE TABLE public.t (id int PRIMARY KEY, v public.word)",
        "INSERT INTO public.t VALUES (1, 'good'), (2, 'odd')",
    )
    before = rows(database, "public.t")
    check = UnknownValue(table="t", column="v", allowed=("good",), name="n", repair=("nullify",))
    report = applied(database, check, tmp_path)
    assert report.states == {"blocked": 1}
    assert rows(database, "public.t") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "one", "two", "three"),
    [
        ("ENUM ('b', 'a', 'c')", "b", "a", "c"),
        ("RANGE (subtype = int4)", "[1,2)", "[2,9)", "[9,)"),
        ("(a int, b text)", "(1,x)", "(1,y)", '(2,"z,")'),
    ],
    ids=["enum", "range", "composite"],
)
def test_keys_and_references_of_a_domain_over_a_kind_of_types_go_through_a_whole_run(
    database: Database, kind: str, one: str, two: str, three: str, tmp_path: Path
) -> None:
    """Operators that take any enum, any range, any record take no domain over one."""
    script(
        database,
        f"CREATE TYPE public.kind AS {kind}",
        "CREATE DOMAIN public.d AS public.kind; CREATE DOMAIN public.dd AS public.d",
        "CREATE TABLE public.p (k public.kind PRIMARY KEY)",
        "CREATE TABLE public.t (k public.dd, n text, r public.d, v text, PRIMARY KEY (k, n))",
        f"INSERT INTO public.p VALUES ('{one}'), ('{two}')",
        f"INSERT INTO public.t VALUES ('{one}', 'x', '{two}', NULL), ('{one}', 'y', '{three}', 'a'),"
        f" ('{two}', 'x', '{one}', NULL), ('{three}', 'x', '{three}', 'a'), ('{three}', 'y', NULL, NULL)",
    )
    before = rows(database, "public.t")
    checks: list[tuple[Check, int]] = [
        (Missing(table="t", column="v", name="n", fill="b", repair=("fill",)), 3),
        (Missing(table="t", column="v", name="n", repair=("quarantine",)), 3),
        (Orphan(table="t", column="r", references="p.k", name="n", repair=("nullify",)), 2),
    ]
    for place, (check, broken) in enumerate(checks):
        folder = tmp_path / str(place)
        folder.mkdir()
        report = applied(database, check, folder)
        assert report.states == {"applied": broken}, check
        config = config_of(database, check)
        assert verify(config, report.run_id).sound
        assert undo(config, report.run_id, confirm="yes").states == {"undone": broken}
        assert rows(database, "public.t") == before


RAISED = ["42501", "25006", "53100", "42704", "22000", "08006", "57P01", "57P05", "25P03", "40001", "40P01", "55P03"]
SAYS = "RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'no ' || id || ' for ' || v, DETAIL = v;"


@pytest.mark.parametrize("code", RAISED)
def test_what_a_function_of_the_application_raises_blames_its_row_and_is_never_repeated(
    database: Database, code: str, tmp_path: Path
) -> None:
    script(
        database,
        "CREATE FUNCTION public.ok(id int, v text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN IF v = 'secret' AND id = 2"
        f" THEN {SAYS.format(code=code)} END IF; RETURN true; END $$",
        "CREATE TABLE public.t (id int PRIMARY KEY, v text, CHECK (public.ok(id, v)))",
        "INSERT INTO public.t VALUES (1, NULL), (2, NULL), (3, 'a')",
    )
    check = Missing(table="t", column="v", name="n", fill="secret", repair=("fill",))
    report = applied(database, check, tmp_path)
    assert (report.state, report.states) == ("applied", {"applied": 1, "blocked": 1})
    assert [one.key for one in report.listed] == ["2"]
    assert f"({code})" in report.listed[0].reason
    assert "secret" not in repr(report)


INSIDE = "DO $$ BEGIN {} END $$"
TROUBLE = {
    "ended": ("PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5);", True, False),
    "locked": ("PERFORM FROM public.t FOR UPDATE NOWAIT;", False, True),
    "said to be ended": ("RAISE EXCEPTION USING ERRCODE = '57P01';", False, False),
    "said to be locked": ("RAISE EXCEPTION USING ERRCODE = '55P03';", False, False),
}


@pytest.mark.parametrize("what", TROUBLE)
def test_the_servers_own_trouble_within_a_function_is_told_from_what_the_function_says(
    database: Database, what: str
) -> None:
    body, gone, passes = TROUBLE[what]
    script(database, "CREATE TABLE public.t (id int PRIMARY KEY)", "INSERT INTO public.t VALUES (1)")
    with psycopg.connect(database.url) as other, opened(database, write=True) as session:
        other.execute("SELECT FROM public.t FOR UPDATE")
        with pytest.raises(sa.exc.DBAPIError) as error:
            session.connection.exec_driver_sql(INSIDE.format(body))
        assert session.dialect.disconnected(error.value) == gone
        assert session.dialect.retryable(error.value) == passes


def test_a_right_that_a_function_of_the_application_lacks_stops_the_run(database: Database, tmp_path: Path) -> None:
    script(
        database,
        "CREATE TABLE public.known (v text)",
        "INSERT INTO public.known VALUES ('a')",
        "CREATE FUNCTION public.ok(v text) RETURNS bool LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN v IS NULL OR EXISTS (SELECT FROM public.known k WHERE k.v = $1); END $$",
        "CREATE TABLE public.t (id int PRIMARY KEY, v text, CHECK (public.ok(v)))",
        "INSERT INTO public.t VALUES (1, NULL), (2, 'a')",
    )
    place = make_url(database.url).database
    rights = ("GRANT ALL ON public.t TO {role}", f"GRANT CREATE ON DATABASE {place} TO {{role}}")
    check = Missing(table="t", column="v", name="n", fill="a", repair=("fill",))
    with (
        role(database, *rights) as url,
        pytest.raises(StoreError, match=r": permission denied for table known \(42501\); what was written"),
    ):
        applied(replace(database, url=url), check, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["json", "text", "jsonb"])
def test_a_document_that_cannot_be_written_into_is_left_and_not_planned_to_stay_as_it_is(
    database: Database, storage: str, tmp_path: Path
) -> None:
    odd = (r"""(2, '{"a": 1e999999, "q": 8}'), (3, '{"a": "\u0000", "q": 8}'),""") if storage == "json" else ""
    script(
        database,
        "CREATE TABLE public.par (id bigint PRIMARY KEY)",
        "INSERT INTO public.par VALUES (1)",
        f"CREATE TABLE public.t (id int PRIMARY KEY, j {storage})",
        f"""INSERT INTO public.t VALUES (1, '{{"q": 1}}'), {odd} (4, '{{"q": 8}}'), (5, '{{"q": "8"}}')""",
    )
    orphan = Orphan(table="t", column="j.q", references="par.id", name="n", repair=("nullify",))
    typed = WrongJsonType(table="t", column="j.q", expected=("boolean", "null"), name="n", repair=("nullify",))
    before = rows(database, "public.t")
    for check, found in ((orphan, 2), (typed, 3)):
        report = applied(database, check, tmp_path)
        assert (report.planned, report.states) == (found, {"applied": found})
        assert undo(config_of(database, check), report.run_id, confirm="yes").states == {"undone": found}
        assert rows(database, "public.t") == before
        (tmp_path / "plan.jsonl").unlink()


SWAPPED = {
    "attributes": (
        "ALTER TYPE public.place RENAME ATTRIBUTE street TO x",
        "ALTER TYPE public.place RENAME ATTRIBUTE city TO street",
        "ALTER TYPE public.place RENAME ATTRIBUTE x TO city",
    ),
    "attribute anew": (
        "ALTER TYPE public.place DROP ATTRIBUTE street",
        "ALTER TYPE public.place ADD ATTRIBUTE street text",
    ),
    "labels": (
        "ALTER TYPE public.state RENAME VALUE 'open' TO 'x'",
        "ALTER TYPE public.state RENAME VALUE 'closed' TO 'open'",
        "ALTER TYPE public.state RENAME VALUE 'x' TO 'closed'",
    ),
    "label anew": (
        "ALTER TYPE public.state RENAME VALUE 'open' TO 'shut'",
        "ALTER TYPE public.state ADD VALUE 'open'",
    ),
}
#: The text of every value goes on meaning what it did.
ADDED = (
    "ALTER TYPE public.state ADD VALUE 'ajar' BEFORE 'closed'",
    "CREATE TYPE public.other AS (a int)",
    "ALTER TABLE public.t ADD o public.other",
)


def with_types(database: Database, tmp_path: Path) -> tuple[Config, RunReport]:
    script(
        database,
        "CREATE TYPE public.place AS (street text, city text)",
        "CREATE TYPE public.state AS ENUM ('open', 'closed')",
        "CREATE TABLE public.t (id int PRIMARY KEY, v text, s public.state, places public.place[])",
        "INSERT INTO public.t SELECT i, CASE WHEN i > 1 THEN 'v' END, 'open', ARRAY[ROW('s', 'c')::public.place]"
        " FROM generate_series(1, 3) i",
    )
    check = Missing(table="t", column="v", name="n", repair=("quarantine",))
    report = applied(database, check, tmp_path)
    assert report.states == {"applied": 1}
    return config_of(database, check), report


@pytest.mark.parametrize("swap", SWAPPED)
def test_names_exchanged_within_a_type_keep_an_undo_from_giving_back_something_else(
    database: Database, swap: str, tmp_path: Path
) -> None:
    config, run = with_types(database, tmp_path)
    script(database, *SWAPPED[swap])
    before = rows(database, "public.t")
    with pytest.raises(Refused) as caught:
        undo(config, run.run_id, confirm="yes")
    told = (
        "type public.place of t has other attributes" if "attr" in swap else "a type of t has labels that were renamed"
    )
    assert f"{told} since the run" in str(caught.value)
    assert rows(database, "public.t") == before


#: Types that hold values of an enum within, and one value of each.
RANGES = {
    "range": ("public.states", "public.states('open', 'closed', '[]')"),
    "array": ("public.states[]", "ARRAY[public.states('open', 'open', '[]')]"),
    "domain": ("public.span", "public.states('open', 'open', '[]')"),
    "multirange": ("public.many", "public.many(public.states('open', 'open', '[]'))"),
    "composite": ("public.stays", "public.stays(ROW('s', 'c')::public.place, ROW('t', 'd')::public.place)"),
}


@pytest.mark.parametrize("kind", RANGES)
def test_names_exchanged_beneath_a_range_keep_an_undo_from_giving_back_something_else(
    database: Database, kind: str, tmp_path: Path
) -> None:
    spelled, value = RANGES[kind]
    script(
        database,
        "CREATE TYPE public.place AS (street text, city text)",
        "CREATE TYPE public.state AS ENUM ('open', 'closed')",
        "CREATE TYPE public.states AS RANGE (subtype = public.state, multirange_type_name = public.many)",
        "CREATE TYPE public.stays AS RANGE (subtype = public.place)",
        "CREATE DOMAIN public.span AS public.states",
        f"CREATE TABLE public.t (id int PRIMARY KEY, v text, r {spelled})",
        f"INSERT INTO public.t SELECT i, CASE WHEN i > 1 THEN 'v' END, {value} FROM generate_series(1, 3) i",
    )
    check = Missing(table="t", column="v", name="n", repair=("quarantine",))
    run = applied(database, check, tmp_path)
    assert run.states == {"applied": 1}
    swap, told = ("attributes", "other attributes") if kind == "composite" else ("labels", "labels that were renamed")
    script(database, *SWAPPED[swap])
    before = rows(database, "public.t")
    with pytest.raises(Refused, match=f"has {told} since the run"):
        undo(config_of(database, check), run.run_id, confirm="yes")
    assert rows(database, "public.t") == before


@pytest.mark.parametrize("spelled", ["public.named[]", "public.about", "public.about[]"])
def test_a_row_that_names_a_table_within_a_value_is_not_taken_out(
    database: Database, spelled: str, tmp_path: Path
) -> None:
    """Tables may exchange their names before an undo, and the text of such a value is all that is kept."""
    value = "'public.x'::regclass" if "named" in spelled else "ROW('public.x'::regclass, 1)::public.about"
    script(
        database,
        "CREATE TABLE public.x (a int)",
        "CREATE DOMAIN public.named AS regclass",
        "CREATE TYPE public.about AS (what public.named, n int)",
        f"CREATE TABLE public.t (id int PRIMARY KEY, v text, o {spelled})",
        f"INSERT INTO public.t SELECT i, CASE WHEN i > 1 THEN 'v' END, {f'ARRAY[{value}]' if '[' in spelled else value}"
        "::" + spelled + " FROM generate_series(1, 3) i",
    )
    before = rows(database, "public.t")
    plan = make_plan(
        config_of(database, Missing(table="t", column="v", name="n", repair=("quarantine",))),
        str(tmp_path / "plan.jsonl"),
        values=True,
    )
    assert [one.reason for one in plan.summary.left] == [
        (
            "t.o names objects of the catalogue within its values, and nothing would tell them from others that take "
            "their names"
        )
    ]
    # what is not written is never given back
    check = Missing(table="t", column="v", name="n", fill="zz", repair=("fill",))
    run = applied(database, check, tmp_path)
    assert run.states == {"applied": 1}
    assert undo(config_of(database, check), run.run_id, confirm="yes").states == {"undone": 1}
    assert rows(database, "public.t") == before


def test_a_column_that_names_a_table_names_the_same_after_an_undo(database: Database, tmp_path: Path) -> None:
    script(
        database,
        *(f"CREATE TABLE public.{name} (a int)" for name in "xy"),
        "CREATE DOMAIN public.named AS regclass",
        "CREATE TABLE public.t (id int PRIMARY KEY, v text, o public.named, os regclass[])",
        "INSERT INTO public.t SELECT i, CASE WHEN i > 1 THEN 'v' END, 'public.x', '{public.x}'"
        " FROM generate_series(1, 3) i",
    )
    check = Missing(table="t", column="v", name="n", repair=("quarantine",))
    run = applied(database, check, tmp_path)
    assert run.states == {"applied": 1}
    script(database, *(f"ALTER TABLE public.{a} RENAME TO {b}" for a, b in ("xz", "yx", "zy")))
    assert undo(config_of(database, check), run.run_id, confirm="yes").states == {"undone": 1}
    assert rows(database, "public.t") == [f"({n},{'v' if n > 1 else ''},y,{{y}})" for n in (1, 2, 3)]


def test_what_a_type_gained_since_the_run_does_not_keep_an_undo(database: Database, tmp_path: Path) -> None:
    config, run = with_types(database, tmp_path)
    script(database, *ADDED)
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 1}
    assert rows(database, "public.t") == [f'({n},{"v" if n > 1 else ""},open,"{{""(s,c)""}}",)' for n in (1, 2, 3)]


def test_attributes_of_a_column_that_is_not_written_may_be_renamed(database: Database, tmp_path: Path) -> None:
    with_types(database, tmp_path)
    script(database, "INSERT INTO public.t SELECT 4, NULL, s, places FROM public.t LIMIT 1")
    check = Missing(table="t", column="v", name="n", fill="zz", repair=("fill",))
    run = applied(database, check, tmp_path)
    script(database, "ALTER TYPE public.place RENAME ATTRIBUTE city TO town")
    assert undo(config_of(database, check), run.run_id, confirm="yes").states == {"undone": 1}


def test_settings_of_the_database_do_not_keep_a_run_from_its_end(database: Database, tmp_path: Path) -> None:
    place = make_url(database.url).database
    script(
        database,
        "CREATE TYPE public.state AS ENUM ('open', 'closed')",
        "CREATE TABLE public.t (id int PRIMARY KEY, v varchar(9) DEFAULT 'd' CHECK (v <> 'x'), s public.state,"
        " list public.state[])",
        "INSERT INTO public.t VALUES (1, NULL, 'open', '{open,NULL}'), (2, 'a', 'closed', '{}')",
        f"ALTER DATABASE {place} SET quote_all_identifiers = on",
        f"ALTER DATABASE {place} SET idle_in_transaction_session_timeout = '1min'",
        f"ALTER DATABASE {place} SET jit = on",
        f"ALTER DATABASE {place} SET array_nulls = off",
        f"ALTER DATABASE {place} SET statement_timeout = '1min'",
    )
    if database.engine == "postgresql18":
        script(database, f"ALTER DATABASE {place} SET transaction_timeout = '1min'")
    check = Missing(table="t", column="v", name="n", fill="zz", repair=("fill",))
    before = rows(database, "public.t")
    for one in (check, replace(check, repair=("quarantine",))):
        report = applied(database, one, tmp_path)
        assert report.states == {"applied": 1}
        assert undo(config_of(database, one), report.run_id, confirm="yes").states == {"undone": 1}
        assert rows(database, "public.t") == before
    with opened(database) as session:
        limits = ["idle_in_transaction_session_timeout", "statement_timeout"]
        limits += ["transaction_timeout"] if database.engine == "postgresql18" else []
        for limit in limits:
            assert session.ask(sa.func.current_setting(limit)) == ["0"]
    with SqlStore("app", database.url).connect(write=True) as connection:
        found = {name: connection.scalar(sa.select(sa.func.current_setting(name))) for name in (*limits, "jit")}
        assert found == {**dict.fromkeys(limits, "0"), "jit": "off"}


@contextmanager
def encoded(database: Database, encoding: str) -> Iterator[Database]:
    """Another database on the same server, in an encoding of its own."""
    url = make_url(database.url)
    name = f"{url.database}_{encoding.lower()}"
    script(database, f"CREATE DATABASE {name} ENCODING {encoding} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        yield Database(database.engine, url.set(database=name).render_as_string(hide_password=False))
    finally:
        script(database, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_sign_that_the_databases_encoding_lacks_is_told_with_the_check_and_the_column(
    database: Database, tmp_path: Path
) -> None:
    with encoded(database, "LATIN1") as narrow:
        script(
            narrow,
            "CREATE TABLE public.t (id int PRIMARY KEY, v text)",
            "INSERT INTO public.t VALUES (1, NULL), (2, U&'\\00e9'), (3, 'odd')",
        )
        told = r": n, on t\.v: a value has a sign that the database's encoding LATIN1 lacks \(22P05\)$"
        filled = Missing(table="t", column="v", name="n", fill="€", repair=("fill",))
        known = UnknownValue(table="t", column="v", allowed=("é", "€"), name="n", repair=("nullify",))
        for check in (filled, known):
            with pytest.raises(StoreError, match=told):
                make_plan(config_of(narrow, check), str(tmp_path / "plan.jsonl"))
        (result,) = scan(config_of(narrow, known)).results
        assert result.reason == "a value has a sign that the database's encoding LATIN1 lacks (22P05)"
        report = applied(narrow, replace(filled, fill="ü"), tmp_path)
        assert report.states == {"applied": 1}


def test_a_database_without_an_encoding_is_read_as_utf_8_and_what_is_not_is_told(
    database: Database, tmp_path: Path
) -> None:
    with encoded(database, "SQL_ASCII") as plain:
        script(
            plain,
            "CREATE TABLE public.t (id int PRIMARY KEY, v text)",
            "INSERT INTO public.t VALUES (1, 'good'), (2, convert_from('\\xc3a4', 'SQL_ASCII'))",
        )
        check = UnknownValue(table="t", column="v", allowed=("good",), name="n", repair=("nullify",))
        report = applied(plain, check, tmp_path)
        assert report.states == {"applied": 1}
        assert undo(config_of(plain, check), report.run_id, confirm="yes").states == {"undone": 1}
        script(plain, "INSERT INTO public.t VALUES (3, convert_from('\\xff', 'SQL_ASCII'))")
        (result,) = scan(config_of(plain, check)).results
        assert result.findings == 2
        with pytest.raises(StoreError, match=r"CharacterNotInRepertoire \(22021\): the database holds text that is no"):
            make_plan(config_of(plain, check), str(tmp_path / "again.jsonl"))


def test_a_key_with_a_period_is_not_taken_for_one_of_equal_values(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("PERIOD came with PostgreSQL 18")
    script(
        database,
        "CREATE EXTENSION btree_gist",
        "CREATE TABLE public.emp (id int, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS))",
        "CREATE TABLE public.pos (pid int PRIMARY KEY, emp int, valid daterange,"
        " FOREIGN KEY (emp, PERIOD valid) REFERENCES public.emp (id, PERIOD valid))",
        "INSERT INTO public.emp VALUES (1, daterange('2020-01-01', '2030-01-01'))",
        "INSERT INTO public.pos VALUES (1, 1, daterange('2021-01-01', '2022-01-01'))",
    )
    missing = Missing(table="pos", column="valid", name="n")
    assert [check for check in propose(config_of(database, missing)) if isinstance(check, Orphan)] == []
