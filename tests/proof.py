"""One call that takes a check through the whole loop on a real database: find, plan, apply, verify, undo, compare."""

import atexit
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, select

from tests.engines import Database
from tests.rowhash import Image, changed_rows, execute, row_hashes
from trueup.check import Check
from trueup.config.config import Config
from trueup.findings import Finding, Record
from trueup.results import CheckResult, RunReport, Scan
from trueup.run import apply, make_plan, scan, undo, verify
from trueup.stores.sql import SqlDatabase
from trueup.verbs._opened import opened

#: Words of a script that each engine spells in its own way.
TYPES: Mapping[str, Mapping[str, str]] = {
    "sqlite": {"JSON": "TEXT", "TEXT_KEY": "TEXT", "DOUBLE": "REAL", "TIMESTAMP": "TIMESTAMP"},
    "postgresql": {"JSON": "JSONB", "TEXT_KEY": "TEXT", "DOUBLE": "DOUBLE PRECISION", "TIMESTAMP": "TIMESTAMP"},
    "mysql": {
        "JSON": "JSON",
        "TEXT_KEY": "VARCHAR(100) CHARACTER SET utf8mb4",
        "DOUBLE": "DOUBLE",
        "TIMESTAMP": "DATETIME",
    },
    "mariadb": {
        "JSON": "JSON",
        "TEXT_KEY": "VARCHAR(100) CHARACTER SET utf8mb4",
        "DOUBLE": "DOUBLE",
        "TIMESTAMP": "DATETIME",
    },
}

#: Where records of investigations and the like are kept, so that tests leave nothing in the folder they run in.
RECORDS = tempfile.TemporaryDirectory(prefix="trueup-records-")
atexit.register(RECORDS.cleanup)

Script = Sequence[str] | Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Proof:
    """What `prove` saw: the scan's result, each finding by key (values shown and masked), and the runs by repair."""

    result: CheckResult
    findings: Mapping[str, Finding]
    masked: Mapping[str, Finding]
    runs: Mapping[str, RunReport] = field(default_factory=dict)

    def messages(self) -> dict[str, str]:
        """The sentence of each finding, values shown, by key."""
        return {key: finding.message for key, finding in self.findings.items()}

    def masked_messages(self) -> dict[str, str]:
        """The sentence of each finding as anyone may read it, by key."""
        return {key: finding.message for key, finding in self.masked.items()}


def prove(
    check: Check,
    database: Database,
    script: Script,
    *,
    broken: Iterable[Any],
    repairs: Mapping[str, Iterable[Any]] | None = None,
    mended: Mapping[str, Mapping[Any, Any]] | None = None,
) -> Proof:
    """Run `script` on the empty `database` and prove `check` on it.

    The scan must find exactly the rows `broken` (keys; the parts of a composite key joined by `/`). For each of
    `repairs`, the plan must mend exactly the rows named (the others are left to a person), apply must change those
    rows and no other, verify must find it sound, and undo must give back every byte. `mended` names, for a repair, a
    column's value after it by column and key, `{"decode": {("metadata", 3): {"a": 1}}}`: text is compared as it is,
    None with NULL, anything else as JSON. A lossless repair of several columns needs it: that they were swapped, say,
    and not both set to one of them is nothing that the other comparisons see.
    """
    run_script(database, script)
    config = config_of(database, check)
    keys = {_key(key) for key in broken}
    shown, masked = _scan(config, values=True), _scan(config, values=False)
    assert set(shown[1]) == keys, f"found {sorted(shown[1])}, expected {sorted(keys)}"
    assert set(masked[1]) == keys
    assert shown[0].exit_code == (1 if keys else 0)
    proof = Proof(shown[0].results[0], shown[1], masked[1])
    assert proof.result.findings == len(keys)
    _never_null(config)
    mends = {repair: {_key(key) for key in wanted} for repair, wanted in (repairs or {}).items()}
    _demand_mended(config, {repair for repair, wanted in mends.items() if wanted}, mended or {})
    runs = {
        repair: _loop(config, database, repair, wanted, keys, (mended or {}).get(repair, {}))
        for repair, wanted in mends.items()
    }
    return replace(proof, runs=runs)


def run_script(database: Database, script: Script) -> None:
    """Run a script: statements for every engine, or those of this one; `{JSON}` and the like become its types."""
    statements = script[database.engine] if isinstance(script, Mapping) else script
    types = TYPES[database.engine]
    execute(database, (_spelled(statement, types) for statement in statements))


def _spelled(statement: str, types: Mapping[str, str]) -> str:
    for word, spelled in types.items():
        statement = statement.replace("{" + word + "}", spelled)
    return statement


def config_of(database: Database, *checks: Check) -> Config:
    """A configuration of these checks, for an environment that does not ask for much."""
    thresholds = {"B": 1, "C": 51, "D": 501}
    return Config(
        environment="test",
        stores={"app": database.url},
        checks=checks,
        strategy=thresholds,
        path=f"{RECORDS.name}/trueup.yaml",
    )


def _key(key: Any) -> str:
    return "/".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


def _scan(config: Config, *, values: bool) -> tuple[Scan, dict[str, Finding]]:
    found: list[Finding] = []
    told = scan(config, values=values, sink=found.append)
    (result,) = told.results
    assert result.status != "not checked", result.reason
    by_key: dict[str, Finding] = {}
    for finding in found:
        assert isinstance(finding.where, Record)
        by_key[_key(finding.where.key)] = finding
    assert len(by_key) == len(found), "a row was found twice"
    return told, by_key


def _never_null(config: Config) -> None:
    """Demand that `holds` is true or false of every row, and `fits` of every broken one: NULL is in no count."""
    (check,) = config.checks
    wrap = "wrap it in func.coalesce(..., false())"
    with opened(config) as store, store.connect() as connection:
        database = SqlDatabase(store, connection)
        broken = check.broken(database)
        unsure = _nulls(database, broken.row.relation, check.holds(broken.row))
        assert not unsure, f"holds is NULL for {unsure} rows; {wrap}"
        for repair in check.repairs():
            unsure = _nulls(database, broken.source, repair.fits(broken.row), broken.where)
            assert not unsure, f"fits of {repair.name} is NULL for {unsure} broken rows; {wrap}"


def _nulls(database: SqlDatabase, source: FromClause, said: ColumnElement[bool], *where: ColumnElement[bool]) -> int:
    rows = select(said.label("said")).select_from(source).where(*where).subquery()
    return int(database.ask(select(func.count()).select_from(rows).where(rows.c.said.is_(None)))[0][0])


def _demand_mended(config: Config, repairs: set[str], mended: Mapping[str, object]) -> None:
    """Demand to be told what a lossless repair leaves, where it writes several columns."""
    (check,) = config.checks
    with opened(config) as store, store.connect() as connection:
        row = SqlDatabase(store, connection).row(check.table)
        for repair in check.repairs():
            several = repair.effect == "lossless" and len(repair.sets(row)) > 1
            told = repair.name not in repairs or repair.name in mended
            assert told or not several, f"{repair.name} writes several columns; say what it leaves: mended={{...}}"


def _loop(
    config: Config, database: Database, repair: str, wanted: set[str], broken: set[str], mended: Mapping[Any, Any]
) -> RunReport:
    """One repair there and back."""
    (check,) = config.checks
    before = row_hashes(database)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "plan.jsonl")
        # the tables of a test are small: that most of their rows are broken says nothing
        plan = make_plan(config, path, repairs={check.title: repair}, because="a test", accept_rate=[check.title])
        left = sum(one.count for one in plan.summary.left)
        reasons = "; ".join(one.reason for one in plan.summary.left)
        assert (plan.summary.count, left) == (len(wanted), len(broken) - len(wanted)), reasons
        assert _same(before, row_hashes(database)), "a plan wrote"
        if not wanted:
            return RunReport(run_id="", store="", state="", environment="", plan_digest="", planned=0, states={})
        run = apply(config, path, confirm="yes", because="a test")
    assert run.state == "applied", run.reason
    assert run.states == {"applied": len(wanted)}, [one.reason for one in run.listed]
    after = row_hashes(database)
    assert changed_rows(before, after) == {check.table: wanted}
    _read_back(database, check.table, mended)
    seen = verify(config, run.run_id)
    assert seen.sound, seen.problems
    assert (seen.intact, seen.changed_since) == (len(wanted), 0)
    _, still = _scan(config, values=False)
    assert set(still) == broken - wanted, "the next scan disagrees with the repair"
    back = undo(config, run.run_id, confirm="yes")
    assert back.states == {"undone": len(wanted)}, [one.reason for one in back.listed]
    assert _same(before, row_hashes(database)), f"undo left {changed_rows(before, row_hashes(database))}"
    return run


def _same(before: Image, after: Image) -> bool:
    return not changed_rows(before, after)


def _read_back(database: Database, table: str, mended: Mapping[Any, Any]) -> None:
    """Compare columns with what a repair should have left there, read as text by a plain connection."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    url = make_url(database.url)
    drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
    engine = create_engine(url.set(drivername=drivers.get(database.engine, "sqlite")))
    try:
        with engine.connect() as connection:
            for (column, key), value in mended.items():
                cast = "CHAR" if database.engine in ("mysql", "mariadb") else "TEXT"
                statement = text(f"SELECT CAST({column} AS {cast}) FROM {table} WHERE id = :key")
                found = connection.execute(statement, {"key": key}).scalar_one()
                read = found if value is None or isinstance(value, str) else json.loads(found)
                assert read == value, f"{table}.{column} of row {key} is {found!r}, not {value!r}"
    finally:
        engine.dispose()
