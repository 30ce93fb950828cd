"""What strategies C and D ask for in production, and that nothing else opens them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import clients
from tests.engines import Database
from tests.proof import config_of, run_script
from tests.rowhash import execute, row_hashes
from trueup.backup.backup import read_record, write_record
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.config import Config
from trueup.errors import Refused
from trueup.results import Preview
from trueup.run import make_plan, read_plan, scan, undo
from trueup.verbs.apply import apply
from trueup.verbs.backup import backup
from trueup.verbs.explain import explain
from trueup.verbs.exported import exported
from trueup.verbs.rehearse import rehearse

CHECK = WrongJsonType(table="events", column="metadata", expected=("object",), name="metadata", repair=("nullify",))


def production(database: Database, folder: Path, broken: int, **thresholds: int) -> Config:
    rows = ", ".join(f"({n}, 'web', '{42 if n <= broken else '{}'}')" for n in range(1, 61))
    run_script(
        database,
        [
            "CREATE TABLE events (id INTEGER PRIMARY KEY, source VARCHAR(20), metadata {JSON})",
            f"INSERT INTO events VALUES {rows}",
        ],
    )
    config = config_of(database, CHECK)
    path = str(folder / "trueup.yaml")
    return replace(config, environment="production", strategy={"B": 1, "C": 3, "D": 6, **thresholds}, path=path)


def planned(config: Config, folder: Path) -> tuple[str, Preview, str]:
    path = str(folder / "plan.jsonl")
    preview = make_plan(config, path)
    return path, preview, f"production:{preview.summary.count}:{preview.summary.digest[:8]}"


def export(config: Config, folder: Path) -> Path:
    path = folder / "broken.jsonl"
    path.write_text("rows\n")
    exported(config, scan(config), str(path))
    return path


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_strategy_c_lists_what_is_missing_with_what_supplies_it(database: Database, tmp_path: Path) -> None:
    config = production(database, tmp_path, 4)
    path, preview, word = planned(config, tmp_path)
    assert preview.summary.letter == "C"
    before = row_hashes(database)
    with pytest.raises(Refused) as caught:
        apply(config, path, confirm=word)
    assert str(caught.value) == (
        "strategy C (many rows: find where they come from first, keep a copy of them, then clean up) needs "
        "a reason that stays with the run (--because 'TEXT'); the investigation of metadata (trueup explain metadata); "
        "the exported rows (trueup scan --export broken.jsonl)"
    )
    explain(config, "metadata")
    file = export(config, tmp_path)
    file.write_text("other rows\n")
    with pytest.raises(Refused, match="needs the exported rows"):
        apply(config, path, confirm=word, because="the importer")
    export(config, tmp_path)
    assert row_hashes(database) == before
    assert apply(config, path, confirm=word, because="the importer").states == {"applied": 4}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_export_of_fewer_rows_than_the_plan_has_does_not_count(database: Database, tmp_path: Path) -> None:
    config = production(database, tmp_path, 4)
    explain(config, "metadata")
    export(config, tmp_path)
    execute(database, ["UPDATE events SET metadata = '7' WHERE id = 50"])
    path, _, word = planned(config, tmp_path)
    with pytest.raises(Refused, match=r"needs the investigation of metadata .*; the exported rows"):
        apply(config, path, confirm=word, because="the importer")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_outside_of_production_a_reason_is_enough(database: Database, tmp_path: Path) -> None:
    config = replace(production(database, tmp_path, 7), environment="test")
    path, preview, _ = planned(config, tmp_path)
    assert preview.summary.letter == "D"
    with pytest.raises(Refused, match=r"needs a reason that stays with the run \(--because 'TEXT'\)$"):
        apply(config, path, confirm="yes")
    assert apply(config, path, confirm="yes", because="a test").states == {"applied": 7}


@pytest.mark.quick_on("sqlite")
def test_strategy_d_opens_step_by_step_on_every_engine(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.offer(database.engine, tmp_path, monkeypatch)
    config = production(database, tmp_path, 8)
    path, preview, word = planned(config, tmp_path)
    assert preview.summary.letter == "D"
    given: dict[str, Any] = {
        "because": "broken import",
        "root_cause": "the importer of 3 November",
        "approved_by": "Ann",
    }
    before = row_hashes(database)

    def missing() -> str:
        with pytest.raises(Refused) as caught:
            apply(config, path, confirm=word, **given)
        return str(caught.value).partition(" needs ")[2]

    explain(config, "metadata")
    export(config, tmp_path)
    assert missing() == (
        "a verified backup younger than 24 hours (trueup backup); a rehearsal of this plan (trueup rehearse PLAN)"
    )
    with pytest.raises(Refused, match="there is no backup of this database to rehearse on"):
        rehearse(config, path)
    record = backup(config, folder=str(tmp_path / "backups"))
    assert missing() == "a rehearsal of this plan (trueup rehearse PLAN)"
    shown = rehearse(config, path)
    assert shown.problems == ()
    assert (shown.applied.states, shown.intact, shown.undone.states) == ({"applied": 8}, 8, {"undone": 8})
    assert row_hashes(database) == before, "a rehearsal wrote to the application's own database"
    # the record is believed only as far as the file
    known = Path(record.file).read_bytes()
    Path(record.file).write_bytes(known[:-1] + bytes([known[-1] ^ 1]))
    assert missing() == "a verified backup younger than 24 hours (trueup backup)"
    Path(record.file).write_bytes(known)
    write_record(replace(record, taken=record.taken - 25 * 3600))
    assert missing() == "a verified backup younger than 24 hours (trueup backup)"
    write_record(record)
    assert read_record(record.file) == record
    run = apply(config, path, confirm=word, **given)
    assert run.states == {"applied": 8}
    assert (run.circumstances["letter"], run.circumstances["root_cause"], run.circumstances["approved_by"]) == (
        "D",
        "the importer of 3 November",
        "Ann",
    )
    back = f"production:8:{read_plan(path).summary.digest[:8]}"
    assert undo(config, run.run_id, confirm=back).states == {"undone": 8}
    assert row_hashes(database) == before


def test_a_backup_of_another_database_opens_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.engine != "sqlite":
        pytest.skip("one engine says it")
    config = production(database, tmp_path, 8)
    path, _, word = planned(config, tmp_path)
    other = Database("sqlite", f"sqlite:///{tmp_path}/other.db")
    Path(other.path).touch()
    elsewhere = replace(config, stores={"app": other.url})
    run_script(other, ["CREATE TABLE events (id INTEGER PRIMARY KEY, source VARCHAR(20), metadata {JSON})"])
    backup(elsewhere, folder=str(tmp_path / "backups"))
    with pytest.raises(Refused, match="a verified backup younger than 24 hours"):
        apply(config, path, confirm=word, because="x", root_cause="y", approved_by="z")
