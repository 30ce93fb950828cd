"""`trueup guard` on the command line."""

import ast
import json

from tests.cli.conftest import Trueup


def mended(trueup: Trueup) -> None:
    assert trueup("plan", "-o", "plan.jsonl").code in (0, 1)
    assert trueup("apply", "plan.jsonl", "--yes").code == 0


def test_a_guard_is_printed_with_its_locks_and_its_way_back(trueup: Trueup) -> None:
    told = trueup("guard", "metadata")
    lines = told.out.splitlines()
    assert told.code == 0
    assert lines[0].startswith("-- trueup_guard_metadata_")
    assert lines[0].endswith(": guards the check metadata on events (sqlite, transition)")
    assert lines[1].startswith("-- note: a session with PRAGMA trusted_schema=OFF")
    assert lines[2] == "-- lock: the write lock, for milliseconds"
    assert lines[-1] == "-- not installed; 15 rows break it now"


def test_a_guard_is_installed_tried_noticed_when_gone_and_removed(trueup: Trueup) -> None:
    told = trueup("guard", "metadata", "--apply")
    assert told.code == 2
    assert told.err.startswith("trueup: 15 rows break metadata; mend them first ('trueup plan --check metadata')")
    mended(trueup)
    told = trueup("guard", "metadata", "--apply")
    first, *notes = told.out.splitlines()
    assert first == "metadata  guarded: a good update passed; a bad update was refused; a bad insert was refused"
    assert all(note.startswith("note: a session with PRAGMA trusted_schema=OFF") for note in notes)
    document = json.loads(trueup("guard", "metadata", "--json").out)
    assert (document["standing"], document["broken"]) == (True, 0)
    assert trueup("guard", "metadata", "--remove").out == "metadata  is no longer guarded\n"
    assert json.loads(trueup("guard", "metadata", "--json").out)["standing"] is False


def test_migrations_are_python_that_runs_both_ways(trueup: Trueup) -> None:
    django = ast.parse(trueup("guard", "metadata", "--format", "django").out)
    alembic = ast.parse(trueup("guard", "metadata", "--format", "alembic").out)
    functions = [node.name for node in alembic.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["upgrade", "downgrade"]
    assert any(isinstance(node, ast.ClassDef) and node.name == "Migration" for node in django.body)


def test_contradicting_options_are_one_line(trueup: Trueup) -> None:
    assert trueup("guard", "metadata", "--apply", "--remove").err == "trueup: --apply and --remove exclude each other\n"
