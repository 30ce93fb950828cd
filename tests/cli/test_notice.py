"""`trueup compare`, `notice` and `checklist` on the command line."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli import shop
from tests.cli.conftest import Trueup


def applied(trueup: Trueup) -> None:
    trueup("plan", "-o", "plan.jsonl")
    assert trueup("apply", "plan.jsonl", "--yes", "--because", "the importer of 3 November").code == 0


def test_two_environments_are_compared_side_by_side(trueup: Trueup, folder: Path) -> None:
    trueup("scan", "--json", "local.json")
    with closing(sqlite3.connect("shop.db")) as connection:
        connection.execute("UPDATE events SET metadata = '[]' WHERE id = 77")
        connection.commit()
    (folder / "trueup.yaml").write_text(shop.CONFIG.format(environment="production"))
    trueup("scan", "--json", "production.json")
    told = trueup("compare", "local.json", "production.json")
    assert told.code == 1
    lines = told.out.splitlines()
    assert lines[0] == "metadata  events  not the same"
    assert lines[1].split() == ["test", "production"]
    assert [line.split() for line in lines if line.split()[:1] in (["broken"], ["array"], ["string"])] == [
        ["broken", "15", "16"],
        ["string", "12", "12"],
        ["array", "0", "1"],
    ]
    document = json.loads(trueup("compare", "local.json", "production.json", "--json").out)
    assert (document["left"], document["right"]) == ("test", "production")
    assert trueup("compare", "local.json", "local.json").code == 0


def test_a_file_that_is_no_scan_is_one_line(trueup: Trueup, folder: Path) -> None:
    (folder / "x.json").write_text("[]")
    assert trueup("compare", "x.json", "y.json").err == ("trueup: 'x.json' is no document of 'trueup scan --json'\n")


def test_a_notice_before_is_made_of_a_plan(trueup: Trueup) -> None:
    trueup("plan", "-o", "plan.jsonl", "--because", "the importer")
    told = trueup("notice", "plan.jsonl", "--kind", "before")
    assert told.code == 0
    assert told.out.splitlines()[:3] == [
        "# Planned data repair in test",
        "",
        "**What:** 15 rows of events hold values that break metadata. They will be repaired (decode, nullify).",
    ]
    assert "the importer" in told.out


def test_notices_after_and_rollback_are_filled_in_from_the_run(trueup: Trueup) -> None:
    applied(trueup)
    assert trueup("notice", "last", "--kind", "rollback").err.endswith("is applied; it has not been taken back\n")
    told = trueup("notice", "last", "--kind", "after")
    assert "15 of 15 planned changes to events" in told.out
    assert "not verified yet." in told.out
    trueup("verify", "last")
    assert "every change was read again, and the journal is whole." in trueup("notice", "last", "--kind", "after").out
    trueup("undo", "last", "--yes")
    plain = trueup("notice", "last", "--kind", "rollback", "--format", "txt").out
    assert plain.splitlines()[0] == "DATA REPAIR IN TEST TAKEN BACK"
    assert "15 of the changes of run" in plain


def test_what_gave_nothing_back_does_not_say_that_it_did(trueup: Trueup) -> None:
    applied(trueup)
    with closing(sqlite3.connect("shop.db")) as connection:
        connection.execute("UPDATE events SET metadata = 'theirs'")
        connection.commit()
    assert trueup("undo", "last", "--yes").code == 1
    plain = trueup("notice", "last", "--kind", "rollback", "--format", "txt").out
    assert "0 of the changes" in plain
    assert "15 rows that the application has written since keep what it wrote" in plain
    assert "hold again" not in plain
    assert "State now: nothing was given back; no row is other than it was before." in plain
    assert "[ ] 0 rows were given back  (15 keep what they hold)" in trueup("checklist", "last").out


def test_a_run_of_another_environment_is_taken_back_as_this_one_demands(trueup: Trueup, folder: Path) -> None:
    applied(trueup)
    text = (folder / "trueup.yaml").read_text()
    (folder / "trueup.yaml").write_text(text.replace("environment: test", "environment: production"))
    told = trueup("undo", "last", "--yes")
    assert (told.code, "--yes is not enough; type --confirm production:15:" in told.err) == (2, True)


def test_a_team_can_replace_a_template(trueup: Trueup, folder: Path) -> None:
    (folder / "ours").mkdir()
    (folder / "ours" / "after.md").write_text("Dear all, {{ run.applied }} rows of {{ run.tables[0] }} are mended.\n")
    with (folder / "trueup.yaml").open("a") as file:
        file.write("notices: ours\n")
    applied(trueup)
    assert trueup("notice", "last", "--kind", "after").out == "Dear all, 15 rows of events are mended.\n"
    (folder / "ours" / "after.md").write_text("{{ run.nonsense }}")
    told = trueup("notice", "last", "--kind", "after")
    assert (told.code, told.err[:58]) == (2, "trueup: the template after.md cannot be filled in: 'trueup")


def ticks(trueup: Trueup) -> dict[str, bool]:
    document = json.loads(trueup("checklist", "last", "--json").out)
    return {box["text"]: box["done"] for box in document["boxes"]}


def test_the_checklist_ticks_only_what_is_proven(trueup: Trueup, folder: Path) -> None:
    trueup("explain", "metadata")
    applied(trueup)
    # looking again, when all is mended, takes nothing away from what was seen before
    trueup("explain", "metadata")
    seen = ticks(trueup)
    assert seen["the investigation of metadata"]
    assert seen["15 changes were carried out to the end"]
    assert seen["metadata finds nothing now"]
    assert seen["the cause is stated"]
    open_boxes = {text for text, done in seen.items() if not done}
    assert open_boxes == {
        "the exported rows", "a verified backup younger than 24 hours",
        "a rehearsal of this plan", "the root cause is stated", "it was approved",
        "every row was read again, and the journal is whole", "metadata is guarded",
    }  # fmt: skip
    trueup("verify", "last")
    trueup("guard", "metadata", "--apply")
    trueup("backup")
    now = ticks(trueup)
    assert open_boxes - {text for text, done in now.items() if not done} == {
        "a verified backup younger than 24 hours", "metadata is guarded",
        "every row was read again, and the journal is whole",
    }  # fmt: skip
    with closing(sqlite3.connect("shop.db")) as connection:
        connection.execute("DROP TRIGGER " + _guard(connection))
        connection.commit()
    assert not ticks(trueup)["metadata is guarded"]
    told = trueup("checklist", "last")
    assert told.code == 1
    assert "  [ ] metadata is guarded  (trueup guard metadata --apply)" in told.out


def _guard(connection: sqlite3.Connection) -> str:
    name: str = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger' LIMIT 1").fetchone()[0]
    return name


def test_a_backup_is_told_in_two_lines(trueup: Trueup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # the folder of a test may have a long name
    told = trueup("backup", "-o", "kept")
    assert told.code == 0
    first, second = told.out.splitlines()
    assert "1 table, 300 rows, " in first
    assert second.startswith("verified  restored into a scratch database: every table has its shape")
    assert trueup("backup", "--verify", "nothing.db").err.startswith("trueup: there is no record of a backup at")
