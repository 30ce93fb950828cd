"""Ten operators at once on a database without a journal: each gets an image table of his own types, and a number."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import func, select, text

from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import changed_rows, execute, row_hashes
from trueup.changes import Group
from trueup.checks.out_of_range import OutOfRange
from trueup.errors import StoreError
from trueup.journal.journal import Journal
from trueup.journal.shape import image_shape
from trueup.run import make_plan, runs, undo, verify
from trueup.stores.sql import SqlStore

NUMBERS = ["decimal(12,0)", "decimal(12,4)", "decimal(12,2)", "decimal(14,6)", "decimal(12,1)", "decimal(12,4)"]
MOMENTS = {
    "sqlite": ["datetime", "timestamp", "datetime", "timestamp"],
    "postgresql": ["timestamp(0)", "timestamp(6)", "timestamptz(3)", "timestamp(6)"],
    "mysql": ["datetime", "datetime(6)", "datetime(3)", "datetime(6)"],
    "mariadb": ["datetime", "datetime(6)", "datetime(3)", "datetime(6)"],
}
APPLY = """
import sys
from trueup.run import apply
from trueup.config import Config
from trueup.checks.out_of_range import OutOfRange
url, table, bound, value, plan = sys.argv[1:]
check = OutOfRange(table=table, column="v", **{bound: value})
config = Config(environment="test", stores={"app": url}, checks=(check,), path=plan + ".yaml")
sys.stdin.readline()
print(apply(config, plan, confirm="yes", because="a test").state)
"""


def ranged(table: str, bound: str, value: str) -> OutOfRange:
    return OutOfRange(
        table=table,
        column="v",
        minimum=value if bound == "minimum" else "",
        maximum="" if bound == "minimum" else value,
    )


@pytest.mark.slow
@pytest.mark.timeout(400)  # thirty runs of a process, which share the machine with other tests
def test_ten_runs_at_once_keep_every_value_in_its_own_type(database: Database, tmp_path: Path) -> None:
    kinds = [*NUMBERS, *MOMENTS[database.engine]]
    bounds = [("maximum", "1000")] * len(NUMBERS) + [("minimum", "2001-01-01")] * 4
    waiting = []
    for number, (kind, (bound, value)) in enumerate(zip(kinds, bounds, strict=True)):
        good, bad = ("5", "99999.123456") if bound == "maximum" else ("'2020-01-01'", "'1999-01-01 01:02:03.654321'")
        execute(
            database,
            [
                f"CREATE TABLE t{number} (id INT PRIMARY KEY, v {kind})",
                *(f"INSERT INTO t{number} VALUES ({one}, {bad if one % 3 else good})" for one in range(1, 13)),
            ],
        )
        check = ranged(f"t{number}", bound, value)
        path = str(tmp_path / f"{number}.jsonl")
        config = config_of(database, check)
        plan = make_plan(config, path, repairs={check.title: "nullify"}, because="a", accept_rate=[check.title])
        assert plan.summary.count == 8
        waiting.append([sys.executable, "-c", APPLY, database.url, f"t{number}", bound, value, path])
    before = row_hashes(database)
    started = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        for command in waiting
    ]
    for one in started:  # all are ready to read, and go at once
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate() for one in started]
    assert [out.strip() for out, _ in said] == ["applied"] * 10, [error[-3000:] for _, error in said]
    config = config_of(database, *(ranged(f"t{n}", *bound) for n, bound in enumerate(bounds)))
    found = runs(config)
    assert len(found) == 10
    for run in found:
        assert verify(config, run.run_id).sound
        assert undo(config, run.run_id, confirm="yes").states == {"undone": 8}
    assert not changed_rows(before, row_hashes(database))
    store = SqlStore("app", database.url)
    journal = Journal(store)
    with store.connect() as connection:
        assert sorted(connection.execute(select(journal.run.c.no)).scalars()) == list(range(1, 11))
        assert connection.execute(select(func.count()).select_from(journal.meta)).scalar() == 1
    store.close()


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """What each of `count` threads was told, an error as its text; all begin together."""
    said: list[object] = [None] * count
    barrier = Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            said[number] = work(number)
        except StoreError as error:
            said[number] = str(error)

    threads = [Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_ten_plans_entered_at_once_have_ten_numbers_and_one_plan_entered_ten_times_one(database: Database) -> None:
    common = {"plan_path": "p", "planned": 0, "environment": "test", "because": "", "header": "{}"}

    def enter(digest: str) -> object:
        store = SqlStore("app", database.url)
        try:
            with store.connect(write=True) as connection:
                journal = Journal(store)
                journal.prepare(connection)
                return journal.start(connection, {"plan_digest": digest, **common})
        finally:
            store.close()

    each = at_once(10, lambda number: enter(f"{number:064}"))
    assert len(set(each)) == 10
    assert len(set(at_once(10, lambda _: enter("f" * 64)))) == 1
    store = SqlStore("app", database.url)
    journal = Journal(store)
    with store.connect() as connection:
        rows: Mapping[str, int] = {
            row.run_id: row.no for row in connection.execute(select(journal.run.c.run_id, journal.run.c.no))
        }
    store.close()
    assert set(each) < set(rows)
    assert sorted(rows.values()) == list(range(1, 12))


@pytest.mark.parametrize("left", ["a row without its table", "a table without its row"])
def test_what_a_crash_left_of_an_image_table_is_made_whole_or_left_alone(database: Database, left: str) -> None:
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY, v DECIMAL(12,4))"])
    store = SqlStore("app", database.url)
    journal = Journal(store)
    group = Group(check="c", repair="nullify", store="app", table="t", action="update", columns=("v",), effect="lossy")
    name = ("trueup." if database.engine == "postgresql" else "_trueup_") + "img_1"
    with store.connect(write=True) as connection:
        journal.prepare(connection)
        table = store.dialect.table(connection, "t")
        connection.rollback()
        if left == "a row without its table":
            assert journal.images(connection, table, group).name.endswith("img_1")
            connection.execute(text(f"DROP TABLE {name}"))
            connection.commit()
        else:
            connection.execute(text(f"CREATE TABLE {name} (v INT)"))
            connection.commit()
        made = journal.images(connection, table, group)
        expected = 1 if left == "a row without its table" else 2
        assert made.name.endswith(f"img_{expected}")
        assert store.dialect.kept(connection, [made.name])[made.name].columns.keys() == {c.name for c in made.columns}
        known = journal.known_images(connection, table, group)
        assert known is not None
        assert known.name == made.name
        entered = connection.execute(select(journal.image.c.k, journal.image.c.tbl)).all()
        assert [tuple(row) for row in entered] == [(expected, "t")]
        assert image_shape(store.dialect, table, group)["table"][1] == "t"
    store.close()
