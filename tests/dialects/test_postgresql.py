"""What is PostgreSQL's own: schemas, types, roles, and sessions that others have settings for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from tests.dialects.opened import Opened, opened
from tests.engines import Database
from trueup.errors import StoreError
from trueup.sql.tables import Column

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)


def script(database: Database, *statements: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def role(database: Database, *grants: str) -> Iterator[str]:
    """A role with few rights, and the URL it connects by; gone afterwards."""
    url = make_url(database.url)
    name = f"r_{url.database}"
    script(database, f"CREATE ROLE {name} LOGIN", *(grant.format(role=name) for grant in grants))
    try:
        yield url.set(username=name).render_as_string(hide_password=False)
    finally:
        script(database, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def obstacles(database: Database, name: str) -> tuple[str, ...]:
    with opened(database) as session:
        return session.table(name).obstacles


# -- names ----------------------------------------------------------------------------------------
def test_tables_of_other_schemas_go_by_their_full_name(database: Database) -> None:
    script(
        database,
        "CREATE SCHEMA app",
        "CREATE TABLE public.users (id int PRIMARY KEY)",
        "CREATE TABLE app.users (id text PRIMARY KEY, parent int REFERENCES public.users)",
        "CREATE VIEW public.seen AS SELECT 1",
        "CREATE TEMP TABLE passing (id int)",
    )
    with opened(database) as session:
        assert session.dialect.tables(session.connection) == ["users", "app.users"]
        assert session.table("public.users").name == "users"
        assert session.table("app.users").columns["id"].ddl == "text"
        assert [reference.parent for reference in session.table("app.users").references] == ["users"]
        assert [reference.table for reference in session.table("users").referenced_by] == ["app.users"]


def test_the_search_path_of_the_role_says_which_schema_needs_no_name(database: Database) -> None:
    script(database, "CREATE SCHEMA app", "CREATE TABLE app.users (id int PRIMARY KEY)")
    path = f"ALTER DATABASE {make_url(database.url).database} SET search_path = missing, app, public"
    script(database, path)
    with opened(database) as session:
        assert session.dialect.tables(session.connection) == ["users"]
        assert session.table("users").sql.schema == "app"


def test_functions_of_the_application_are_never_called(database: Database) -> None:
    script(
        database,
        "CREATE TABLE public.t (id int PRIMARY KEY, v text)",
        "INSERT INTO public.t VALUES (1, 'Ä')",
        *(
            f"CREATE FUNCTION public.{name} LANGUAGE sql AS $$ SELECT {answer} $$"
            for name, answer in (
                ("lower(text) RETURNS text", "'hijacked'::text"),
                ("sha256(bytea) RETURNS bytea", "'\\x00'::bytea"),
                ("jsonb_typeof(jsonb) RETURNS text", "'object'::text"),
            )
        ),
        f"ALTER DATABASE {make_url(database.url).database} SET search_path = public, pg_catalog",
    )
    with opened(database) as session:
        table = session.table("t")
        value = table.sql.c.v
        assert session.ask(session.dialect.fold(value, ["case"])) == ["ä"]
        assert len(session.ask(session.dialect.digest([(table.columns["v"], value)]))[0]) == 64


def test_citext_is_compared_as_citext_and_by_its_index(database: Database) -> None:
    script(
        database,
        "CREATE SCHEMA ext",
        "CREATE EXTENSION citext SCHEMA ext",
        "CREATE TABLE public.t (email ext.citext PRIMARY KEY, n int)",
        "INSERT INTO public.t SELECT 'User' || i || '@x.org', i FROM generate_series(1, 5000) i",
        "ANALYZE public.t",
    )
    with opened(database) as session:
        table = session.table("t")
        assert table.columns["email"].ddl == "ext.citext"
        assert session.connection.execute(sa.select(table.sql.c.n).where(table.sql.c.email == "uSER7@X.ORG")).all() == [
            (7,)
        ]
        stage = session.dialect.stage(session.connection, table, [(1, "", "", ["User9@x.org"])])
        joined = sa.select(table.sql.c.n).join_from(stage.relation, table.sql, table.sql.c.email == stage.relation.c.k0)
        assert session.connection.execute(joined, dict(stage.parameters)).all() == [(9,)]
        assert "Index" in explained(session, joined, dict(stage.parameters))


def explained(session: Opened, statement: sa.Select[Any], parameters: dict[str, Any]) -> str:
    compiled = statement.compile(session.connection.engine)
    text = sa.text(
        "EXPLAIN " + str(statement.compile(dialect=compiled.dialect, compile_kwargs={"render_postcompile": True}))
    )
    raw = session.connection.connection.cursor()
    raw.execute(str(text), {**compiled.params, **parameters})
    return "\n".join(row[0] for row in raw.fetchall())


# -- the catalogue --------------------------------------------------------------------------------
def test_types_are_told_word_for_word(database: Database) -> None:
    script(
        database,
        'CREATE SCHEMA "o\'dd"',
        "CREATE TYPE \"o'dd\".\"mo od\" AS ENUM ('sad', 'fine')",
        "CREATE DOMAIN public.positive AS numeric(8, 2) NOT NULL CHECK (VALUE > 0)",
        "CREATE DOMAIN public.more AS public.positive",
        'CREATE TABLE public.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m "o\'dd"."mo od", p public.more,'
        ' c char(5), v varchar(9) COLLATE "C", ts timestamptz(3), tags text[], twice int GENERATED ALWAYS AS (1 + 1)'
        " STORED, j json, f real, b bit(4), d date DEFAULT now())",
    )
    with opened(database) as session:
        columns = session.table("t").columns
    assert {name: column.ddl for name, column in columns.items()} == {
        "id": "bigint",
        "m": '"o\'dd"."mo od"',
        "p": "public.more",
        "c": "character(5)",
        "v": 'character varying(9) COLLATE pg_catalog."C"',
        "ts": "timestamp(3) with time zone",
        "tags": "text[]",
        "twice": "integer",
        "j": "json",
        "f": "real",
        "b": "bit(4)",
        "d": "date",
    }
    families = {name: column.family for name, column in columns.items() if column.family != "plain"}
    assert families == {"m": "enum", "c": "text", "v": "text", "j": "json", "f": "float", "b": "bit"}
    assert columns["p"].numeric
    assert not columns["p"].nullable
    assert columns["twice"].generated
    assert columns["id"].has_default
    assert columns["ts"].temporal


def test_a_float_is_no_key(database: Database) -> None:
    script(database, "CREATE TABLE public.t (x float8 PRIMARY KEY, n int NOT NULL, UNIQUE (n))")
    with opened(database) as session:
        assert session.table("t").key == ("n",)


def test_partial_deferred_and_broken_indexes_are_no_keys(database: Database) -> None:
    script(
        database,
        "CREATE TABLE public.t (a int NOT NULL, b int NOT NULL)",
        "CREATE UNIQUE INDEX ON public.t (a) WHERE a > 0",
        "CREATE UNIQUE INDEX ON public.t ((a + 1))",
        "INSERT INTO public.t VALUES (1, 1), (2, 1)",
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        script(database, "CREATE UNIQUE INDEX CONCURRENTLY ON public.t (b)")
    with opened(database) as session:
        assert session.table("t").key == ()
        assert session.table("t").uniques == ()


def test_what_forbids_writing_is_named(database: Database) -> None:
    script(
        database,
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TABLE public.fired (id int PRIMARY KEY)",
        "CREATE TRIGGER off BEFORE UPDATE ON public.fired FOR EACH ROW EXECUTE FUNCTION public.f()",
        "ALTER TABLE public.fired DISABLE TRIGGER off",
        "CREATE TABLE public.ruled (id int PRIMARY KEY)",
        "CREATE RULE quiet AS ON UPDATE TO public.ruled DO INSTEAD NOTHING",
        "CREATE TABLE public.parent (id int PRIMARY KEY)",
        "CREATE TABLE public.heir () INHERITS (public.parent)",
        "CREATE TABLE public.whole (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.part PARTITION OF public.whole FOR VALUES FROM (0) TO (9)",
    )
    assert obstacles(database, "fired") == ()
    script(database, "ALTER TABLE public.fired ENABLE TRIGGER off")
    assert obstacles(database, "fired") == ("it has the trigger 'off', whose effects would not be journaled",)
    assert obstacles(database, "ruled") == ("it has the rule 'quiet', which rewrites statements",)
    assert obstacles(database, "parent") == ("it has inheritance children (public.heir), whose rows show in it",)
    assert obstacles(database, "heir") == ()
    assert obstacles(database, "whole") == ("it is partitioned; name its partitions instead (public.part)",)
    assert obstacles(database, "part") == ()
    with opened(database) as session:
        assert "part" not in session.dialect.tables(session.connection)


def test_row_security_is_an_obstacle_to_the_role_it_hides_rows_from(database: Database) -> None:
    script(
        database,
        "CREATE TABLE public.t (id int PRIMARY KEY)",
        "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
    )
    assert obstacles(database, "t") == ()
    seen = "row security hides rows of it from this role; a role with BYPASSRLS sees them"
    with role(database, "GRANT SELECT ON public.t TO {role}") as url, opened(database, url=url) as session:
        table = session.table("t")
        assert table.obstacles == (seen,)
        with pytest.raises(DBAPIError) as error:
            session.ask(table.sql.c.id)
    assert session.dialect.describe(error.value) == (
        'query would be affected by row-level security policy for table "t": row security hides rows from this role,'
        " and one with BYPASSRLS sees them (42501)"
    )


def test_a_reference_that_old_rows_may_break_is_marked(database: Database) -> None:
    script(
        database,
        "CREATE TABLE public.p (id int PRIMARY KEY)",
        "CREATE TABLE public.c (a int, b int REFERENCES public.p)",
        "ALTER TABLE public.c ADD CONSTRAINT loose FOREIGN KEY (a) REFERENCES public.p ON UPDATE CASCADE NOT VALID",
    )
    with opened(database) as session:
        told = {
            reference.name: (reference.enforced, reference.on_update) for reference in session.table("c").references
        }
    assert told == {"c_b_fkey": (True, ""), "loose": (False, "CASCADE")}


# -- canonical bytes ------------------------------------------------------------------------------
VALUES = ["1.0::numeric", "1.00::numeric", "'1 mon'::interval", "'30 days'::interval", "'-0'::float8", "0::float8"]
VALUES += ["'NaN'::float8", "0.1::float8 + 0.2", "0.3::float8", "'{\"a\": 1.0}'::jsonb", "'{\"a\": 1.00}'::jsonb"]
VALUES += [
    "'[0:1]={1,2}'::int[]",
    "'{1,2}'::int[]",
    '\'{"a":1,"a":2}\'::json',
    "'{\"a\":2}'::json",
    "NULL::text",
    "''::text",
]
VALUES += [
    "'(,)'::text",
    "'\"\"'::text",
    "'\\x00'::bytea",
    "'2020-01-01 00:00+00'::timestamptz",
    "12.5::money",
]


def test_values_that_are_equal_and_not_the_same_have_different_digests(database: Database) -> None:
    with opened(database) as session:
        column = session_column()
        built = str(session.ask(raw("(SELECT setting FROM pg_config WHERE name = 'CONFIGURE')"))[0])
        values = [*VALUES, *(["'<a/>'::xml"] if "--with-libxml" in built else [])]
        digests = [session.ask(session.dialect.digest([(column, raw(value))]))[0] for value in values]
    assert len(set(digests)) == len(values)


def raw(text: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(text, NullType())


def session_column() -> Column:
    return Column(name="v", ddl="text", nullable=True)


def test_settings_of_the_role_do_not_change_a_digest(database: Database) -> None:
    expressions = [
        "now() - now() + '1 day'::interval",
        "0.1::float8",
        "'2020-01-02 03:04Z'::timestamptz",
        "'\\x41'::bytea",
        "1.5::money",
    ]
    settings = [
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Tokyo'",
        "extra_float_digits = -5",
        "bytea_output = 'escape'",
    ]
    settings += ["IntervalStyle = 'iso_8601'", "row_security = on", "default_transaction_isolation = 'serializable'"]

    def digests(write: bool) -> list[Any]:
        with opened(database, write=write) as session:
            return session.ask(session.dialect.digest([(session_column(), raw(text)) for text in expressions]))

    before = digests(False)
    for setting in settings:
        script(database, f"ALTER DATABASE {make_url(database.url).database} SET {setting}")
    assert digests(False) == digests(True) == before


def test_a_cast_never_cuts_what_is_too_long(database: Database) -> None:
    script(database, "CREATE TABLE public.t (v varchar(3), c char(3), b bit(3), a varchar(3)[])")
    with opened(database) as session:
        columns, dialect = session.table("t").columns, session.dialect
        long = sa.literal("abcdef", sa.Text)
        assert session.ask(dialect.cast(long, columns["v"])) == ["abcdef"]
        assert session.ask(sa.cast(func_octets(dialect.cast(long, columns["c"])), sa.Integer)) == [6]
        assert session.ask(sa.cast(func_octets(dialect.cast(sa.literal("a", sa.Text), columns["c"])), sa.Integer)) == [
            3
        ]
        assert session.ask(sa.cast(dialect.cast(sa.literal("10101", sa.Text), columns["b"]), sa.Text)) == ["10101"]
        assert session.ask(sa.cast(dialect.cast(sa.literal("{abcdef}", sa.Text), columns["a"]), sa.Text)) == [
            "{abcdef}"
        ]


def func_octets(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.octet_length(value)


# -- JSON -----------------------------------------------------------------------------------------
def test_json_that_postgresql_stores_and_cannot_read_makes_no_question_fail(database: Database) -> None:
    documents = [
        '{"a": "\\u0000", "b": 1}',
        '"\\ud800"',
        '"x\\u0000"',
        '{"a": 1, "a": 2}',
        "1e400",
        "[" * 3000 + "]" * 3000,
    ]
    script(database, "CREATE TABLE public.t (id int PRIMARY KEY, v json)")
    with opened(database, write=True) as session:
        dialect, table = session.dialect, session.table("t")
        for n, text in enumerate(documents):
            statement = sa.text("INSERT INTO public.t VALUES (:n, CAST(:v AS json))")
            session.connection.execute(statement, {"n": n, "v": text})
        value, column = table.sql.c.v, table.columns["v"]
        types = dict(session.ask(table.sql.c.id, dialect.json_type(value, "json")))
        assert [types[n] for n in range(6)] == ["object", "string", "string", "object", "double", "array"]
        texts = dict(session.ask(table.sql.c.id, dialect.json_text(value, "json")))
        assert [texts[1], texts[2], texts[4]] == ["\\ud800", "x\\u0000", "1e400"]
        got = dict(session.ask(table.sql.c.id, sa.cast(dialect.json_get(value, "json", ["a"]), sa.Text)))
        assert [got[n] for n in range(5)] == [None, None, None, "2", None]
        session.ask(dialect.json_wrap("k", value, column), dialect.json_set_null(value, column, ["a"]))
        assert session.ask(sa.cast(value, sa.Text)) == documents


def test_a_number_in_a_path_is_a_key_and_never_a_place_in_an_array(database: Database) -> None:
    with opened(database) as session:
        array, record = raw("'[5]'::jsonb"), raw("""'{"0": {"x": null}}'::jsonb""")
        get = session.dialect.json_get
        assert session.ask(sa.cast(get(array, "jsonb", ["0"]), sa.Text)) == [None]
        assert session.ask(sa.cast(get(record, "jsonb", ["0", "x"]), sa.Text)) == ["null"]


def test_a_role_that_can_have_no_test_of_json_is_told_why(database: Database) -> None:
    script(database, "CREATE TABLE public.t (v text)", "INSERT INTO public.t VALUES ('{}')")
    name = make_url(database.url).database
    grants = [f"REVOKE TEMP ON DATABASE {name} FROM PUBLIC", "GRANT SELECT ON public.t TO {role}"]
    with role(database, *grants) as url, opened(database, url=url) as session:
        if (session.connection.dialect.server_version_info or ()) >= (16,):
            pytest.skip("the server has its own test")
        question = session.dialect.json_type(session.table("t").sql.c.v, "text")
        with pytest.raises(DBAPIError) as error:
            session.ask(question)
        assert session.dialect.describe(error.value) == (
            "JSON in text cannot be tested: the role needs the TEMP privilege, or the server PostgreSQL 16"
        )


# -- writing --------------------------------------------------------------------------------------
def test_the_limits_of_a_chunk_hold_for_its_transaction(database: Database) -> None:
    with opened(database, write=True) as session:
        session.dialect.begin(session.connection)
        shown = [
            session.ask(sa.func.current_setting(name))[0]
            for name in ("lock_timeout", "statement_timeout", "row_security")
        ]
        assert shown == ["500ms", "5s", "off"]


def test_identity_columns_take_back_their_old_values(database: Database) -> None:
    script(database, 'CREATE TABLE public."T" ("I d" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)')
    with opened(database, write=True) as session:
        table = session.table("T")
        insert = session.dialect.restoring(sa.insert(table.sql))
        session.connection.execute(insert.from_select(["I d", "v"], sa.select(sa.literal(7), sa.literal("x"))))
        assert session.ask(table.sql.c["I d"]) == [7]


def test_a_deferred_constraint_fails_inside_the_chunk(database: Database) -> None:
    script(
        database,
        "CREATE TABLE public.p (id int PRIMARY KEY)",
        "CREATE TABLE public.c (p int REFERENCES public.p DEFERRABLE INITIALLY DEFERRED)",
    )
    with opened(database, write=True) as session:
        session.dialect.begin(session.connection)
        session.connection.execute(sa.insert(session.table("c").sql).values(p=5))
        with pytest.raises(DBAPIError) as error:
            session.dialect.finish(session.connection)
        assert session.dialect.describe(error.value) == (
            "ForeignKeyViolation (23503), constraint 'c_p_fkey', table 'c'"
        )


def test_references_can_be_left_unchecked_by_who_may_and_stay_checked_for_others(database: Database) -> None:
    script(database, "CREATE TABLE public.p (id int PRIMARY KEY)", "CREATE TABLE public.c (p int REFERENCES public.p)")
    with opened(database, write=True) as session:
        insert = sa.insert(session.table("c").sql).values(p=5)
        session.dialect.enforce_references(session.connection, yes=False)
        session.connection.execute(insert)
        session.connection.rollback()
        session.dialect.enforce_references(session.connection, yes=True)
        with pytest.raises(DBAPIError):
            session.connection.execute(insert)
    grant = "GRANT INSERT, SELECT ON public.c, public.p TO {role}"
    with role(database, grant) as url, opened(database, write=True, url=url) as session:
        session.dialect.enforce_references(session.connection, yes=False)
        with pytest.raises(DBAPIError):
            session.connection.execute(insert)


def test_a_role_set_to_read_only_is_told(database: Database) -> None:
    setting = "ALTER ROLE {role} SET default_transaction_read_only = on"
    with role(database, setting) as url, opened(database, write=True, url=url) as session:
        told = session.dialect.writable(session.connection)
    assert told == "this role, database or URL is set to read-only (default_transaction_read_only)"
    with opened(database, write=False) as session:
        assert session.dialect.writable(session.connection) == ""


def test_errors_are_told_by_code_and_names(database: Database) -> None:
    script(database, "CREATE TABLE public.t (id int PRIMARY KEY, n int CHECK (n < 5))")
    with opened(database, write=True) as session:
        told = []
        for statement in (
            "INSERT INTO public.t VALUES (1, 77)",
            "INSERT INTO public.t VALUES (1, 1), (1, 1)",
            "SELECT 'secret'::int",
            "SELECT nothing FROM public.t",
        ):
            with pytest.raises(DBAPIError) as error:
                session.connection.exec_driver_sql(statement)
            told.append(session.dialect.describe(error.value))
            session.connection.rollback()
    assert told == [
        "CheckViolation (23514), constraint 't_n_check', table 't'",
        "UniqueViolation (23505), constraint 't_pkey', table 't'",
        "InvalidTextRepresentation (22P02)",
        'column "nothing" does not exist (42703)',
    ]


def test_a_lost_session_is_told_from_an_error(database: Database) -> None:
    with opened(database, write=True) as session:
        pid = session.ask(sa.func.pg_backend_pid())[0]
        script(database, f"SELECT pg_terminate_backend({pid}, 5000)")
        with pytest.raises(DBAPIError) as error:
            session.ask(sa.literal(1))
        assert session.dialect.disconnected(error.value)
        assert not session.dialect.retryable(error.value)


def test_a_dead_server_and_a_missing_database_are_one_line(database: Database) -> None:
    missing = make_url(database.url).set(database="nowhere")
    dead = make_url(database.url).set(port=1)
    for url, words in ((missing, "there is no such database"), (dead, "no server listens there")):
        with pytest.raises(StoreError) as error, opened(database, url=url.render_as_string(hide_password=False)):
            pass
        assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_sessions_that_wait_for_us_are_a_reason_to_wait(database: Database) -> None:
    script(database, "CREATE TABLE public.t (id int PRIMARY KEY)", "INSERT INTO public.t VALUES (1)")
    with opened(database, write=True) as session:
        lock = session.dialect.locked(sa.select(session.table("t").sql.c.id), session.table("t").sql)
        session.connection.execute(lock)
        blocked = threading.Thread(target=script, args=(database, "UPDATE public.t SET id = 2"))
        blocked.start()
        reason = ""
        for _ in range(200):
            reason = session.dialect.load(session.connection)
            if reason:
                break
            blocked.join(0.02)
        session.connection.rollback()
        blocked.join()
    assert reason == "1 sessions wait for a lock of this one"
