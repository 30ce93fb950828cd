"""The command line from a broken shop to a mended one and back."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest

from tests.cli import shop
from tests.cli.conftest import Trueup
from trueup.cli import COMMANDS
from trueup.cli import trueup as group
from trueup.verbs import undo as verb

BROKEN = shop.TWICE + shop.NUMBERS


def test_the_whole_loop(trueup: Trueup) -> None:
    before = shop.contents()
    found = trueup("scan")
    assert found.code == 1
    assert "  15 rows of 300 (5.00 %) are broken" in found.out
    assert found.out.endswith("trueup plan -o plan.jsonl  # writes down each change, for you to read\n")
    planned = trueup("plan", "-o", "plan.jsonl")
    assert planned.code == 0
    assert planned.out.startswith("plan.jsonl: 15 changes for 15 findings\n")
    dry = trueup("apply", "plan.jsonl")
    assert dry.code == 0
    assert dry.out.startswith("dry run: nothing was written\n")
    assert dry.out.endswith("trueup apply plan.jsonl --yes  # makes these changes\n")
    assert shop.contents() == before
    assert trueup("apply", "plan.jsonl", "--yes").code == 0
    assert trueup("scan").out.startswith("healthy: 1 check over 300 rows in 1 table, ")
    assert trueup("verify", "last").out.startswith("sound: run ")
    assert trueup("undo", "last", "--preview").code == 0
    assert shop.contents() != before
    assert trueup("undo", "last", "--yes").code == 0
    assert shop.contents() == before
    assert trueup("runs").out.splitlines()[1].split()[1] == "undone"
    assert trueup("status", "last").code == 0
    assert trueup("recover").out == "nothing to recover: no run was left open\n"


def test_a_healthy_database_is_one_line_and_exit_0(trueup: Trueup) -> None:
    trueup("plan", "-o", "plan.jsonl")
    trueup("apply", "plan.jsonl", "--yes")
    told = trueup("scan")
    assert (told.code, told.out.count("\n"), told.err) == (0, 1, "")


def test_a_scan_needs_no_configuration(trueup: Trueup) -> None:
    Path("trueup.yaml").unlink()
    told = trueup("scan", shop.URL)
    assert told.code == 1
    assert told.out.startswith("app (SQLite ")
    assert told.out.endswith(
        "trueup init sqlite:///shop.db  # writes these checks to trueup.yaml, the place to go on from\n"
    )


def test_what_init_writes_is_read_back(trueup: Trueup) -> None:
    told = trueup("init", shop.URL, "--force")
    assert told.code == 0
    assert told.out == "trueup.yaml: 2 checks proposed; read it, change it, then: trueup scan\n"
    assert "  app: sqlite:///shop.db\n" in Path("trueup.yaml").read_text()
    assert trueup("scan").code == 1


def test_json_on_stdout_is_nothing_but_json(trueup: Trueup) -> None:
    told = trueup("scan", "--json", "-", "--limit", "4")
    document = json.loads(told.out)
    assert (told.code, document["findings"], len(document["checks"][0]["samples"])) == (1, BROKEN, 4)


def test_a_file_of_json_comes_beside_the_text(trueup: Trueup) -> None:
    told = trueup("scan", "--json", "scan.json")
    assert json.loads(Path("scan.json").read_text())["findings"] == BROKEN
    assert "are broken" in told.out


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_export_holds_every_finding_and_masks_values(trueup: Trueup, ending: str) -> None:
    trueup("scan", "--export", f"all.{ending}", "--limit", "1")
    text = Path(f"all.{ending}").read_text()
    assert text.count("\n") == BROKEN + (ending == "csv")
    assert "42.5" not in text
    assert "quiz_id" not in text
    assert "\x1b" not in text
    assert not list(Path().glob(".trueup-*"))


def test_values_are_shown_only_when_asked_for_and_never_as_terminal_commands(trueup: Trueup) -> None:
    assert "42.5" not in trueup("scan").out
    told = trueup("scan", "--show-values")
    assert "42.5" in told.out
    assert "\\x1b[31mnote" in told.out
    assert "\x1b" not in told.out


def test_the_limit_is_for_samples_only(trueup: Trueup) -> None:
    assert "the first 2 of 15:" in trueup("scan", "--limit", "2").out
    assert "the first 10 of 15:" in trueup("scan").out
    assert "the first" not in trueup("scan", "--limit", "0").out


def test_sql_is_statements_under_comments(trueup: Trueup) -> None:
    told = trueup("sql")
    assert told.code == 0
    assert told.out.startswith("-- metadata: ")
    assert told.out.count(";\n") >= 2


def test_a_broken_export_leaves_nothing_behind(trueup: Trueup, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    Path("all.csv").write_text("old")
    monkeypatch.setattr("trueup.verbs.scan.scan", fail)
    trueup("scan", "--export", "all.csv")
    assert Path("all.csv").read_text() == "old"
    assert not list(Path().glob(".trueup-*"))


def test_a_file_that_ends_too_early_is_no_interruption(trueup: Trueup, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise EOFError("marshal data too short")

    monkeypatch.setattr("trueup.verbs.scan.scan", fail)
    told = trueup("scan")
    assert (told.code, "interrupted" in told.err, "EOFError" in told.err) == (3, False, True), told.err


@pytest.mark.parametrize("arguments", ["scan --export a.csv", "scan --json a.json", "plan -o a.jsonl"])
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(folder: Path, arguments: str) -> None:
    before = sorted(folder.iterdir())
    told = subprocess.run(
        [sys.executable, "-m", "trueup", *arguments.split()],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)),
        # or else the bytecode of modules would be cut short, and stay so for every other test
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    # a plan is sorted in temporary files first
    what = "to stdout or to a temporary file" if "plan" in arguments else repr(arguments.rsplit(maxsplit=1)[-1])
    assert (told.returncode, told.stderr) == (3, f"trueup: cannot write {what}: File too large\n")
    assert sorted(folder.iterdir()) == before


def test_a_link_is_not_written_through(trueup: Trueup) -> None:
    Path("full.csv").symlink_to("/dev/full")
    told = trueup("scan", "--export", "full.csv")
    assert (told.code, told.err) == (
        2,
        "trueup: cannot write 'full.csv': it is a symbolic link; name the file itself\n",
    )


def test_a_device_is_written_to_and_not_replaced(trueup: Trueup) -> None:
    assert trueup("scan", "--json", os.devnull).code == 1
    assert not Path(os.devnull).is_file()


def test_the_list_of_commands_is_the_help(trueup: Trueup) -> None:
    told = trueup("--help")
    assert told.code == 0
    for name, (_, line) in COMMANDS.items():
        if name in group.list_commands(click.Context(group)):
            assert f"  {name}" in told.out
            assert line in told.out
    assert trueup().code == 2


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_every_command_explains_itself_with_an_example(trueup: Trueup, name: str) -> None:
    told = trueup(name, "--help")
    assert told.code == 0
    assert f"\nExample:\n  trueup {name} " in told.out + " " or f"\nExample:\n  trueup {name}\n" in told.out
    assert max(map(len, told.out.splitlines())) <= 100


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\nfrom trueup.cli import run\nassert run(['--help']) == 0\n"
        "print([name for name in ('sqlalchemy', 'rich', 'yaml', 'trueup.verbs') if name in sys.modules],"
        "file=sys.stderr)"
    )
    began = time.perf_counter()
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stderr == "[]\n"
    assert time.perf_counter() - began < 5  # measured at 0.07 s; the bound is for a busy machine


def test_a_reader_who_leaves_early_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m trueup scan --limit 100 --json - | head -c 1"
    told = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert told.stderr == ""


def test_the_version_is_said(trueup: Trueup) -> None:
    from trueup import __version__

    assert trueup("--version").out == f"trueup {__version__}\n"


def test_what_a_person_vouches_for_reaches_the_undo_and_the_next_command(
    trueup: Trueup, monkeypatch: pytest.MonkeyPatch
) -> None:
    trueup("plan")
    trueup("apply", "plan.jsonl", "--yes")
    given: list[tuple[object, object]] = []
    undo = verb.undo

    def watched(*arguments: Any, **options: Any) -> Any:
        given.append((options["edited"], tuple(options["same_table"])))
        return undo(*arguments, **options)

    monkeypatch.setattr("trueup.verbs.undo.undo", watched)
    told = trueup("undo", "last", "--edited", "--same-table", "events", "--same-table", "a b")
    assert "--edited --same-table events --same-table 'a b' --yes  # takes it back" in told.out
    assert "--edited" not in trueup("undo", "last").out
    done = trueup("undo", "last", "--edited", "--yes")
    assert done.out.endswith("\ntrueup scan  # shows what is broken now\n")
    assert given == [(True, ("events", "a b")), (False, ()), (True, ())]
