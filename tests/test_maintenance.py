"""Maintenance is always taken off again, and the application's own commands are kept in the run."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines import Database
from tests.proof import config_of, run_script
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.config import Config, Maintenance
from trueup.errors import Refused, StoreError, UsageError
from trueup.results import Silent
from trueup.run import make_plan, status
from trueup.verbs.apply import apply
from trueup.verbs.recover import recover

CHECK = WrongJsonType(table="events", column="metadata", expected=("object",), name="metadata", repair=("nullify",))


@pytest.fixture
def config(database: Database, tmp_path: Path) -> Config:
    run_script(
        database,
        [
            "CREATE TABLE events (id INTEGER PRIMARY KEY, metadata {JSON})",
            "INSERT INTO events VALUES (1, '{}'), (2, '42'), (3, '{}'), (4, '{}')",
        ],
    )
    return replace(config_of(database, CHECK), path=str(tmp_path / "trueup.yaml"))


def says(path: Path, word: str) -> str:
    return f"{sys.executable} -c \"open('{path}', 'a').write('{word} ')\""


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_commands_and_maintenance_are_run_in_order_and_kept(config: Config, tmp_path: Path) -> None:
    log = tmp_path / "log"
    config = replace(
        config,
        maintenance=Maintenance(on=says(log, "on"), off=says(log, "off")),
        verify=(says(log, "check"), f"{sys.executable} -c 'raise SystemExit(3)'"),
    )
    make_plan(config, str(tmp_path / "plan.jsonl"))
    run = apply(config, str(tmp_path / "plan.jsonl"), confirm="yes", maintenance=True)
    assert log.read_text() == "check on off check "
    kept = status(config, run.run_id).circumstances
    assert [(one["when"], one["exit"]) for one in kept["commands"]] == [
        ("before", 0), ("before", 3), ("after", 0), ("after", 3),
    ]  # fmt: skip
    assert kept["maintenance"]["off"] >= kept["maintenance"]["on"] > 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_flag_file_is_there_while_rows_are_written_and_gone_afterwards(config: Config, tmp_path: Path) -> None:
    flag = tmp_path / "maintenance"
    seen: list[bool] = []

    class Watching(Silent):
        def advance(self, count: int) -> None:
            seen.append(flag.exists())

    config = replace(config, maintenance=Maintenance(flag=str(flag)))
    make_plan(config, str(tmp_path / "plan.jsonl"))
    apply(config, str(tmp_path / "plan.jsonl"), confirm="yes", maintenance=True, progress=Watching())
    assert seen == [True]
    assert not flag.exists()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_maintenance_is_taken_off_when_the_plan_is_refused_or_interrupted(config: Config, tmp_path: Path) -> None:
    flag = tmp_path / "maintenance"
    config = replace(config, maintenance=Maintenance(flag=str(flag)))
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path)
    with pytest.raises(Refused):
        apply(config, path, confirm="no such word", maintenance=True)
    assert not flag.exists()

    class Impatient(Silent):
        def task(self, label: str, total: int | None) -> None:
            if label == "applying":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(config, path, confirm="yes", maintenance=True, progress=Impatient())
    assert not flag.exists()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_nothing_is_written_when_maintenance_cannot_be_put_on(config: Config, tmp_path: Path) -> None:
    config = replace(config, maintenance=Maintenance(on="false", off="true"))
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path)
    with pytest.raises(StoreError) as caught:
        apply(config, path, confirm="yes", maintenance=True)
    assert str(caught.value) == "maintenance could not be put on: 'false' exited with 1"
    with pytest.raises(UsageError, match="--maintenance needs"):
        apply(replace(config, maintenance=None), path, confirm="yes", maintenance=True)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_recover_is_an_apply_too_and_runs_the_commands_once_before_and_once_after(
    config: Config, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    class Deadly(Silent):
        def task(self, label: str, total: int | None) -> None:
            if label == "applying":
                raise Killed

    log = tmp_path / "log"
    config = replace(config, verify=(says(log, "check"),))
    make_plan(config, str(tmp_path / "plan.jsonl"))
    with pytest.raises(Killed):
        apply(config, str(tmp_path / "plan.jsonl"), confirm="yes", progress=Deadly())
    assert [run.state for run in recover(config)] == ["applying"]
    assert log.read_text() == "check "
    (run,) = recover(config, confirm="yes")
    assert (run.state, run.states, log.read_text()) == ("applied", {"applied": 1}, "check check check ")
    assert [one["when"] for one in status(config, run.run_id).circumstances["commands"]] == ["before", "after"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_is_kept_of_a_run_is_of_its_last_try(config: Config, tmp_path: Path) -> None:
    class Impatient(Silent):
        def advance(self, count: int) -> None:
            raise KeyboardInterrupt

    config = replace(config, maintenance=Maintenance(flag=str(tmp_path / "maintenance")))
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path)
    run = apply(config, path, confirm="yes", maintenance=True, progress=Impatient())
    assert (run.state, set(run.circumstances["maintenance"])) == ("stopped", {"on", "off"})
    run = apply(config, path, confirm="yes")
    assert (run.state, run.circumstances["maintenance"]) == ("applied", {})
    assert status(config, run.run_id).circumstances["maintenance"] == {}
