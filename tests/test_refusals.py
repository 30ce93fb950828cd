"""What trueup refuses, on every engine: one clear line, and nothing written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines import Database
from tests.rowhash import execute, row_hashes
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.checks.out_of_range import OutOfRange
from trueup.config.config import Config
from trueup.errors import PlanError, Refused, TrueupError
from trueup.run import apply, make_plan, runs, undo, verify

RANGE = OutOfRange(table="t", column="a", minimum="0", maximum="10", name="a-in-range", repair=("clamp",))
TABLE = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, p INTEGER)",
    "INSERT INTO t VALUES " + ", ".join(f"({i}, {99 if i % 10 == 0 else 5}, 1)" for i in range(1, 41)),
]


def config_of(database: Database, *checks: Check, environment: str = "test") -> Config:
    """A configuration of one store."""
    return Config(
        environment=environment,
        stores={"app": database.url},
        checks=checks,
        strategy={"B": 1, "C": 51, "D": 501},
        path="",
        derived=False,
    )


@pytest.fixture
def plan(tmp_path: Path) -> str:
    """Where a plan goes."""
    return str(tmp_path / "plan.jsonl")


def unchanged(database: Database, act: Callable[[], object]) -> str:
    """Run what must be refused; returns the message once every row is seen to be as it was."""
    before = row_hashes(database)
    with pytest.raises(TrueupError) as raised:
        act()
    assert row_hashes(database) == before
    message = str(raised.value)
    assert "\n" not in message
    assert raised.value.exit_code in (2, 3)
    return message


@pytest.mark.any_server
def test_an_edited_plan_is_refused_with_its_line(database: Database, plan: str) -> None:
    execute(database, TABLE)
    config = config_of(database, RANGE)
    make_plan(config, plan)
    path = Path(plan)
    path.write_text(path.read_text().replace('"n":2', '"n":3'))
    assert unchanged(database, lambda: apply(config, plan, confirm="yes")) == (
        f"{plan}:3: this line is not as it was written; a plan cannot be edited, make it again"
    )


@pytest.mark.any_server
def test_a_plan_for_another_environment_is_refused(database: Database, plan: str) -> None:
    execute(database, TABLE)
    make_plan(config_of(database, RANGE, environment="staging"), plan)
    message = unchanged(database, lambda: apply(config_of(database, RANGE), plan, confirm="yes"))
    assert message == "the plan is for environment 'staging', this one is 'test'"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD COLUMN extra INTEGER",
        "CREATE UNIQUE INDEX one ON t (id, a)",
    ],
)
def test_a_table_that_changed_its_shape_since_the_plan_is_refused(database: Database, plan: str, change: str) -> None:
    execute(database, TABLE)
    config = config_of(database, RANGE)
    make_plan(config, plan)
    execute(database, [change])
    message = unchanged(database, lambda: apply(config, plan, confirm="yes"))
    assert "changed its shape since the plan was made; make the plan again" in message


@pytest.mark.any_server
def test_production_is_confirmed_by_typing(database: Database, plan: str) -> None:
    execute(database, TABLE)
    config = config_of(database, RANGE, environment="production")
    digest = make_plan(config, plan).summary.digest[:8]
    message = unchanged(database, lambda: apply(config, plan, confirm="yes"))
    assert message == f"environment 'production': --yes is not enough; type --confirm production:4:{digest}"
    assert apply(config, plan, confirm=f"production:4:{digest}").states == {"applied": 4}


@pytest.mark.any_server
def test_a_plan_is_used_once(database: Database, plan: str) -> None:
    execute(database, TABLE)
    config = config_of(database, RANGE)
    make_plan(config, plan)
    run = apply(config, plan, confirm="yes")
    message = unchanged(database, lambda: apply(config, plan, confirm="yes"))
    assert message == f"this plan was applied already, as run {run.run_id}; a plan is used once"
    undo(config, "last", confirm="yes")
    with pytest.raises(Refused, match="it cannot become applying"):
        apply(config, plan, confirm="yes")


@pytest.mark.any_server
def test_a_high_strategy_wants_a_reason_and_keeps_it(database: Database, plan: str) -> None:
    execute(database, TABLE)
    config = replace(config_of(database, RANGE), strategy={"B": 1, "C": 2, "D": 501})
    make_plan(config, plan)
    message = unchanged(database, lambda: apply(config, plan, confirm="yes"))
    assert message.startswith("strategy C (")
    assert message.endswith("needs a reason that stays with the run (--because 'TEXT')")
    assert apply(config, plan, confirm="yes", because="the importer").because == "the importer"


def left(config: Config, plan: str) -> str:
    """Make a plan that mends nothing; returns why."""
    preview = make_plan(config, plan)
    assert preview.summary.count == 0
    assert preview.summary.left
    return preview.summary.left[0].reason


def test_a_table_without_a_key_is_left(database: Database, plan: str) -> None:
    execute(database, ["CREATE TABLE t (a INTEGER)", "INSERT INTO t VALUES (5), (99), (5), (99), (5)"])
    reason = left(config_of(database, RANGE), plan)
    assert reason == "t has no primary key and no unique key without NULL, so no row can be addressed"


def test_a_table_with_a_trigger_is_left(database: Database, plan: str) -> None:
    execute(database, [*TABLE, "CREATE TABLE log (n INTEGER)"])
    body = "INSERT INTO log VALUES (1)"
    triggers = {
        "sqlite": [f"CREATE TRIGGER watch AFTER UPDATE ON t BEGIN {body}; END"],
        "postgresql": [
            f"CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$",
            "CREATE TRIGGER watch AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION watch()",
        ],
        "mysql": [f"CREATE TRIGGER watch AFTER UPDATE ON t FOR EACH ROW {body}"],
        "mariadb": [f"CREATE TRIGGER watch AFTER UPDATE ON t FOR EACH ROW {body}"],
    }
    execute(database, triggers[database.engine])
    reason = left(config_of(database, RANGE), plan)
    assert reason.startswith("t cannot be repaired: ")
    assert "watch" in reason


def test_a_trigger_made_since_the_plan_is_refused(database: Database, plan: str) -> None:
    execute(database, [*TABLE, "CREATE TABLE log (n INTEGER)"])
    config = config_of(database, RANGE)
    make_plan(config, plan)
    test_a_table_with_a_trigger = {
        "sqlite": ["CREATE TRIGGER watch AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (1); END"],
        "postgresql": [
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "CREATE TRIGGER watch AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION watch()",
        ],
    }
    default = ["CREATE TRIGGER watch AFTER UPDATE ON t FOR EACH ROW INSERT INTO log VALUES (1)"]
    execute(database, test_a_table_with_a_trigger.get(database.engine, default))
    assert "'watch'" in unchanged(database, lambda: apply(config, plan, confirm="yes"))


@pytest.mark.any_server
def test_a_check_that_calls_most_rows_broken_is_doubted(database: Database, plan: str) -> None:
    execute(database, TABLE)
    absurd = replace(RANGE, maximum="4")
    reason = left(config_of(database, absurd), plan)
    assert reason == (
        "40 of 40 rows (100%) look broken: then the check is more likely wrong than the rows; "
        "--accept-rate a-in-range if they are"
    )
    assert make_plan(config_of(database, absurd), plan, accept_rate=["a-in-range"]).summary.count == 40


@pytest.mark.any_server
def test_an_empty_table_makes_no_orphans(database: Database, plan: str) -> None:
    execute(database, [*TABLE, "CREATE TABLE parents (id INTEGER PRIMARY KEY)"])
    check = Orphan(table="t", column="p", references="parents.id")
    assert left(config_of(database, check), plan) == (
        "parents is empty, so every reference to it looks broken; the fault is there"
    )


def parents_and_children(database: Database) -> Config:
    """Two rows without a value, one of which another row refers to; quarantine is chosen for both."""
    engine = "" if database.engine in ("sqlite", "postgresql") else " ENGINE=InnoDB"
    cascade = "FOREIGN KEY (t_id) REFERENCES t (id) ON DELETE CASCADE"
    execute(
        database,
        [
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER){engine}",
            f"CREATE TABLE child (id INTEGER PRIMARY KEY, t_id INTEGER, {cascade}){engine}",
            "INSERT INTO t VALUES " + ", ".join(f"({i}, {i})" for i in range(1, 31)) + ", (31, NULL), (32, NULL)",
        ],
    )
    return config_of(database, Missing(table="t", columns=("a",), repair=("quarantine",)))


CHILD = ["INSERT INTO child VALUES (1, 31)"]


def test_a_row_that_others_refer_to_is_left_for_a_person(database: Database, plan: str) -> None:
    config = parents_and_children(database)
    execute(database, CHILD)
    summary = make_plan(config, plan).summary
    assert [(left.count, left.reason) for left in summary.left] == [
        (1, "no repair fits (tried: quarantine); other rows refer to them")
    ]
    assert apply(config, plan).states == {"applied": 1}
    assert apply(config, plan, confirm="yes").states == {"applied": 1}


def test_a_row_that_others_refer_to_since_the_plan_is_not_moved_out(database: Database, plan: str) -> None:
    config = parents_and_children(database)
    make_plan(config, plan)
    execute(database, CHILD)
    before = row_hashes(database)
    for confirm in ("", "yes"):
        run = apply(config, plan, confirm=confirm)
        assert run.states == {"applied": 1, "blocked": 1}
        assert [(op.key, op.reason) for op in run.listed] == [("31", "other rows refer to it")]
    after = row_hashes(database)
    assert after["child"] == before["child"]
    assert set(before["t"]) - set(after["t"]) == {"32"}
    assert verify(config, "last").sound
    undo(config, "last", confirm="yes")
    assert row_hashes(database) == before


@pytest.mark.any_server
def test_a_plan_names_only_repairs_that_change_something(database: Database, plan: str) -> None:
    execute(database, TABLE)
    filled = Missing(table="t", column="p", fill="1", repair=("fill",))
    preview = make_plan(config_of(database, replace(RANGE, repair=("clamp", "nullify")), filled), plan)
    assert [(group.check, group.repair) for group in preview.plan.groups] == [("a-in-range", "clamp")]
    assert preview.summary.by_group == (4,)


@pytest.mark.any_server
def test_what_is_left_for_a_person_comes_with_the_repair_that_was_not_tried(database: Database, plan: str) -> None:
    execute(database, [*TABLE, "UPDATE t SET a = NULL WHERE id = 1"])
    assert left(config_of(database, Missing(table="t", column="a", name="a's")), plan) == (
        "no repair is chosen; there is also --repair 'a'\"'\"'s'=quarantine (destructive)"
    )


def test_a_dry_run_writes_nothing_at_all(database: Database, plan: str) -> None:
    execute(database, TABLE)
    config = config_of(database, RANGE)
    make_plan(config, plan)
    before = row_hashes(database)
    report = apply(config, plan)
    assert (report.dry_run, report.states) == (True, {"applied": 4})
    assert row_hashes(database) == before
    assert runs(config) == []


def test_a_plan_for_another_database_is_refused(database: Database, plan: str) -> None:
    execute(database, TABLE)
    config = config_of(database, RANGE)
    make_plan(config, plan)
    path = Path(plan)
    with pytest.raises(PlanError, match="another database"):
        apply(config_of(_twin(database), RANGE), str(path), confirm="yes")


def _twin(database: Database) -> Database:
    """The same data under another name on the same server."""
    if database.engine == "sqlite":
        copy = Path(database.path).with_name("twin.db")
        copy.write_bytes(Path(database.path).read_bytes())
        return Database("sqlite", f"sqlite:///{copy}")
    base, name = database.url.rsplit("/", 1)
    twin = f"{name}_twin"
    execute(database, [f"CREATE DATABASE {twin}"])
    other = Database(database.engine, f"{base}/{twin}")
    execute(other, TABLE)
    return other


def test_a_repair_that_the_catalogue_rules_out_is_not_offered(database: Database, plan: str) -> None:
    execute(
        database,
        [
            "CREATE TABLE artist (id INTEGER PRIMARY KEY)",
            "CREATE TABLE album (id INTEGER PRIMARY KEY, artist_id INTEGER NOT NULL)",
            """CREATE TABLE song (id INTEGER PRIMARY KEY, album_id INTEGER,
               FOREIGN KEY (album_id) REFERENCES album (id))""",
            "INSERT INTO artist VALUES (1)",
            "INSERT INTO album VALUES (1, 1), (2, 9)",
            "INSERT INTO song VALUES (1, 2)",
        ],
    )
    check = Orphan(table="album", column="artist_id", references="artist.id", name="a", repair=("quarantine",))
    assert left(config_of(database, check), plan) == "no repair fits (tried: quarantine); other rows refer to them"
