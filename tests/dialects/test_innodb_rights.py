"""What an account of MySQL or MariaDB sees is not taken for what there is."""

from collections.abc import Iterator

import pytest

from tests.dialects.accounts import NO_PROCESS, NO_SELECT, NO_TRIGGER, Account, told
from tests.engines import Database

pytestmark = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)


@pytest.fixture
def account(database: Database) -> Iterator[Account]:
    made = Account(database)
    made.run("CREATE USER {me} IDENTIFIED BY 'x'", "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(9), pay INT)")
    try:
        yield made
    finally:
        made.run(
            "DROP USER {me}",
            "DROP ROLE IF EXISTS {u}_r",
            "DROP DATABASE IF EXISTS {u}_far",
            "DROP DATABASE IF EXISTS `{u}_f-é`",
        )


# -- columns ----------------------------------------------------------------------------------------------------------
def test_columns_that_an_account_may_not_read_are_an_obstacle(account: Account) -> None:
    account.run("GRANT SELECT (id, name), UPDATE (name), DELETE, TRIGGER ON {db}.t TO {me}")
    with account.session() as connection:
        table = account.dialect.table(connection, "t")
    assert list(table.columns) == ["id", "name"]
    assert table.obstacles == told(account, NO_SELECT)


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT SELECT, TRIGGER ON {db}.t TO {me}",
        "GRANT SELECT, TRIGGER ON {db}.* TO {me}",
        "GRANT SELECT, TRIGGER ON *.* TO {me}",
        "GRANT ALL ON {db}.* TO {me}",
        "GRANT SELECT, TRIGGER ON `{db}%`.* TO {me}",
    ],
)
def test_a_right_on_the_whole_table_is_enough_wherever_it_stands(account: Account, grant: str) -> None:
    account.run(grant)
    assert account.obstacles() == ()


def test_rights_on_other_tables_and_other_databases_do_not_count(account: Account) -> None:
    account.run(
        "CREATE TABLE `TRIGGER SELECT` (id INT)",
        "CREATE DATABASE {u}_far",
        "GRANT SELECT (id) ON {db}.t TO {me}",
        "GRANT SELECT, TRIGGER ON {db}.`TRIGGER SELECT` TO {me}",
        "GRANT ALL ON {u}_far.* TO {me}",
        "GRANT ALL ON `{db}\\_`.* TO {me}",
    )
    assert account.obstacles() == told(account, NO_TRIGGER + NO_SELECT)


def test_of_several_names_of_databases_the_nearest_counts_alone(account: Account) -> None:
    account.run(
        "GRANT ALL ON `{db}%`.* TO {me}", "GRANT SELECT ON `" + account.schema.replace("_", "\\_") + "`.* TO {me}"
    )
    assert account.obstacles() == told(account, NO_TRIGGER)


def test_rights_of_an_active_role_count_and_those_of_another_do_not(account: Account) -> None:
    account.run("CREATE ROLE {u}_r", "GRANT SELECT, TRIGGER ON {db}.t TO {u}_r", "GRANT {u}_r TO {me}")
    account.run("GRANT SELECT (id) ON {db}.t TO {me}")
    assert account.obstacles() == told(account, NO_TRIGGER + NO_SELECT)
    default = {"mysql": "SET DEFAULT ROLE {u}_r TO {me}", "mariadb": "SET DEFAULT ROLE {u}_r FOR {me}"}
    account.run(default[account.database.engine])
    assert account.obstacles() == ()


def test_an_invisible_column_is_read_and_kept(account: Account) -> None:
    account.run("ALTER TABLE t ADD COLUMN hidden INT DEFAULT 5 INVISIBLE", "GRANT SELECT, TRIGGER ON {db}.t TO {me}")
    with account.session() as connection:
        assert list(account.dialect.table(connection, "t").columns) == ["id", "name", "pay", "hidden"]


# -- triggers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        "IF steal(NEW.id) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'; END IF",
        "IF `steal`(NEW.id) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'; END IF",
        "IF {db}.steal(NEW.id) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'; END IF",
        "IF COALESCE({db} . steal (NEW.id), 0) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'; END IF",
        "IF steal/**/(NEW.id) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'; END IF",
        "IF GET_LOCK('x', 1) = 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'; END IF",
        "IF (SELECT COUNT(*) FROM v) > 9 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'; END IF",
    ],
)
def test_the_name_of_a_guard_is_no_proof_that_it_only_refuses(account: Account, body: str) -> None:
    account.run(
        "CREATE TABLE log (id INT)",
        "CREATE VIEW v AS SELECT id FROM log",
        "SET GLOBAL log_bin_trust_function_creators = 1",
        "CREATE FUNCTION steal(n INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO log VALUES (n); RETURN 0; END",
        f"CREATE TRIGGER trueup_guard_x BEFORE UPDATE ON t FOR EACH ROW {body}",
        "GRANT SELECT, TRIGGER ON {db}.t TO {me}",
    )
    assert account.obstacles() == (
        "the trigger 'trueup_guard_x' runs BEFORE UPDATE and may change what the journal does not see",
    )


def test_a_trigger_that_only_refuses_is_a_guard(account: Account) -> None:
    account.run(
        "CREATE TRIGGER trueup_guard_x BEFORE UPDATE ON t FOR EACH ROW IF (NOT (NEW.`name` <=> OLD.`name`)) AND "
        "(COALESCE(NEW.`name` IN ('f(x)', 'select'), 0)) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF",
        "GRANT SELECT, TRIGGER ON {db}.t TO {me}",
    )
    assert account.obstacles() == ()


# -- children ---------------------------------------------------------------------------------------------------------
def test_children_that_cannot_be_ruled_out_are_told_and_forbid_nothing_else(account: Account) -> None:
    account.run("GRANT ALL ON {db}.* TO {me}")
    assert account.obstacles() == ()
    assert account.unseen() == NO_PROCESS
    account.run("GRANT PROCESS ON *.* TO {me}")
    assert account.unseen() == ()


def test_an_account_that_sees_all_tables_needs_no_more(account: Account) -> None:
    account.run(
        "CREATE DATABASE {u}_far",
        "CREATE TABLE {u}_far.k (id INT PRIMARY KEY, t_id INT, FOREIGN KEY (t_id) REFERENCES {db}.t (id))",
        "GRANT SELECT, TRIGGER ON *.* TO {me}",
    )
    assert account.unseen() == ()
    with account.session() as connection:
        (reference,) = account.dialect.table(connection, "t").referenced_by
    assert (reference.table, reference.columns) == (account.filled("{u}_far.k"), ("t_id",))


def test_references_are_seen_with_rights_on_single_tables(account: Account) -> None:
    account.run(
        "CREATE TABLE k (id INT PRIMARY KEY, t_id INT, FOREIGN KEY (t_id) REFERENCES t (id) ON UPDATE SET NULL)",
        "GRANT SELECT, UPDATE, TRIGGER ON {db}.t TO {me}",
        "GRANT SELECT, UPDATE, TRIGGER ON {db}.k TO {me}",
    )
    with account.session() as connection:
        (inward,) = account.dialect.table(connection, "t").referenced_by
        (outward,) = account.dialect.table(connection, "k").references
    assert inward == outward
    # MariaDB keeps the rules from such an account, so the worst is taken
    assert inward.on_update == {"mysql": "SET NULL", "mariadb": "CASCADE"}[account.database.engine]


def test_a_child_in_a_database_that_is_hidden_is_named(account: Account) -> None:
    account.run(
        "CREATE DATABASE {u}_far",
        "CREATE TABLE {u}_far.`k 1` (id INT PRIMARY KEY, t_id INT, FOREIGN KEY (t_id) REFERENCES {db}.t (id))",
        "GRANT ALL ON {db}.* TO {me}",
        "GRANT PROCESS ON *.* TO {me}",
    )
    clause = account.filled(
        "rows of '{u}_far.k 1' may refer to it, which the account cannot see: it needs SELECT there"
    )
    assert account.unseen() == (clause,)
    account.run("GRANT SELECT ON {u}_far.`k 1` TO {me}")
    assert account.unseen() == ()
    with account.session() as connection:
        (reference,) = account.dialect.table(connection, "t").referenced_by
        child = account.dialect.table(connection, reference.table)
    assert child.name == reference.table == account.filled("{u}_far.k 1")
    assert child.place == (account.filled("{u}_far"), "k 1")
    assert account.filled("it stands in the database '{u}_far', and the URL names another") in child.obstacles


def test_a_child_of_which_a_part_of_the_key_is_hidden_is_told(account: Account) -> None:
    account.run(
        "CREATE TABLE p (a INT, b INT, PRIMARY KEY (a, b))",
        "CREATE TABLE k (id INT PRIMARY KEY, x INT, y INT, FOREIGN KEY (x, y) REFERENCES p (a, b))",
        "GRANT SELECT, TRIGGER ON {db}.p TO {me}",
        "GRANT SELECT (x) ON {db}.k TO {me}",
        "GRANT PROCESS ON *.* TO {me}",
    )
    (clause,) = account.unseen("p")[:1]
    assert clause.startswith(account.filled("rows of '{db}.k' may refer to it, which the account "))
    account.run("GRANT SELECT ON {db}.k TO {me}")
    assert account.unseen("p") == ()


def test_names_beyond_ascii_are_found_too(account: Account) -> None:
    account.run(
        "CREATE DATABASE `{u}_f-é`",
        "CREATE TABLE `ö 1` (id INT PRIMARY KEY)",
        "CREATE TABLE `{u}_f-é`.`ü` (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES {db}.`ö 1` (id))",
        "GRANT ALL ON {db}.* TO {me}",
        "GRANT PROCESS ON *.* TO {me}",
    )
    (clause,) = account.unseen("ö 1")
    assert clause.endswith("may refer to it, which the account cannot see: it needs SELECT there")
    account.run("GRANT SELECT ON `{u}_f-é`.* TO {me}")
    assert account.unseen("ö 1") == ()
