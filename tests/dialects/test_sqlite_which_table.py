"""Which table of a file a plan or a run was about: SQLite's schema keeps an order, and no numbers that last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import clients
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.config.config import Config
from trueup.errors import PlanError, Refused
from trueup.results import RunReport
from trueup.run import apply, make_plan, undo, verify
from trueup.verbs.backup import backup
from trueup.verbs.restore import forget, restore_plan

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

ROWS = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 30) INSERT INTO {} SELECT i, {} FROM s"
NAME = "CASE WHEN i NOT IN (3, 4) THEN 'x' END"
TABLE = "CREATE TABLE {} (id INTEGER PRIMARY KEY, name TEXT)"


def missing(repair: str, table: str = "t", column: str = "name") -> Check:
    return Missing(table=table, column=column, name="n", fill="zz", repair=(repair,))


def planned(database: Database, tmp_path: Path, check: Check) -> tuple[Config, str]:
    config, path = config_of(database, check), str(tmp_path / f"{check.table}.jsonl")
    make_plan(config, path, because="test")
    return config, path


def applied(database: Database, tmp_path: Path, check: Check) -> tuple[Config, RunReport]:
    config, path = planned(database, tmp_path, check)
    report = apply(config, path, confirm="yes")
    assert report.states == {"applied": 2}
    return config, report


def exchanged(one: str, other: str) -> list[str]:
    return [
        f"ALTER TABLE {one} RENAME TO q",
        f"ALTER TABLE {other} RENAME TO {one}",
        f"ALTER TABLE q RENAME TO {other}",
    ]


OTHERS = {
    "a column more": "CREATE TABLE {} (id INTEGER PRIMARY KEY, name TEXT, archived TEXT)",
    "a blank more": "CREATE TABLE {} ( id INTEGER PRIMARY KEY, name TEXT)",
    "the same words": TABLE,
}


@pytest.mark.parametrize("more", [[], ["VACUUM"], ["DROP TABLE old", "VACUUM"], ["DROP TABLE w", "VACUUM"]])
@pytest.mark.parametrize("repair", ["fill", "quarantine"])
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("older", [True, False])
def test_a_table_that_took_the_name_gets_nothing(
    database: Database, tmp_path: Path, other: str, repair: str, older: bool, more: list[str]
) -> None:
    both = [OTHERS[other].format("w"), TABLE.format("t")]
    execute(database, ["CREATE TABLE old (x)", *(both if older else reversed(both)), ROWS.format("t", NAME)])
    execute(database, ["INSERT INTO w (id, name) VALUES (4, 'zz'), (50, 'w')"])
    config, run = applied(database, tmp_path, missing(repair))
    execute(database, [*exchanged("t", "w"), *more])
    before = row_hashes(database)

    with pytest.raises(Refused, match="--same-table t"):
        verify(config, run.run_id)
    with pytest.raises(Refused, match="--same-table t"):
        undo(config, run.run_id, confirm="yes")

    assert row_hashes(database) == before


SOUND = {
    "an older one gone": ["DROP TABLE a"],
    "an older one altered": ["ALTER TABLE a ADD COLUMN extra TEXT"],
    "an older one altered, and all moved": ["ALTER TABLE a ADD COLUMN extra TEXT", "VACUUM"],
    "others renamed": ["ALTER TABLE a RENAME TO b", "ALTER TABLE z RENAME TO a"],
    "others exchanged, and all moved": [*exchanged("a", "z"), "VACUUM"],
    "another one gone, and all moved": ["DROP TABLE other", "VACUUM"],
    "an index, a view, a table": ["CREATE INDEX i ON t (name)", "CREATE VIEW v AS SELECT 1", "CREATE TABLE n (x)"],
    "renamed and back": ["ALTER TABLE t RENAME TO q", "VACUUM", "ALTER TABLE q RENAME TO t"],
    "a full-text index, and all moved": ["CREATE VIRTUAL TABLE f USING fts5 (q)", "VACUUM"],
}
SHOP = [
    "CREATE TABLE other (x, y UNIQUE)",
    "CREATE INDEX by_x ON other (x)",
    TABLE.format("a"),
    TABLE.format("t"),
    TABLE.format("z"),
    ROWS.format("t", NAME),
]


@pytest.mark.parametrize("change", [one for one in SOUND if one != "renamed and back"])
def test_what_becomes_of_other_tables_between_plan_and_apply_replaces_none(
    database: Database, tmp_path: Path, change: str
) -> None:
    execute(database, SHOP)
    config, path = planned(database, tmp_path, missing("quarantine"))
    execute(database, SOUND[change])
    run = apply(config, path, confirm="yes")
    assert run.states == {"applied": 2}
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 2}


@pytest.mark.parametrize("repair", ["fill", "quarantine"])
@pytest.mark.parametrize("change", SOUND)
def test_what_becomes_of_other_tables_after_a_run_replaces_none(
    database: Database, tmp_path: Path, repair: str, change: str
) -> None:
    execute(database, SHOP)
    config, run = applied(database, tmp_path, missing(repair))
    execute(database, SOUND[change])
    assert verify(config, run.run_id).sound
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 2}


@pytest.mark.parametrize(
    "change",
    [
        exchanged("t", "z"),
        exchanged("t", "a"),
        ["DROP TABLE other", *exchanged("t", "z"), "VACUUM"],
        ["DROP TABLE t", "ALTER TABLE a RENAME TO t", "VACUUM"],
    ],
)
def test_between_plan_and_apply_another_table_is_seen(database: Database, tmp_path: Path, change: list[str]) -> None:
    execute(database, SHOP)
    config, path = planned(database, tmp_path, missing("quarantine"))
    execute(database, change)
    with pytest.raises(PlanError, match="make the plan again"):
        apply(config, path, confirm="yes")


@pytest.mark.parametrize("vacuum", [[], ["VACUUM"]])
def test_a_copy_that_a_restoration_forgets_replaces_no_table_made_after_it(
    database: Database, tmp_path: Path, vacuum: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.offer(database.engine, tmp_path, monkeypatch)
    execute(database, [TABLE.format("t"), ROWS.format("t", NAME)])
    config, _ = applied(database, tmp_path, missing("fill"))
    own = replace(config, path=str(tmp_path / "trueup.yaml"))
    record = backup(own, folder=str(tmp_path / "backups"))
    execute(database, ["UPDATE t SET name = 'changed' WHERE id = 10"])
    restore_plan(own, record.file, "t", str(tmp_path / "restore.jsonl"))
    execute(database, [TABLE.format("u"), ROWS.format("u", NAME)])
    config, run = applied(database, tmp_path, missing("quarantine", "u"))
    forget(config, "t")
    execute(database, vacuum)

    assert verify(config, run.run_id).sound
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 2}


COLUMNS = "CREATE TABLE t (id INTEGER PRIMARY KEY, junk INT, name TEXT, b TEXT, o INT)"
MIXED = {
    "exchanged, and one of other words added": [
        "ALTER TABLE t DROP COLUMN name",
        "ALTER TABLE t RENAME COLUMN b TO name",
        "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'y'",
    ],
    "exchanged by rename": [
        "ALTER TABLE t RENAME COLUMN name TO q",
        "ALTER TABLE t RENAME COLUMN b TO name",
        "ALTER TABLE t RENAME COLUMN q TO b",
    ],
    "made again": ["ALTER TABLE t DROP COLUMN name", "ALTER TABLE t ADD COLUMN name TEXT"],
    "one before it made again": ["ALTER TABLE t DROP COLUMN junk", "ALTER TABLE t ADD COLUMN junk INT"],
    "another one made again": ["ALTER TABLE t DROP COLUMN o", "ALTER TABLE t ADD COLUMN o INT DEFAULT 5"],
    "renamed, and made again": ["ALTER TABLE t RENAME COLUMN o TO q", "ALTER TABLE t ADD COLUMN o INT"],
}
#: Nobody can say of these that the column is still the same.
PROVEN = ("exchanged by rename", "made again")


@pytest.mark.parametrize("repair", ["fill", "quarantine"])
@pytest.mark.parametrize("change", MIXED)
def test_nothing_is_given_to_columns_that_nobody_can_tell_apart(
    database: Database, tmp_path: Path, repair: str, change: str
) -> None:
    execute(database, [COLUMNS, ROWS.format("t", f"0, {NAME}, CASE i WHEN 3 THEN 'zz' ELSE 'y' END, i")])
    config, run = applied(database, tmp_path, missing(repair))
    execute(database, MIXED[change])
    before = row_hashes(database)

    told = "is another column" if change in PROVEN else "say so with --same-table t"
    with pytest.raises(Refused, match=told if repair == "fill" else r"another column|say so"):
        verify(config, run.run_id)
    for edited in (False, True):
        with pytest.raises(Refused, match=told if repair == "fill" else r"another column|say so"):
            undo(config, run.run_id, confirm="yes", edited=edited)
    assert row_hashes(database) == before

    if change in PROVEN:
        with pytest.raises(Refused, match=r"in another order|another column"):
            undo(config, run.run_id, confirm="yes", same_table=["t"])
        assert row_hashes(database) == before
    elif repair == "fill" and change == "another one made again":
        report = undo(config, run.run_id, confirm="yes", edited=True, same_table=["t"])
        assert report.states == {"undone": 2}


LEFT = {
    "one in the middle": ["ALTER TABLE t DROP COLUMN junk"],
    "the last one": ["ALTER TABLE t DROP COLUMN o"],
    "two, and others added": [
        "ALTER TABLE t DROP COLUMN junk",
        "ALTER TABLE t DROP COLUMN b",
        "ALTER TABLE t ADD COLUMN later TEXT",
        "VACUUM",
    ],
    "one renamed": ["ALTER TABLE t RENAME COLUMN junk TO trash"],
}


@pytest.mark.parametrize("change", LEFT)
def test_untouched_columns_that_are_gone_leave_the_rows_to_a_person(
    database: Database, tmp_path: Path, change: str
) -> None:
    execute(database, [COLUMNS, ROWS.format("t", f"0, {NAME}, 'y', i")])
    config, run = applied(database, tmp_path, missing("fill"))
    execute(database, LEFT[change])

    verify(config, run.run_id)
    report = undo(config, run.run_id, confirm="yes")
    assert report.states == {"undo_conflict": 2}
    assert not any("name was changed" in one for one in report.since)
    assert undo(config, run.run_id, confirm="yes", edited=True).states == {"undone": 2}


@pytest.mark.parametrize("repair", ["fill", "quarantine"])
def test_columns_added_and_keys_of_others_renamed_mix_nothing(database: Database, tmp_path: Path, repair: str) -> None:
    parent = "CREATE TABLE p (id INTEGER PRIMARY KEY)"
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, p INT REFERENCES p (id), n INT NOT NULL DEFAULT 1)"
    execute(database, [parent, "INSERT INTO p VALUES (1)", table, ROWS.format("t", f"{NAME}, 1, 2")])
    config, run = applied(database, tmp_path, missing(repair))
    execute(database, ["ALTER TABLE t ADD COLUMN later TEXT DEFAULT 'x'", "ALTER TABLE p RENAME TO parents", "VACUUM"])
    assert verify(config, run.run_id).sound
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 2}
