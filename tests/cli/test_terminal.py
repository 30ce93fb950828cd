"""On a real terminal: what is asked for, typed, and shown in colour."""

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli import shop
from trueup.cli import common

PATIENCE = 60.0
FORMATS = ("text", "json", "sarif", "github", "junit", "csv", "jsonl")


def on_a_terminal(command: str, typed: str = "", awaited: str = "") -> tuple[int, str]:
    """Run `trueup command` on a pseudo-terminal; type a line once `awaited` is shown (`{}`: what it asks for)."""
    leader, follower = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    arguments = [sys.executable, "-m", "trueup", *command.split()]
    process = subprocess.Popen(
        arguments, stdin=follower, stdout=follower, stderr=follower, env=environ, close_fds=True
    )  # fmt: skip
    os.close(follower)
    shown, deadline = "", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ready, _, _ = select.select([leader], [], [], 0.1)
        if ready:
            try:
                data = os.read(leader, 65536)
            except OSError:
                break  # Linux's way to say that the other end has closed
            if not data:
                break
            shown += data.decode()
        if awaited and (asked := re.search(awaited, shown)):
            os.write(leader, (typed.format(*asked.groups()) + "\n").encode())
            awaited = ""
    os.close(leader)
    return process.wait(PATIENCE), shown


@pytest.fixture
def production(folder: Path) -> Path:
    (folder / "trueup.yaml").write_text(shop.CONFIG.format(environment="production"))
    assert subprocess.run([sys.executable, "-m", "trueup", "plan"], capture_output=True).returncode == 0
    return folder


ASKED = r"To go on type (production:15:[0-9a-f]{8}): "


def test_production_is_confirmed_by_typing_it(production: Path) -> None:
    code, shown = on_a_terminal("apply plan.jsonl --yes", "{}", ASKED)
    assert code == 0, shown
    assert "applied" in shown


def test_anything_else_typed_changes_nothing(production: Path) -> None:
    before = shop.contents()
    code, shown = on_a_terminal("apply plan.jsonl --yes", "yes", ASKED)
    assert code == 2
    assert "trueup: that is not what was asked for; nothing was changed" in shown
    assert shop.contents() == before


def test_colours_are_for_terminals_and_for_those_who_want_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[1;31mcorrupt" in on_a_terminal("scan")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in on_a_terminal("scan")[1]
    piped = subprocess.run([sys.executable, "-m", "trueup", "scan"], capture_output=True, text=True)
    assert "\x1b" not in piped.stdout + piped.stderr


def test_quick_work_shows_no_bar_on_a_terminal(folder: Path) -> None:
    assert "━" not in on_a_terminal("scan")[1]


HOSTILE = "t\x1b]0;x\x07\x9b31m\r\u202e"


def test_what_a_name_says_is_shown_and_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("odd.db") as odd:
        odd.execute(f'CREATE TABLE "{HOSTILE}" (id INTEGER PRIMARY KEY, "{HOSTILE}" TEXT)')
        odd.execute(f'INSERT INTO "{HOSTILE}" VALUES (1, NULL)')
    odd.close()
    check = {"kind": "missing", "table": HOSTILE, "column": HOSTILE, "name": "n"}
    config = {"environment": "test", "stores": {"app": "sqlite:///odd.db"}, "checks": [check]}
    Path("trueup.yaml").write_text(json.dumps(config))
    Path(f"{HOSTILE}.py").write_text(f"def f(seen=[]):\n    seen.append('{HOSTILE}')\n")
    commands = ["sql", "advise", "guard n", "scan", "guard n --format django", "notice last"]
    for command in [*commands, *(f"lint . --no-cache --format {form}" for form in FORMATS)]:
        _, shown = on_a_terminal(command)
        assert not re.search(r"\x1b\]|\x07|\x9b|\r(?!\n)|\u202e", shown), command
    # a file is for programs: there a statement is what has to be run
    text = subprocess.run([sys.executable, "-m", "trueup", "sql"], capture_output=True).stdout.decode()
    assert HOSTILE in text
    github = [sys.executable, "-m", "trueup", "lint", ".", "--no-cache", "--format", "github"]
    assert "\x1b" not in subprocess.run(github, capture_output=True).stdout.decode()


def test_commands_write_to_the_terminal_in_one_place() -> None:
    own = {"common.py", "__init__.py"}
    others = [path for path in Path(common.__file__).parent.glob("*.py") if path.name not in own]
    assert not [path for path in others if re.search(r"click\.echo\(|stdout\.write\(|\bprint\(", path.read_text())]
