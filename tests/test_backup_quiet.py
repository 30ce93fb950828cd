"""A scratch copy stands on the application's own server: nothing in it acts, and the backup itself holds all."""

import secrets
from dataclasses import replace
from pathlib import Path

import psycopg
import pymysql
import pytest
from sqlalchemy.engine import make_url

from tests import clients
from tests.engines import Database
from tests.proof import config_of, run_script
from tests.rowhash import execute
from trueup.backup.backup import read_record, restored
from trueup.config.config import Config
from trueup.errors import Refused, UsageError
from trueup.stores.sql import SqlStore
from trueup.verbs.backup import backup, verify_backup

INNODB = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


@pytest.fixture
def config(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    clients.offer(database.engine, tmp_path, monkeypatch)
    run_script(database, ["CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20))", "INSERT INTO t VALUES (1, 'a')"])
    return config_of(database)


def asked(database: Database, statement: str) -> list[tuple[object, ...]]:
    url = make_url(database.url)
    if database.engine == "postgresql":
        with psycopg.connect(database.url) as connection:
            return list(connection.execute(statement.encode()).fetchall())
    with pymysql.connect(host=url.host, port=url.port or 0, user=url.username or "", database=url.database) as raw:
        cursor = raw.cursor()
        cursor.execute(statement)
        return list(cursor.fetchall())


@INNODB
def test_what_acts_is_in_the_file_and_not_in_the_scratch_copy(
    config: Config, database: Database, tmp_path: Path
) -> None:
    own = str(make_url(database.url).database)
    execute(
        database,
        [
            f"CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO {own}.t VALUES (99, 'event')",
            f"CREATE TRIGGER echo BEFORE INSERT ON t FOR EACH ROW INSERT INTO {own}.t VALUES (98, 'trigger')",
            "CREATE FUNCTION seven() RETURNS INT DETERMINISTIC RETURN 7",
            "CREATE VIEW sevens AS SELECT id, seven() AS seven FROM t",
        ],
    )
    record = backup(config, folder=str(tmp_path / "backups"))
    assert record.problems == ()
    assert record.verified
    text = Path(record.file).read_text()
    bare = text.replace("/*!50003 ", "").replace("*/", "").replace("`", "")
    for word in ("EVENT tick", "TRIGGER echo", "FUNCTION seven", "VIEW sevens"):
        assert word in bare
    assert not any(word in text[: record.quiet] for word in ("EVENT", "TRIGGER", "seven"))
    store = SqlStore("app", database.url)
    with restored(store, record, "") as copy:
        name = copy.url.database
        for table in ("EVENTS WHERE EVENT_SCHEMA", "TRIGGERS WHERE TRIGGER_SCHEMA", "ROUTINES WHERE ROUTINE_SCHEMA"):
            assert asked(database, f"SELECT COUNT(*) FROM information_schema.{table} = '{name}'") == [(0,)]
    store.close()
    assert asked(database, f"SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}'") == [(0,)]
    # the whole file brings everything back
    execute(database, ["DROP EVENT tick", "DROP TRIGGER echo", "DROP FUNCTION seven", "DROP VIEW sevens"])
    other = f"{own}_again"
    execute(database, [f"CREATE DATABASE {other}"])
    try:
        from trueup.backup.backup import tool_of
        from trueup.backup.programs import run_program
        from trueup.engines._innodb import backup as _innodb

        tool = tool_of(SqlStore("app", database.url))
        assert isinstance(tool, _innodb.InnodbTool)
        with _innodb._login(make_url(database.url)) as options:
            run_program([tool.clients[0], options, f"--database={other}"], source=Path(record.file))
        for table in ("EVENTS WHERE EVENT_SCHEMA", "TRIGGERS WHERE TRIGGER_SCHEMA", "ROUTINES WHERE ROUTINE_SCHEMA"):
            assert asked(database, f"SELECT COUNT(*) FROM information_schema.{table} = '{other}'") == [(1,)]
    finally:
        execute(database, [f"DROP DATABASE {other}"])


@INNODB
def test_a_file_that_turns_to_another_database_is_not_restored(
    config: Config, database: Database, tmp_path: Path
) -> None:
    from tests.test_backup import forged

    record = backup(config, folder=str(tmp_path / "backups"))
    own = str(make_url(database.url).database)
    data = Path(record.file).read_bytes()
    forged(
        replace(record, quiet=record.quiet + 200), f"USE `{own}`;\nUPDATE t SET name = 'overwritten';\n".encode() + data
    )
    with pytest.raises(Refused, match="names a database of its own"):
        verify_backup(config, record.file)
    assert asked(database, "SELECT name FROM t") == [("a",)]


@INNODB
def test_tables_kept_elsewhere_are_not_restored_beside(config: Config, database: Database, tmp_path: Path) -> None:
    if database.engine == "mysql":
        statement = "CREATE TABLE both_of (id INTEGER PRIMARY KEY) ENGINE=MRG_MYISAM UNION=(m) INSERT_METHOD=LAST"
        execute(database, ["CREATE TABLE m (id INTEGER PRIMARY KEY) ENGINE=MyISAM", statement])
    else:
        execute(
            database,
            [
                "CREATE TABLE m (id INTEGER PRIMARY KEY) ENGINE=MyISAM",
                "CREATE TABLE both_of (id INTEGER PRIMARY KEY) ENGINE=MERGE UNION=(m) INSERT_METHOD=LAST",
            ],
        )
    with pytest.raises(Refused, match="both_of is a table of the engine MRG_M"):
        backup(config, folder=str(tmp_path / "backups"))
    assert backup(config, folder=str(tmp_path / "backups"), tables=["t"]).verified


@INNODB
def test_an_account_that_does_not_see_all_is_told_so(config: Config, database: Database, tmp_path: Path) -> None:
    user = f"part_{secrets.token_hex(4)}"
    own = str(make_url(database.url).database)
    execute(database, [f"CREATE USER {user}@'%'", f"GRANT SELECT ON {own}.t TO {user}@'%'"])
    try:
        url = make_url(database.url).set(username=user).render_as_string(hide_password=False)
        record = backup(replace(config, stores={"app": url}), folder=str(tmp_path / "b"), tables=["t"], verified=False)
        assert "triggers that the account may not see are not in it: it lacks TRIGGER on the database" in record.limits
    finally:
        execute(database, [f"DROP USER {user}@'%'"])
    whole = backup(config, folder=str(tmp_path / "c"), verified=False)
    assert not [one for one in whole.limits if "may not see" in one]


@POSTGRESQL
def test_nothing_acts_in_a_scratch_database(config: Config, database: Database, tmp_path: Path) -> None:
    execute(
        database,
        [
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
            "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$acts$$; END'",
            "CREATE TRIGGER echo BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "COMMENT ON TRIGGER echo ON t IS 'a comment on what is not restored'",
            "CREATE PUBLICATION everything FOR ALL TABLES",
            "CREATE MATERIALIZED VIEW m AS SELECT id FROM t",
            "CREATE VIEW v AS SELECT id FROM t",
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY mine ON t USING (true)",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
            "CREATE EVENT TRIGGER ends ON sql_drop EXECUTE FUNCTION e()",
        ],
    )
    record = backup(config, folder=str(tmp_path / "backups"))
    assert record.problems == ()
    assert record.verified
    store = SqlStore("app", database.url)
    with restored(store, read_record(record.file), "") as copy:
        inside = Database("postgresql", copy.url.render_as_string(hide_password=False))
        for catalogue in ("pg_event_trigger", "pg_publication", "pg_subscription", "pg_policy", "pg_default_acl"):
            assert asked(inside, f"SELECT count(*) FROM {catalogue}") == [(0,)]
        assert asked(inside, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]
        assert asked(inside, "SELECT relispopulated FROM pg_class WHERE relname = 'm'") == [(False,)]
    store.close()
    execute(database, ["DROP EVENT TRIGGER ends"])


NAMES = ["--result-file=out", "-t", "a.b", 'we"ird*', "Upper", "with blank", "per%cent", "ques?tion", "b`ck", "it's"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
def test_a_table_of_any_name_is_backed_up_and_no_other(
    config: Config, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quote = '"' if database.engine == "postgresql" else "`"
    for number, name in enumerate(NAMES):
        quoted = quote + name.replace(quote, quote * 2) + quote
        execute(
            database, [f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY)", f"INSERT INTO {quoted} VALUES ({number})"]
        )
    if database.engine == "postgresql":
        execute(
            database, ["CREATE SCHEMA a", "CREATE TYPE mood AS ENUM ('x')", "CREATE TABLE a.b (id INTEGER, m mood)"]
        )
    for name in NAMES:
        record = backup(config, folder=str(tmp_path / name.encode().hex()), tables=[name])
        assert record.problems == (), name
        assert list(record.sums) == [name]
    assert not (tmp_path / "out").exists()
    assert backup(config, folder=str(tmp_path / "all")).verified


@POSTGRESQL
def test_a_partitioned_table_comes_with_its_partitions_and_its_types(
    config: Config, database: Database, tmp_path: Path
) -> None:
    execute(
        database,
        [
            "CREATE TYPE mood AS ENUM ('good', 'bad')",
            "CREATE TABLE p (id INTEGER PRIMARY KEY, m mood) PARTITION BY RANGE (id)",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id)",
            "CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (0) TO (5)",
            "INSERT INTO p VALUES (1, 'good')",
        ],
    )
    record = backup(config, folder=str(tmp_path / "backups"), tables=["p"])
    assert record.problems == ()
    assert record.rows == 1


@pytest.mark.parametrize("engine", ["mysql"], indirect=True)
def test_the_programs_of_another_engine_are_named(database: Database, tmp_path: Path) -> None:
    import shutil

    if "mariadb" not in str(shutil.which("mariadb-dump")):
        pytest.skip("there are no programs of MariaDB's on the PATH")
    run_script(database, ["CREATE TABLE t (id INTEGER PRIMARY KEY)"])
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mysqldump").symlink_to(str(shutil.which("mariadb-dump")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        with pytest.raises(UsageError, match="the mysqldump on the PATH is MariaDB's, which cannot serve MySQL"):
            backup(config_of(database), folder=str(tmp_path / "backups"))
