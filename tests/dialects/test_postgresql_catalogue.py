"""What PostgreSQL's catalogue tells of a table: which one it is, what refers to it, what changes it, who sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import Opened, opened
from tests.dialects.test_postgresql import role, script
from tests.engines import Database
from trueup.check import Row
from trueup.checks.unknown_value import UnknownValue
from trueup.engines.postgresql.guard import PostgresqlGuards
from trueup.errors import UsageError
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase, SqlStore

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)


@pytest.fixture
def session(database: Database) -> Iterator[Opened]:
    with opened(database, write=True) as found:
        yield found


# -- names ----------------------------------------------------------------------------------------
def test_a_table_is_read_by_its_place_whatever_the_search_path_is(database: Database) -> None:
    script(
        database,
        *(f"CREATE SCHEMA {name}; CREATE TABLE {name}.ev (id int PRIMARY KEY, {name} text)" for name in "ab"),
        "CREATE TABLE a.child (ev int REFERENCES a.ev)",
    )
    name = make_url(database.url).database
    told: list[Table] = []
    for path in ("a", "b", '"$user", "b", a'):
        script(database, f"ALTER DATABASE {name} SET search_path = {path}")
        with opened(database) as session:
            table = session.dialect.table(session.connection, '"a"."ev"')
            assert (table.place, "a" in table.columns) == (("a", "ev"), True)
            assert session.table('"a"."ev"').identity == session.table("a.ev").identity == table.identity
            told.append(table)
            with pytest.raises(UsageError, match=r'there is no table "a"\."gone" any more'):
                session.dialect.table(session.connection, '"a"."gone"')
    assert [table.name for table in told] == ["ev", "a.ev", "a.ev"]
    # what a plan records does not depend on it
    assert len({json.dumps(table.facts, sort_keys=True) for table in told}) == 1


def test_a_search_path_is_read_as_the_server_reads_it(database: Database) -> None:
    script(
        database,
        'CREATE SCHEMA "We,ird "; CREATE SCHEMA app; CREATE TABLE "We,ird ".t (id int)',
        "CREATE TABLE app.u (id int)",
    )
    for path, names in (('"We,ird ", app', ["t", "app.u"]), ("NOWHERE, APP", ["u", "We,ird .t"])):
        script(database, f"ALTER DATABASE {make_url(database.url).database} SET search_path = {path}")
        with opened(database) as session:
            assert sorted(session.dialect.tables(session.connection)) == sorted(names)


def test_names_with_any_sign_are_read_and_written(session: Opened) -> None:
    script_name = 'CREATE TABLE public."we""ird.%s t" ("i""d%" int PRIMARY KEY, "a.b" "ty%pe")'
    session.run("CREATE TYPE public.\"ty%pe\" AS ENUM ('100%', 'a%sb', 'it''s')", script_name)
    session.run("INSERT INTO public.\"we\"\"ird.%s t\" VALUES (1, '100%'), (2, 'a%sb')")
    table = session.table('we"ird.%s t')
    columns = table.sql.c
    stage = session.dialect.stage(session.connection, table, [(1, "", "", ["2"])])
    digest = session.dialect.digest([(table.columns["a.b"], columns["a.b"])])
    joined = sa.select(columns["a.b"], digest).join_from(
        stage.relation, table.sql, columns['i"d%'] == stage.relation.c.k0
    )
    assert session.connection.execute(joined, dict(stage.parameters)).one()[0] == "a%sb"
    new = session.dialect.cast(sa.literal("it's"), table.columns["a.b"])
    assert session.connection.execute(sa.update(table.sql).values({"a.b": new})).rowcount == 2
    session.connection.execute(sa.delete(table.sql))
    insert = session.dialect.restoring(sa.insert(table.sql))
    rows = sa.select(sa.literal(3), session.dialect.cast(sa.literal("100%"), table.columns["a.b"]))
    session.connection.execute(insert.from_select(['i"d%', "a.b"], rows))
    assert session.ask(columns["a.b"]) == ["100%"]


def test_names_alone_mean_what_a_plan_says_they_do(database: Database) -> None:
    script(database, *(f"CREATE SCHEMA {name}; CREATE TABLE {name}.ev (id int PRIMARY KEY)" for name in "ab"))
    script(database, f"ALTER DATABASE {make_url(database.url).database} SET search_path = b")
    with opened(database) as session:
        assert session.dialect.naming(session.connection) == "b"
        session.dialect.name_by(session.connection, "a")
        assert session.table("ev").place == ("a", "ev")
        session.connection.rollback()
        assert session.dialect.naming(session.connection) == "a"
        assert sorted(session.dialect.tables(session.connection)) == ["b.ev", "ev"]
    with opened(database) as session:
        assert session.table("ev").place == ("b", "ev")


# -- what refers to it ----------------------------------------------------------------------------
PARTITIONED = (
    "CREATE TABLE public.p (id int PRIMARY KEY, n int) PARTITION BY RANGE (id)",
    "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id)",
    "CREATE TABLE public.p11 PARTITION OF public.p1 FOR VALUES FROM (0) TO (50)",
    "CREATE TABLE public.p12 PARTITION OF public.p1 FOR VALUES FROM (50) TO (100)",
    "CREATE TABLE public.c (id int PRIMARY KEY, p int REFERENCES public.p ON DELETE CASCADE)",
    "CREATE TABLE public.d (id int, p int REFERENCES public.p ON UPDATE SET NULL) PARTITION BY RANGE (id)",
    "CREATE TABLE public.d1 PARTITION OF public.d FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE public.p2 PARTITION OF public.p FOR VALUES FROM (100) TO (200)",
    "CREATE TABLE public.d2 PARTITION OF public.d FOR VALUES FROM (10) TO (20)",
)


def inward(session: Opened, name: str) -> list[tuple[str, str, str, str]]:
    found = session.table(name).referenced_by
    return sorted((one.table, one.parent, one.on_delete, one.on_update) for one in found)


def test_children_are_found_from_a_partition_of_any_level(session: Opened) -> None:
    session.run(*PARTITIONED)
    for name in ("p", "p1", "p11", "p2"):
        found = {(child, delete, update) for child, _, delete, update in inward(session, name)}
        assert found == {("c", "CASCADE", ""), ("d", "", "SET NULL")}, name
        assert {parent for _, parent, _, _ in inward(session, name)} == {name}


def test_a_key_into_a_partitioned_table_is_one_key_and_says_nothing_of_the_partitions(session: Opened) -> None:
    session.run(*PARTITIONED)
    for name in ("c", "d", "d1", "d2"):
        assert [(one.columns, one.parent) for one in session.table(name).references] == [(("p",), "p")], name


def test_a_key_with_a_period_is_no_equality(session: Opened) -> None:
    if (session.connection.dialect.server_version_info or ()) < (18,):
        pytest.skip("PERIOD came with PostgreSQL 18")
    session.run(
        "CREATE EXTENSION btree_gist",
        "CREATE TABLE public.emp (id int, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS))",
        "CREATE TABLE public.pos (emp int, valid daterange,"
        " FOREIGN KEY (emp, PERIOD valid) REFERENCES public.emp (id, PERIOD valid))",
        "CREATE TABLE public.q (id int PRIMARY KEY)",
        "CREATE TABLE public.r (q int REFERENCES public.q NOT ENFORCED)",
    )
    assert [one.equality for one in session.table("pos").references] == [False]
    assert [one.equality for one in session.table("emp").referenced_by] == [False]
    assert [(one.equality, one.enforced) for one in session.table("r").references] == [(True, False)]


# -- equality as a key judges it --------------------------------------------------------------------
def referring(session: Opened, child: str, parent: str) -> list[Any]:
    """Children of `child.v` that `parent.k` has, by the dialect's own word."""
    one, other = session.table(child).sql.alias("c"), session.table(parent).sql.alias("p")
    found = sa.select(one.c.v).join_from(one, other, session.dialect.refers(one.c.v, other.c.k)).order_by(one.c.v)
    return [str(row[0]).strip() for row in session.connection.execute(found)]


@pytest.mark.parametrize(
    ("parent", "child", "values", "wanted"),
    [
        ("text", 'text COLLATE "C"', ["A", "a"], ["a"]),
        ('text COLLATE "C"', 'text COLLATE "POSIX"', ["A", "a"], ["a"]),
        ("text COLLATE public.ci", "text", ["A", "a"], ["A", "a"]),
        ("text COLLATE public.ci", 'text COLLATE "C"', ["A", "a"], ["A", "a"]),
        ("text", "text COLLATE public.ci", ["A", "a"], ["a"]),
        ("varchar(9)", "text", ["A", "a"], ["a"]),
        ("char(3)", "varchar(9)", ["A", "a ", "a"], ["a", "a"]),
        ("varchar(9)", "char(3)", ["A", "a"], ["a"]),
        ("public.citext", "public.citext", ["A", "a"], ["A", "a"]),
        ("text", "public.citext", ["A", "a"], ["a"]),
        ("public.word", "text", ["A", "a"], ["a"]),
        ("int", "bigint", [7, 2**40], ["7"]),
        ("bigint", "smallint", [7, 8], ["7"]),
        ("numeric", "int", [7, 8], ["7"]),
    ],
)
def test_a_value_refers_as_the_key_itself_would_find_it(
    session: Opened, parent: str, child: str, values: list[Any], wanted: list[str]
) -> None:
    keyed = "'a'" if isinstance(values[0], str) else "7"
    if "public.ci" in parent.split() + child.split():
        with_folding_collation(session)
    session.run(
        "CREATE EXTENSION citext SCHEMA public",
        "CREATE DOMAIN public.word AS text COLLATE \"C\" CHECK (VALUE <> '')",
        f"CREATE TABLE public.p (k {parent} PRIMARY KEY)",
        f"CREATE TABLE public.c (v {child})",
        f"INSERT INTO public.p VALUES ({keyed})",
        # the engine itself says what refers: those that the key takes
        "CREATE TABLE public.judged (LIKE public.c)",
        "ALTER TABLE public.judged ADD FOREIGN KEY (v) REFERENCES public.p (k)",
    )
    taken = []
    for value in values:
        spelled = f"'{value}'" if isinstance(value, str) else str(value)
        session.run(f"INSERT INTO public.c VALUES ({spelled})")
        try:
            session.run(f"INSERT INTO public.judged VALUES ({spelled})")
            taken.append(str(value).strip())
        except Exception:  # noqa: BLE001 - the driver's own error, whichever driver it is
            session.connection.connection.rollback()
            session.connection.rollback()
    assert sorted(referring(session, "c", "p")) == sorted(taken) == sorted(wanted)


@pytest.mark.parametrize("kind", ["text", "varchar(20)", "char(20)"])
def test_text_under_any_collation_is_matched_and_folded(session: Opened, kind: str) -> None:
    with_folding_collation(session)
    session.run(
        f"CREATE TABLE public.t (id int PRIMARY KEY, v {kind} COLLATE public.ci)",
        "INSERT INTO public.t VALUES (1, 'Abc'), (2, '  '), (3, '42')",
    )
    table, dialect = session.table("t"), session.dialect
    v = table.sql.c.v
    asked = (dialect.matches(v, "^A"), dialect.fold(v, ["case", "space"]), dialect.is_blank(v), dialect.as_integer(v))
    found = session.connection.execute(sa.select(*asked).order_by(table.sql.c.id)).all()
    assert [tuple(row) for row in found] == [
        (True, "abc", False, None),
        (False, "", True, None),
        (False, "42", False, 42),
    ]


def with_folding_collation(session: Opened) -> None:
    built = session.ask(sa.literal_column("(SELECT setting FROM pg_config WHERE name = 'CONFIGURE')"))[0]
    if "--without-icu" in built:
        pytest.skip("this build of PostgreSQL has no ICU, and so no collation for which two texts are one")
    session.run("CREATE COLLATION public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")


# -- what happens beside a write --------------------------------------------------------------------
NOTES = "INSERT INTO public.log VALUES (1); RETURN new;"


@pytest.mark.parametrize("name", ["trueup_guard_ab12", "trueup_x", "_trueup_guard", "mine"])
def test_a_trigger_that_writes_is_foreign_whatever_its_name(session: Opened, name: str) -> None:
    session.run(
        "CREATE TABLE public.t (id int PRIMARY KEY)",
        "CREATE TABLE public.log (n int)",
        f"CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS 'BEGIN {NOTES} END'",
        f"CREATE TRIGGER {name} BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()",
    )
    assert session.table("t").obstacles == (f"it has the trigger {name!r}, whose effects would not be journaled",)


def guarded(session: Opened, database: Database) -> tuple[str, str]:
    """Install a guard by a trigger; its name and its function's body."""
    store = SqlStore("app", database.url)
    check = UnknownValue(name="n", table="t", column="v", allowed=("a", "it's; \\' -- b"))
    row = Row(session.table("t"), SqlDatabase(store, session.connection))
    guard = PostgresqlGuards().trigger(check, row)
    session.run(*(step.sql for step in guard.install))
    store.close()
    body = session.ask(sa.literal_column("(SELECT prosrc FROM pg_proc WHERE proname LIKE 'trueup_guard%')"))[0]
    return guard.name, body


def test_a_guard_of_ours_is_no_obstacle_until_its_function_does_more(session: Opened, database: Database) -> None:
    session.run("CREATE TABLE public.t (id int PRIMARY KEY, v text)", "CREATE TABLE public.log (n int)")
    name, body = guarded(session, database)
    assert session.table("t").obstacles == ()
    before = session.dialect.schema_stamp(session.connection, [session.table("t")])
    session.run(
        "CREATE FUNCTION public.log() RETURNS bool LANGUAGE sql AS 'INSERT INTO public.log VALUES (1) RETURNING true'"
    )
    spoiled = [
        body.replace("RETURN new; END IF; END IF;", f"{NOTES} END IF; END IF;", 1),
        body.replace(" IF ", " IF public.log() AND ", 1),
        body.replace(" IF ", ' IF "public" . "log" () AND ', 1),
        body.replace("BEGIN ", f"BEGIN --'\n{NOTES} --'\n", 1),
        body.replace("BEGIN ", f"BEGIN /*'*/ {NOTES} /*'*/ ", 1),
        body.replace(" END IF; IF ", rf" END IF; IF '\' = '' THEN {NOTES} END IF; IF '\' = '' OR ", 1),
    ]
    head = f'CREATE OR REPLACE FUNCTION public."{name}"() RETURNS trigger LANGUAGE plpgsql'
    for text in spoiled:
        assert text != body
        session.run(f"{head} SET search_path = '' AS $trueup${text}$trueup$")
        assert session.table("t").obstacles != (), text
    assert session.dialect.schema_stamp(session.connection, [session.table("t")]) != before
    session.run(f"{head} AS $trueup${body}$trueup$")  # without the search_path a name means what the writer's says
    assert session.table("t").obstacles != ()


# -- what the role does not see ---------------------------------------------------------------------
def test_a_column_that_the_role_may_not_read_is_named_and_the_rest_can_be_scanned(database: Database) -> None:
    script(
        database,
        "CREATE TABLE public.t (id int PRIMARY KEY, v text, secret text, other text)",
        "INSERT INTO public.t VALUES (1, 'a', 's', 'o')",
    )
    grant = "GRANT SELECT (id, v) ON public.t TO {role}"
    with role(database, grant, "GRANT UPDATE ON public.t TO {role}") as url, opened(database, url=url) as session:
        table = session.table("t")
        assert table.obstacles == (
            """this role may not read its columns 'secret', 'other' (GRANT SELECT ON "public"."t")""",
        )
        assert table.rows == 1
        assert session.ask(table.sql.c.v) == ["a"]


def test_a_table_that_the_role_may_not_read_at_all_ends_nothing_but_its_own_check(database: Database) -> None:
    script(database, "CREATE SCHEMA shut", "CREATE TABLE shut.t (id int PRIMARY KEY)", "CREATE TABLE public.u (id int)")
    with role(database) as url, opened(database, url=url) as session:
        assert session.table("shut.t").obstacles == (
            'this role may not look into its schema (GRANT USAGE ON SCHEMA "shut")',
            """this role may not read its column 'id' (GRANT SELECT ON "shut"."t")""",
        )
        with pytest.raises(DBAPIError, match="permission denied for schema shut"):
            session.ask(session.table("shut.t").sql.c.id)


def test_children_that_the_role_may_not_read_forbid_deletes_and_are_named(database: Database) -> None:
    script(
        database,
        "CREATE TABLE public.p (id int PRIMARY KEY)",
        "CREATE TABLE public.open (p int REFERENCES public.p, secret text)",
        "CREATE TABLE public.closed (p int REFERENCES public.p)",
        "CREATE TABLE public.policed (p int REFERENCES public.p)",
        "CREATE SCHEMA shut",
        "CREATE TABLE shut.away (p int REFERENCES public.p)",
        "ALTER TABLE public.policed ENABLE ROW LEVEL SECURITY",
    )
    grants = [
        "GRANT SELECT ON public.p, public.policed, shut.away TO {role}",
        "GRANT SELECT (p) ON public.open TO {role}",
    ]
    with role(database, *grants) as url, opened(database, url=url) as session:
        table = session.table("p")
        assert table.obstacles == ()
        assert sorted(table.unseen) == [
            (
                "rows of public.closed may refer to it, which this role may not read"
                " (GRANT USAGE ON the schema and SELECT ON public.closed)"
            ),
            "rows of public.policed may refer to it, and row security hides them from this role",
            (
                "rows of shut.away may refer to it, which this role may not read"
                " (GRANT USAGE ON the schema and SELECT ON shut.away)"
            ),
        ]
    with opened(database) as session:
        assert session.table("p").unseen == ()


def test_forced_row_security_hides_rows_from_the_owner(database: Database) -> None:
    script(database, "CREATE TABLE public.t (id int PRIMARY KEY)", "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY")
    with role(
        database, "ALTER TABLE public.t OWNER TO {role}", "GRANT USAGE, CREATE ON SCHEMA public TO {role}"
    ) as url:
        with opened(database, url=url) as session:
            assert session.table("t").obstacles == ()
        script(database, "ALTER TABLE public.t FORCE ROW LEVEL SECURITY")
        with opened(database, url=url) as session:
            assert session.table("t").obstacles == (
                "row security hides rows of it from this role; a role with BYPASSRLS sees them",
            )


# -- a change of the shape --------------------------------------------------------------------------
SHAPE = (
    "CREATE SCHEMA app",
    "CREATE TYPE public.mood AS ENUM ('ok', 'bad')",
    "CREATE TYPE public.place AS (street text, city text)",
    "CREATE DOMAIN public.word AS text CHECK (VALUE <> 'x')",
    "CREATE TABLE public.up (id int PRIMARY KEY, n int UNIQUE)",
    (
        "CREATE TABLE public.whole (id int PRIMARY KEY, m public.mood, w public.word, v text, ms public.mood[],"
        " ps public.place[]) PARTITION BY RANGE (id)"
    ),
    "ALTER TABLE public.whole ADD up int REFERENCES public.up",
    "CREATE TABLE public.t PARTITION OF public.whole FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE public.down (t int CONSTRAINT k REFERENCES public.t ON UPDATE CASCADE)",
    "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
    "CREATE TRIGGER quiet BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()",
    "ALTER TABLE public.t DISABLE TRIGGER quiet",
    "ALTER TABLE public.t ADD CONSTRAINT late CHECK (v <> 'never') NOT VALID",
    "CREATE POLICY mine ON public.t USING (id > 0)",
)
CHANGES = (
    "ALTER POLICY mine ON public.t USING (id > 1)",
    "DROP POLICY mine ON public.t",
    "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE public.t FORCE ROW LEVEL SECURITY",
    "ALTER TYPE public.mood RENAME VALUE 'ok' TO 'fine'",
    "ALTER TYPE public.place RENAME ATTRIBUTE city TO town",
    "ALTER TYPE public.place DROP ATTRIBUTE city, ADD ATTRIBUTE city text",
    "ALTER DOMAIN public.word ADD CHECK (VALUE <> 'y')",
    "ALTER TABLE public.whole DETACH PARTITION public.t",
    "ALTER TABLE public.t ENABLE TRIGGER quiet",
    "CREATE TRIGGER loud AFTER UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()",
    "CREATE OR REPLACE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN old; END'",
    "CREATE RULE r AS ON UPDATE TO public.t DO ALSO NOTHING",
    "ALTER TABLE public.down DROP CONSTRAINT k",
    "ALTER TABLE public.down DROP CONSTRAINT k, ADD CONSTRAINT k FOREIGN KEY (t) REFERENCES public.t ON DELETE CASCADE",
    "CREATE TABLE public.more (t int REFERENCES public.t)",
    "ALTER TABLE public.down RENAME TO below",
    "ALTER TABLE public.t ADD FOREIGN KEY (id) REFERENCES public.up NOT VALID",
    "ALTER TABLE public.t VALIDATE CONSTRAINT late",
    "ALTER TABLE public.t ADD CHECK (id > -1)",
    "ALTER TABLE public.t ADD UNIQUE (v)",
    "CREATE UNIQUE INDEX ON public.t (v) WHERE id > 5",
    "ALTER TABLE public.t RENAME TO other",
    "ALTER TABLE public.t SET SCHEMA app",
    "ALTER TABLE public.whole RENAME COLUMN v TO w3",
    "ALTER TABLE public.whole DROP COLUMN v, ADD COLUMN v text",
    "ALTER TABLE public.whole ALTER COLUMN v TYPE varchar(9)",
    "ALTER TABLE public.t ALTER COLUMN v SET NOT NULL",
    "ALTER TABLE public.t ALTER COLUMN v SET DEFAULT 'd'",
    "ALTER TABLE public.t OWNER TO pg_monitor",
    "DROP TABLE public.t CASCADE; CREATE TABLE public.t PARTITION OF public.whole FOR VALUES FROM (0) TO (100)",
)
HARMLESS = (
    "ANALYZE public.t",
    "VACUUM public.t",
    "CREATE INDEX ON public.t (v)",
    "INSERT INTO public.t VALUES (5, 'ok', 'w', 'v')",
    "COMMENT ON TABLE public.t IS 'x'",
    "ALTER TABLE public.t SET (fillfactor = 50)",
    "ALTER TABLE public.t ALTER COLUMN v SET STATISTICS 50",
    "GRANT SELECT ON public.t TO pg_monitor",
)


def told(table: Table) -> str:
    """The facts but the indexes, which never do harm."""
    return json.dumps({name: value for name, value in (table.facts or {}).items() if name != "indexes"})


def test_every_change_of_the_shape_changes_the_stamp_and_the_facts_and_nothing_else_does(database: Database) -> None:
    script(database, *SHAPE)
    with opened(database) as session:
        table = session.table("t")
        was = session.dialect.schema_stamp(session.connection, [table])
        facts = told(table)
        session.connection.rollback()
        for statement in HARMLESS:
            script(database, statement)
            assert session.dialect.schema_stamp(session.connection, [table]) == was, statement
            assert told(session.table("t")) == facts, statement
            session.connection.rollback()
    with opened(database, write=True) as session:
        for statement in CHANGES:
            session.connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
            assert session.dialect.schema_stamp(session.connection, [table]) != was, statement
            if " OWNER " in statement:  # a copy of the table may belong to anybody
                assert told(session.table("t")) == facts
            elif not statement.startswith(("ALTER TABLE public.t RENAME TO", "ALTER TABLE public.t SET SCHEMA")):
                assert told(session.table("t")) != facts, statement
            else:
                with pytest.raises(UsageError, match="any more"):
                    session.dialect.table(session.connection, '"public"."t"')
            session.connection.rollback()
        assert session.dialect.schema_stamp(session.connection, [table]) == was


def test_a_column_that_was_replaced_has_another_identity(session: Opened) -> None:
    session.run("CREATE TABLE public.t (id int PRIMARY KEY, v text)")
    before = session.table("t")
    session.run("ALTER TABLE public.t DROP COLUMN v", "ALTER TABLE public.t ADD COLUMN v text")
    after = session.table("t")
    assert (before.identity, before.columns["id"].identity) == (after.identity, after.columns["id"].identity)
    assert before.columns["v"].identity != after.columns["v"].identity
    assert before.facts != after.facts


# -- domains ----------------------------------------------------------------------------------------
def test_a_value_that_a_domain_refuses_fails_when_it_is_written_and_not_before(session: Opened) -> None:
    session.run(
        "CREATE DOMAIN public.short AS varchar(3) NOT NULL CHECK (VALUE <> 'no')",
        "CREATE DOMAIN public.tight AS public.short CHECK (VALUE <> 'nix')",
        "CREATE TABLE public.t (id int PRIMARY KEY, v public.tight)",
        "INSERT INTO public.t VALUES (1, 'a')",
    )
    table = session.table("t")
    column = table.columns["v"]
    assert (column.ddl, column.base, column.nullable) == ("public.tight", "character varying(3)", False)
    for refused in ("no", "nix", "long one", None):
        cast = session.dialect.cast(sa.literal(refused, sa.Text), column)
        assert len(session.ask(session.dialect.digest([(column, cast)]))[0]) == 64
        with pytest.raises(DBAPIError):
            session.connection.execute(sa.update(table.sql).values(v=cast))
        session.connection.rollback()
