"""What somebody else made, or hung on the journal, is refused in one line before anything of it is used."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text

from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import changed_rows, execute, row_hashes
from tests.servers import Server
from trueup.checks.missing import Missing
from trueup.config.config import Config
from trueup.errors import Refused, StoreError
from trueup.guard.register import Register
from trueup.journal.journal import Journal
from trueup.results import Silent
from trueup.run import apply, make_plan, runs, scan, undo, verify
from trueup.stores.sql import SqlStore

POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
CHECK = Missing(table="t", column="name", fill="zz")


@pytest.fixture
def config(database: Database) -> Config:
    key = "id INTEGER PRIMARY KEY" if database.engine == "sqlite" else "id INT PRIMARY KEY"
    rows = [f"INSERT INTO t VALUES ({number}, NULL, {number})" for number in range(1, 5)]
    execute(database, [f"CREATE TABLE t ({key}, name VARCHAR(20), amount DECIMAL(12,4))", *rows])
    return config_of(database, CHECK)


def planned(config: Config, folder: Path, repair: str = "fill") -> str:
    path = str(folder / "plan.jsonl")
    Path(path).unlink(missing_ok=True)
    make_plan(config, path, repairs={CHECK.title: repair}, because="a test", accept_rate=[CHECK.title])
    return path


def applied(config: Config, folder: Path, repair: str = "fill") -> str:
    run = apply(config, planned(config, folder, repair), confirm="yes", because="a test")
    assert run.state == "applied"
    return run.run_id


def table(database: Database, name: str) -> str:
    return f"trueup.{name}" if database.engine == "postgresql" else f"_trueup_{name}"


#: What is done to the journal, in each engine's words, and what is said of it.
TRIGGER = {
    "sqlite": ["CREATE TRIGGER theirs AFTER INSERT ON {op} BEGIN DELETE FROM t; END"],
    "postgresql": [
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM t; RETURN NULL; END'",
        "CREATE TRIGGER theirs AFTER INSERT ON {op} FOR EACH ROW EXECUTE FUNCTION f()",
    ],
    "mysql": ["CREATE TRIGGER theirs AFTER INSERT ON {op} FOR EACH ROW DELETE FROM t"],
    "mariadb": ["CREATE TRIGGER theirs AFTER INSERT ON {op} FOR EACH ROW DELETE FROM t"],
}
NARROWER = {
    "sqlite": ["ALTER TABLE {img_1} RENAME b0 TO other"],  # it has no types to alter
    "postgresql": ["ALTER TABLE {img_1} ALTER b0 TYPE varchar(5)"],
    "mysql": ["ALTER TABLE {img_1} MODIFY b0 VARCHAR(5)"],
    "mariadb": ["ALTER TABLE {img_1} MODIFY b0 VARCHAR(5)"],
}
ONCE = {
    "sqlite": ["DROP TABLE {image}", "CREATE TABLE {image} (k INTEGER, shape VARCHAR(64), tbl TEXT, shape_text TEXT)"],
    "postgresql": ["ALTER TABLE {run} DROP CONSTRAINT run_plan_digest_key"],
    "mysql": ["ALTER TABLE {run} DROP INDEX plan_digest"],
    "mariadb": ["ALTER TABLE {run} DROP INDEX plan_digest"],
}
TAMPERED: Mapping[str, tuple[Mapping[str, list[str]] | list[str], str]] = {
    "a trigger": (TRIGGER, "'{op}' has the trigger 'theirs', which is not trueup's; drop it"),
    "a narrower image": (NARROWER, "'{img_1}' was altered: its column 'b0' is "),
    "a key less": (ONCE, "was altered: "),
    "a column more": (
        ["ALTER TABLE {chunk} ADD COLUMN more INT"],
        "'{chunk}' has a column 'more' that is not trueup's",
    ),
    "a default": (
        ["ALTER TABLE {op} ADD COLUMN more VARCHAR(9) DEFAULT 'x'"],
        "'{op}' has a default for 'more', which is not trueup's; drop it",
    ),
    "a table gone": (["DROP TABLE {chunk}"], "'{chunk}' is gone"),
    "the name's table gone": (["DROP TABLE {meta}"], "'{meta}' is gone"),
    "an image table gone": (["DROP TABLE {img_1}"], "'{img_1}' is gone"),
    "another format": (
        ["UPDATE {meta} SET format = 1"],
        "the journal has format 1, this version of trueup keeps 2; undo its runs with the version that made them, then",
    ),
    "a view": (
        ["CREATE TABLE kept AS SELECT * FROM {op}", "DROP TABLE {op}", "CREATE VIEW {op} AS SELECT 1 AS n"],
        "'{op}' is not ",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_journal_that_is_not_as_trueup_made_it_is_named_and_not_used(
    database: Database, config: Config, tmp_path: Path, what: str
) -> None:
    run = applied(config, tmp_path)
    script, said = TAMPERED[what]
    statements = script if isinstance(script, list) else script[database.engine]
    names = {name: table(database, name) for name in ("meta", "run", "op", "chunk", "image", "img_1")}
    execute(database, [one.format(**names) for one in statements])
    execute(database, ["UPDATE t SET name = NULL WHERE id > 2"])
    before = row_hashes(database)
    with pytest.raises(StoreError) as caught:
        verify(config, run)
    assert said.format(**names) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError) as caught:
        undo(config, run, confirm="yes")
    assert said.format(**names) in str(caught.value)
    # of a new plan every shape is one of its own: its image table is another one, or made again
    if "image table" not in what:
        with pytest.raises(StoreError) as caught:
            apply(config, planned(config, tmp_path), confirm="yes", because="a test")
        assert said.format(**names) in str(caught.value)
    assert not changed_rows(before, row_hashes(database))


class Meddler(Silent):
    """Somebody who works on the journal between the first chunk and the second."""

    def __init__(self, database: Database, statement: str) -> None:
        self.database, self.statement = database, statement

    def advance(self, count: int) -> None:
        if self.statement:
            execute(self.database, [self.statement])
        self.statement = ""


@pytest.mark.parametrize("repair", ["fill", "quarantine"])
def test_an_image_table_that_goes_in_the_middle_stops_the_run_and_blames_no_row(
    database: Database, config: Config, tmp_path: Path, repair: str
) -> None:
    image = table(database, "img_1")
    plan = planned(config, tmp_path, repair)
    meddler = Meddler(database, f"ALTER TABLE {image} RENAME TO {image.rpartition('.')[2]}_old")
    run = apply(config, plan, confirm="yes", because="a test", progress=meddler)
    assert (run.state, run.states) == ("stopped", {"applied": 1})
    assert run.reason.endswith(f"the journal's table {image!r} is gone")
    # put back, and the run goes on
    execute(database, [f"ALTER TABLE {image}_old RENAME TO {image.rpartition('.')[2]}"])
    assert apply(config, plan, confirm="yes", because="a test").states == {"applied": 4}
    meddler = Meddler(database, f"ALTER TABLE {image} RENAME TO {image.rpartition('.')[2]}_old")
    run = undo(config, run.run_id, confirm="yes", progress=meddler)
    assert run.state == "undoing"
    assert "undo_conflict" not in run.states
    assert run.reason.endswith(f"the journal's table {image!r} is gone")


def test_a_copy_that_is_not_the_bytes_of_the_row_is_never_relied_on(
    database: Database, config: Config, tmp_path: Path
) -> None:
    if database.engine == "sqlite":
        statement = "CREATE TRIGGER bend AFTER INSERT ON _trueup_img_1 BEGIN UPDATE _trueup_img_1 SET b2 = 0; END"
    elif database.engine == "postgresql":
        statement = "ALTER TABLE trueup.img_1 ALTER b2 TYPE numeric(12,0)"
    else:
        statement = "ALTER TABLE _trueup_img_1 MODIFY b2 DECIMAL(12,0)"
    execute(database, ["UPDATE t SET amount = 1.25"])
    before = row_hashes(database)
    meddler = Meddler(database, statement)
    run = apply(config, planned(config, tmp_path, "quarantine"), confirm="yes", because="a test", progress=meddler)
    assert (run.state, run.states) == ("stopped", {"applied": 1})
    assert "the journal's table" in run.reason
    assert changed_rows(before, row_hashes(database)) == {"t": {"1"}}


# -- PostgreSQL: owners and grants ----------------------------------------------------------------------------------
@pytest.fixture
def low(database: Database) -> Iterator[str]:
    """A role without rights, and a URL of it."""
    name = f"low_{database.url.rpartition('/')[2]}"
    execute(
        database,
        [
            f"CREATE ROLE {name} LOGIN NOSUPERUSER",
            f"GRANT CREATE ON DATABASE {database.url.rpartition('/')[2]} TO {name}",
        ],
    )
    yield name
    execute(database, [f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}"])


def as_role(database: Database, role: str, statements: Sequence[str]) -> None:
    execute(Database(database.engine, database.url.replace("postgres@", f"{role}@")), statements)


@POSTGRESQL
def test_a_schema_that_a_low_role_made_is_neither_read_nor_filled(
    database: Database, config: Config, tmp_path: Path, low: str
) -> None:
    as_role(
        database,
        low,
        [
            "CREATE SCHEMA trueup",
            f"CREATE FUNCTION trueup.f() RETURNS text AS 'ALTER ROLE {low} SUPERUSER; SELECT NULL' LANGUAGE sql",
            "CREATE VIEW trueup.meta AS SELECT trueup.f() AS db_uuid, 2 AS format, '''' AS place",
            "CREATE VIEW trueup.guard AS SELECT trueup.f() AS name, trueup.f() AS objects",
            "GRANT ALL ON SCHEMA trueup TO PUBLIC",
            "GRANT ALL ON ALL TABLES IN SCHEMA trueup TO PUBLIC",
        ],
    )
    said = f"the journal's schema 'trueup' belongs to the role '{low}', who could have it do anything"
    # looking at the application's tables is none of the journal's business
    assert [said in notice for notice in scan(config).notices] == [True]
    plan = planned(config, tmp_path)
    for verb in (lambda: runs(config), lambda: apply(config, plan, confirm="yes")):
        with pytest.raises(StoreError) as caught:
            verb()
        assert said in str(caught.value)
    with psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [low]).fetchone() == (False,)
    # a schema of one's own with tables that are another's
    execute(database, ["ALTER SCHEMA trueup OWNER TO postgres", "REVOKE ALL ON SCHEMA trueup FROM PUBLIC"])
    with pytest.raises(StoreError) as caught:
        runs(config)
    assert f"the journal's table 'trueup.meta' belongs to the role '{low}'" in str(caught.value)


@POSTGRESQL
def test_new_tables_are_nobody_elses_whatever_the_default_privileges_say(
    database: Database, config: Config, tmp_path: Path, low: str
) -> None:
    execute(
        database,
        [
            f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {low}, PUBLIC",
            f"ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO {low}",
            f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {low}",
        ],
    )
    applied(config, tmp_path, "quarantine")
    store = SqlStore("app", database.url)
    with store.connect(write=True) as connection:
        Register(store).prepare(connection)
    store.close()
    with psycopg.connect(database.url) as connection:
        granted = connection.execute(
            "SELECT c.relname, a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee <> c.relowner"
            " AND c.relnamespace = 'trueup'::regnamespace UNION SELECT n.nspname, a.grantee"
            " FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'trueup' AND a.grantee <> n.nspowner"
        ).fetchall()
    assert granted == []


GRANTED = {
    "everybody": ("GRANT INSERT ON trueup.op TO PUBLIC", "'trueup.op' may be changed by PUBLIC (INSERT); revoke that"),
    "a role": ("GRANT TRIGGER ON trueup.run TO {low}", "'trueup.run' may be changed by {low} (TRIGGER); revoke that"),
    "a column": ("GRANT UPDATE (state) ON trueup.op TO {low}", "'trueup.op' may be changed by {low} (UPDATE); revoke"),
    "the schema": ("GRANT ALL ON SCHEMA trueup TO PUBLIC", "'trueup' may be changed by PUBLIC (CREATE); revoke that"),
    "an owner": ("ALTER TABLE trueup.chunk OWNER TO {low}", "'trueup.chunk' belongs to the role '{low}'"),
    "a rule": ("CREATE RULE r AS ON INSERT TO trueup.op DO ALSO NOTIFY x", "'trueup.op' has the rule 'r'"),
    "a policy": ("ALTER TABLE trueup.op ENABLE ROW LEVEL SECURITY", "'trueup.op' has row security"),
    "a check": ("ALTER TABLE trueup.op ADD CONSTRAINT c CHECK (seq > 0)", "'trueup.op' has the constraint 'c'"),
    "no durability": ("ALTER TABLE trueup.op SET UNLOGGED", "'trueup.op' is not an ordinary table"),
    "a child": ("CREATE TABLE kid () INHERITS (trueup.op)", "'trueup.op' is not an ordinary table"),
}


@POSTGRESQL
@pytest.mark.parametrize("what", GRANTED)
def test_who_may_change_the_journal_is_looked_at_on_every_use(
    database: Database, config: Config, tmp_path: Path, low: str, what: str
) -> None:
    run = applied(config, tmp_path)
    statement, said = GRANTED[what]
    execute(database, [statement.format(low=low)])
    with pytest.raises(StoreError) as caught:
        undo(config, run, confirm="yes")
    assert said.format(low=low) in str(caught.value)


@POSTGRESQL
def test_reading_may_be_granted_and_the_databases_owner_trusted(
    database: Database, config: Config, tmp_path: Path, low: str
) -> None:
    run = applied(config, tmp_path)
    execute(
        database, [f"GRANT USAGE ON SCHEMA trueup TO {low}", f"GRANT SELECT ON ALL TABLES IN SCHEMA trueup TO {low}"]
    )
    assert verify(config, run).sound
    name = database.url.rpartition("/")[2]
    execute(database, [f"ALTER DATABASE {name} OWNER TO {low}", f"ALTER SCHEMA trueup OWNER TO {low}"])
    try:
        assert undo(config, run, confirm="yes").states == {"undone": 4}
        # what is made now belongs to the schema's owner
        execute(database, ["ALTER TABLE t ALTER name TYPE varchar(30)"])
        applied(config, tmp_path)
        with psycopg.connect(database.url) as connection:
            found = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'img_2'").fetchone()
        assert found == (low,)
    finally:
        execute(database, [f"ALTER DATABASE {name} OWNER TO postgres"])


@POSTGRESQL
def test_operators_share_a_journal_by_a_role_that_both_are_members_of(
    database: Database, config: Config, tmp_path: Path, low: str
) -> None:
    mine, theirs, group = f"{low}_a", f"{low}_b", f"{low}_all"
    try:
        execute(
            database,
            [
                f"CREATE ROLE {group}",
                f"CREATE ROLE {mine} LOGIN IN ROLE {group}",
                f"CREATE ROLE {theirs} LOGIN IN ROLE {group}",
                f"CREATE SCHEMA trueup AUTHORIZATION {group}",
                f"ALTER TABLE t OWNER TO {group}",
                f"GRANT CREATE ON SCHEMA public TO {group}",
            ],
        )
        one, other = (
            config_of(Database(database.engine, database.url.replace("postgres@", f"{role}@")), CHECK)
            for role in (mine, theirs)
        )
        run = applied(one, tmp_path)
        assert verify(other, run).sound
        assert undo(other, run, confirm="yes").states == {"undone": 4}
    finally:
        execute(database, [f"DROP OWNED BY {mine}, {theirs}, {group} CASCADE", f"DROP ROLE {mine}, {theirs}, {group}"])


# -- what would leave the database ----------------------------------------------------------------------------------
@POSTGRESQL
def test_a_publication_of_everything_is_refused_until_the_schema_says_that_it_may_be_published(
    database: Database, tmp_path: Path
) -> None:
    # whatever wal_level is: a restart, or from PostgreSQL 19 on the first slot, makes it logical
    execute(database, [f'ALTER DATABASE "{database.url.rsplit("/", 1)[1]}" SET client_min_messages = error'])
    execute(database, ["CREATE TABLE t (id int PRIMARY KEY, name text)", "INSERT INTO t VALUES (1, NULL)"])
    config = config_of(database, CHECK)
    run = applied(config, tmp_path)
    execute(database, ["CREATE PUBLICATION one FOR TABLE t", 'CREATE PUBLICATION "all" FOR ALL TABLES'])
    execute(database, ["INSERT INTO t VALUES (2, NULL)"])
    plan, before = planned(config, tmp_path), row_hashes(database)
    dry = apply(config, plan)
    assert dry.states == {"applied": 1}
    assert "apply would be refused: " in dry.reason
    assert "the publication 'all' (FOR ALL TABLES)" in dry.reason
    for verb in (
        lambda: apply(config, plan, confirm="yes", because="a test"),
        lambda: undo(config, run, confirm="yes"),
        lambda: verify(config, run),
    ):
        with pytest.raises(Refused) as caught:
            verb()
        assert "the publication 'all' (FOR ALL TABLES) would publish trueup's journal" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not changed_rows(before, row_hashes(database))
    execute(database, ['DROP PUBLICATION "all"', "CREATE PUBLICATION whole FOR TABLES IN SCHEMA trueup"])
    with pytest.raises(Refused) as caught:
        undo(config, run, confirm="yes")
    assert "the publication 'whole' (FOR TABLES IN SCHEMA trueup)" in str(caught.value)
    execute(database, ["COMMENT ON SCHEMA trueup IS 'may be published'"])
    assert undo(config, run, confirm="yes").states == {"undone": 1}
    # by table or by schema it is the application's alone
    execute(database, ["DROP PUBLICATION whole", "COMMENT ON SCHEMA trueup IS NULL"])
    execute(database, ["CREATE PUBLICATION theirs FOR TABLES IN SCHEMA public"])
    applied(config, tmp_path)


# -- MySQL and MariaDB: what an account sees -------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_an_account_that_cannot_see_triggers_writes_no_journal(
    database: Database, config: Config, tmp_path: Path
) -> None:
    name, schema = f"u{database.url[-8:]}", database.url.rpartition("/")[2]
    execute(
        database,
        [
            f"CREATE USER {name}@'%' IDENTIFIED BY 'x'",
            f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON {schema}.* TO {name}@'%'",
            f"GRANT TRIGGER ON {schema}.t TO {name}@'%'",
            f"GRANT PROCESS ON *.* TO {name}@'%'",
        ],
    )
    try:
        limited = config_of(Database(database.engine, database.url.replace("root@", f"{name}:x@")), CHECK)
        plan = planned(limited, tmp_path)
        with pytest.raises(Refused) as caught:
            apply(limited, plan, confirm="yes", because="a test")
        assert str(caught.value).endswith(
            f": triggers on the journal's tables cannot be seen: the account needs the TRIGGER privilege "
            f"(GRANT TRIGGER ON {schema}.*)"
        )
        execute(database, [f"GRANT TRIGGER ON {schema}.* TO {name}@'%'"])
        run = apply(limited, plan, confirm="yes", because="a test")
        assert run.states == {"applied": 4}
        # a reader needs it not
        execute(database, [f"REVOKE TRIGGER ON {schema}.* FROM {name}@'%'"])
        assert runs(limited)[0].states == {"applied": 4}
    finally:
        execute(database, [f"DROP USER {name}@'%'"])


# -- large entries --------------------------------------------------------------------------------------------------
def test_a_run_can_keep_a_large_header(database: Database, config: Config, tmp_path: Path) -> None:
    applied(config, tmp_path)
    store = SqlStore("app", database.url)
    journal = Journal(store)
    header = "{" + '"by_group":[],"schema":"' + "\u00e9" * 3_000_000 + '"}'
    values = {
        "plan_digest": "d" * 64,
        "plan_path": "p",
        "planned": 0,
        "environment": "test",
        "because": "",
        "header": header,
    }
    with store.connect(write=True) as connection:
        run = journal.start(connection, values)
        assert journal.find(connection, run)["header"] == header
        assert journal.broken_link(connection, journal.find(connection, run)) == ""
        # what it keeps of a run is in its chain
        connection.execute(
            text(f"UPDATE {table(database, 'run')} SET header = '{{\"by_group\":[]}}' WHERE run_id = '{run}'")
        )
        assert journal.broken_link(connection, journal.find(connection, run)) != ""
        connection.rollback()
        assert connection.execute(select(journal.run.c.no).where(journal.run.c.run_id == run)).scalar() == 2
    store.close()


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
def test_a_header_larger_than_a_packet_is_one_line(own_server: Callable[..., Server], name: str) -> None:
    own = own_server(name, options=["--max-allowed-packet=1M"])
    own.create_database("app")
    store = SqlStore("app", own.url("app"))
    journal = Journal(store)
    values = {"plan_digest": "d" * 64, "plan_path": "p", "planned": 0, "environment": "test", "because": ""}
    with store.connect(write=True) as connection:
        journal.prepare(connection)
        journal.start(connection, values | {"header": '"' * 300_000})
        with pytest.raises(StoreError) as caught:
            journal.start(connection, values | {"plan_digest": "e" * 64, "header": '"' * 600_000})
    assert "takes 1,204," in str(caught.value)
    assert str(caught.value).endswith(
        "bytes, and the server's max_allowed_packet is 1,048,576; raise it, or plan fewer tables at once"
    )
    store.close()
