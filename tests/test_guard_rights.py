"""A guard is nobody's outage: what the application could write before, it can write under it."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pymysql
import pytest
from sqlalchemy.engine import make_url

from tests.engines import Database
from tests.proof import config_of, run_script
from tests.rowhash import execute
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.config.config import Config
from trueup.errors import Refused, UsageError
from trueup.run import scan
from trueup.verbs.guard import guard

ORPHAN = Orphan(table="child", column="parent_id", references="parent.id", name="refers")
NAMED = Missing(table="child", column="name", name="named")
TABLES = [
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, owner VARCHAR(20))",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER, name VARCHAR(20))",
    "INSERT INTO parent VALUES (1, 'x'), (2, 'x'), (3, 'y')",
    "INSERT INTO child VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')",
]


@pytest.fixture
def roles(database: Database) -> Iterator[tuple[str, str]]:
    """Two accounts of the server for this test: the application's, and an operator's."""
    mark = secrets.token_hex(4)
    names = (f"web_{mark}", f"ops_{mark}")
    run_script(database, TABLES)
    if database.engine == "postgresql":
        execute(database, [f"CREATE ROLE {name} LOGIN" for name in names])
        execute(database, [f"GRANT SELECT, INSERT, UPDATE ON child TO {names[0]}"])
    else:
        own = make_url(database.url).database
        execute(database, [f"CREATE USER {name}@'%' IDENTIFIED BY 'pw'" for name in names])
        execute(database, [f"GRANT SELECT, INSERT, UPDATE ON {own}.* TO {names[0]}@'%'"])
        execute(database, [f"GRANT ALL ON {own}.* TO {names[1]}@'%'"])
    yield names
    if database.engine == "postgresql":
        execute(database, [f"DROP OWNED BY {', '.join(names)} CASCADE", f"DROP ROLE {', '.join(names)}"])
    else:
        execute(database, [f"DROP USER IF EXISTS {name}@'%'" for name in names])


def as_account(database: Database, name: str) -> Database:
    url = make_url(database.url).set(username=name, password=None if database.engine == "postgresql" else "pw")
    return Database(database.engine, url.render_as_string(hide_password=False))


def writes(database: Database, name: str, statement: str) -> str:
    """The application's write, on a session of its own: empty, or what it was told."""
    try:
        execute(as_account(database, name), [statement])
    except (psycopg.Error, pymysql.Error) as error:
        return str(error)
    return ""


RIGHTS = {
    "none": [],
    "column": ["GRANT SELECT (id) ON parent TO {web}"],
    "policy": [
        "GRANT SELECT ON parent TO {web}",
        "ALTER TABLE parent ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON parent FOR SELECT TO {web} USING (owner = 'y')",
    ],
    "forced": [
        "ALTER TABLE parent ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE parent FORCE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON parent FOR SELECT TO {web} USING (owner = 'y')",
    ],
}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("rights", RIGHTS)
def test_a_writer_needs_no_right_on_what_a_guard_reads(database: Database, roles: tuple[str, str], rights: str) -> None:
    web, _ = roles
    execute(database, [statement.format(web=web) for statement in RIGHTS[rights]])
    config = config_of(database, ORPHAN)
    report = guard(config, "refers", act="apply", transition=True)
    assert report.trial is not None
    assert report.trial.said[-1] == (
        f"as {web}: a good insert passed, a bad insert was refused, a good update passed, a bad update was refused"
    )
    assert not writes(database, web, "INSERT INTO child VALUES (4, 1, 'd')")
    assert not writes(database, web, "UPDATE child SET parent_id = 2 WHERE id = 1")
    assert "would break the check refers" in writes(database, web, "INSERT INTO child VALUES (5, 99, 'e')")
    guard(config, "refers", act="remove")
    assert not writes(database, web, "INSERT INTO child VALUES (5, 99, 'e')")
    with psycopg.connect(database.url) as connection:
        assert not connection.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'trueup%'").fetchall()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_guard_runs_as_whoever_owns_what_it_reads(database: Database, roles: tuple[str, str]) -> None:
    web, ops = roles
    execute(database, [f"ALTER TABLE parent OWNER TO {ops}"])
    report = guard(config_of(database, ORPHAN), "refers", act="apply", transition=True)
    assert report.guard.definer == ops
    with psycopg.connect(database.url) as connection:
        (found,) = connection.execute(
            "SELECT pg_get_userbyid(proowner), has_function_privilege(%s, oid, 'EXECUTE') FROM pg_proc"
            " WHERE proname = %s",
            (web, report.guard.name),
        ).fetchall()
    assert found == (ops, False)
    assert not writes(database, web, "INSERT INTO child VALUES (4, 1, 'd')")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_rights_of_its_owner_are_watched(database: Database, roles: tuple[str, str]) -> None:
    web, ops = roles
    # the journal of a database's owner is read by others, too
    mine = f"ALTER DATABASE {make_url(database.url).database} OWNER TO"
    execute(database, [f"{mine} {ops}", f"GRANT CREATE ON SCHEMA public TO {ops}", f"GRANT SELECT ON parent TO {ops}"])
    execute(database, [f"ALTER TABLE child OWNER TO {ops}"])
    # an operator who owns less takes what it may: its own role
    config = config_of(as_account(database, ops), ORPHAN)
    assert guard(config, "refers", act="apply", transition=True).guard.definer == ops
    assert not writes(database, web, "INSERT INTO child VALUES (4, 1, 'd')")
    assert scan(config_of(database, ORPHAN)).notices == ()
    execute(database, [f"REVOKE SELECT ON parent FROM {ops}"])
    assert "permission denied" in writes(database, web, "INSERT INTO child VALUES (5, 1, 'd')")
    (notice,) = scan(config_of(database, ORPHAN)).notices
    assert notice == (
        f"the guard of refers stops good writes: it runs as the role {ops!r}, which may not read public.parent.id; "
        "install it again with 'trueup guard refers --apply'"
    )
    guard(config_of(database, ORPHAN), "refers", act="apply", transition=True)
    assert not writes(database, web, "INSERT INTO child VALUES (5, 1, 'd')")
    execute(database, [f"{mine} CURRENT_USER"])


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_who_may_not_make_it_is_told_what_is_missing(database: Database, roles: tuple[str, str]) -> None:
    _, ops = roles
    mine = f"GRANT CREATE ON DATABASE {make_url(database.url).database} TO {ops}"
    execute(database, [mine, f"GRANT SELECT ON parent TO {ops}", f"ALTER TABLE child OWNER TO {ops}"])
    config = config_of(as_account(database, ops), ORPHAN)
    with pytest.raises(Refused) as caught:
        guard(config, "refers", act="apply", transition=True)
    assert str(caught.value) == (
        "refers cannot be guarded: its trigger must read public.parent whoever writes, and the role "
        f"{ops!r} may not create a function in public"
    )


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_guard_of_another_schema_is_not_taken_for_it(database: Database) -> None:
    run_script(database, TABLES)
    config = config_of(database, NAMED)
    made = guard(config, "named", act="apply").guard
    execute(database, [made.remove[0].sql, "CREATE SCHEMA other", "CREATE TABLE other.child (LIKE child)"])
    execute(database, [re.sub(r'(?:"?public"?\.)?"child"', "other.child", made.install[0].sql)])
    (notice,) = scan(config).notices
    assert "is not in the database" in notice


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_function_that_somebody_else_made_is_not_used(database: Database, roles: tuple[str, str]) -> None:
    _, ops = roles
    name = guard(config_of(database, ORPHAN), "refers", transition=True).guard.name
    execute(database, [f"GRANT CREATE ON SCHEMA public TO {ops}"])
    body = "$$BEGIN RETURN NULL; END$$"
    execute(
        as_account(database, ops),
        [
            f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS {body}",
        ],
    )
    report = guard(config_of(database, ORPHAN), "refers", act="apply", transition=True)
    with psycopg.connect(database.url) as connection:
        owner = connection.execute(
            "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = %s", (name,)
        ).fetchone()
    assert owner == (report.guard.definer,)
    assert owner != (ops,)


# -- MySQL and MariaDB ------------------------------------------------------------------------------------------------
INNODB = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)


def accounts(database: Database, name: str) -> int:
    url = make_url(database.url)
    with pymysql.connect(host=url.host, port=url.port or 0, user=url.username or "", database=url.database) as raw:
        cursor = raw.cursor()
        cursor.execute("SELECT COUNT(*) FROM mysql.user WHERE CONCAT(user, '@', host) = %s", (name,))
        (row,) = cursor.fetchall()
        return int(row[0])


@INNODB
@pytest.mark.parametrize("check", [NAMED, ORPHAN], ids=["row", "reference"])
def test_triggers_run_as_an_account_of_their_own(
    database: Database, roles: tuple[str, str], check: Missing | Orphan
) -> None:
    web, _ = roles
    config = config_of(database, check)
    report = guard(config, check.name, act="apply", transition=True)
    assert report.guard.made
    assert accounts(database, report.guard.definer) == 1
    assert report.trial is not None
    assert report.trial.held
    assert not writes(database, web, "INSERT INTO child VALUES (4, 1, 'd')")
    assert "would break" in writes(database, web, "INSERT INTO child VALUES (5, 99, NULL)")
    assert scan(config).notices == ()
    guard(config, check.name, act="remove")
    assert accounts(database, report.guard.definer) == 0
    assert not writes(database, web, "INSERT INTO child VALUES (5, 99, NULL)")


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_url_may_call_mariadb_mysql(database: Database) -> None:
    run_script(database, TABLES)
    config = config_of(Database("mysql", database.url.replace("mariadb://", "mysql://")), NAMED)
    report = guard(config, "named", act="apply")
    assert report.engine == "mariadb"
    guard(config, "named", act="remove")
    assert accounts(database, report.guard.definer) == 0


@INNODB
def test_who_may_not_make_one_must_name_one(database: Database, roles: tuple[str, str]) -> None:
    web, ops = roles
    config = config_of(as_account(database, ops), NAMED)
    with pytest.raises(Refused) as caught:
        guard(config, "named", act="apply")
    assert str(caught.value).startswith(
        "named is guarded by triggers, which run in the name of an account that must last as long as they do, "
        f"and '{ops}@%' may not make one for it, which takes CREATE "
    )
    assert not writes(database, web, "INSERT INTO child VALUES (5, 1, NULL)")
    execute(database, ["DELETE FROM child WHERE id = 5"])
    report = guard(config, "named", act="apply", definer=f"{ops}@%")
    assert (report.guard.definer, report.guard.made) == (f"{ops}@%", False)
    assert scan(config_of(database, NAMED)).notices == ()
    execute(database, [f"DROP USER {ops}@'%'"])
    (notice,) = scan(config_of(database, NAMED)).notices
    assert notice == (
        f"the guard of named stops good writes: it runs as '{ops}@%', an account that is gone: every write of child "
        "fails; install it again with 'trueup guard named --apply'"
    )
    guard(config_of(database, NAMED), "named", act="apply")
    assert not writes(database, web, "INSERT INTO child VALUES (4, 1, 'd')")
    guard(config_of(database, NAMED), "named", act="remove")


@INNODB
def test_a_right_that_the_account_lost_is_noticed(database: Database) -> None:
    run_script(database, TABLES)
    config = config_of(database, ORPHAN)
    report = guard(config, "refers", act="apply", transition=True)
    user, _, host = report.guard.definer.rpartition("@")
    execute(database, [f"REVOKE SELECT ON parent FROM '{user}'@'{host}'"])
    (notice,) = scan(config).notices
    assert f"it runs as '{report.guard.definer}', which lacks SELECT on parent" in notice
    guard(config, "refers", act="remove")


@INNODB
def test_an_account_that_is_not_there_is_no_definer(database: Database) -> None:
    run_script(database, TABLES)
    config = config_of(database, NAMED)
    with pytest.raises(Refused, match="an account that is gone"):
        guard(replace(config), "named", act="apply", definer="nobody_at_all@%")
    execute(database, ["INSERT INTO child VALUES (5, 1, NULL)"])
    with pytest.raises(UsageError, match="is no account; write USER@HOST"):
        guard(config, "named", act="apply", definer="nobody")


def test_only_triggers_of_an_account_have_a_definer(database: Database) -> None:
    run_script(database, TABLES)
    config: Config = config_of(database, NAMED)
    if database.engine in ("sqlite", "postgresql"):
        with pytest.raises(UsageError, match="--definer is for MySQL and MariaDB"):
            guard(config, "named", act="apply", definer="app@%")
