"""A repair that writes several columns of a row: its plan shows each of them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Trueup
from trueup.scan import second_look

SCRIPT = """
CREATE TABLE stays (id INTEGER PRIMARY KEY, starts TEXT, ends TEXT, note TEXT);
CREATE TABLE old (id INTEGER PRIMARY KEY, starts TEXT, ends TEXT, note TEXT);
INSERT INTO old VALUES (1, '2026-05-02', '2026-05-09', 'a'), (2, 'x', NULL, 'b');
INSERT INTO stays VALUES (1, '2026-05-09', '2026-05-2', 'a'), (2, 'xy', 'z', 'b');
"""
CONFIG = """
environment: test
stores: {app: "sqlite:///stays.db"}
checks:
  - {kind: differs-from-backup, name: back, table: stays, columns: [%s], copy: old, repair: restore}
"""


def prepare(folder: Path, columns: str) -> None:
    with closing(sqlite3.connect(folder / "stays.db")) as database:
        database.executescript(SCRIPT)
    (folder / "trueup.yaml").write_text(CONFIG % columns)


def previews(path: str) -> list[list[str]]:
    return [line["p"] for line in map(json.loads, Path(path).read_text().splitlines()) if "p" in line]


def test_a_plan_shows_each_column_that_a_repair_writes_by_its_name(trueup: Trueup, folder: Path) -> None:
    prepare(folder, "starts, ends")
    masked = trueup("plan", "-o", "plan.jsonl")
    assert previews("plan.jsonl") == [
        ["starts 10 characters, ends 9 characters", "starts 10 characters, ends 10 characters"],
        ["starts 2 characters, ends 1 character", "starts 1 character, ends NULL"],
    ]
    assert (
        "    1  starts 10 characters, ends 9 characters  →  starts 10 characters, ends 10 characters\n"
        "    2  starts 2 characters, ends 1 character    →  starts 1 character, ends NULL\n"
    ) in masked.out
    shown = trueup("plan", "-o", "shown.jsonl", "--show-values")
    assert previews("shown.jsonl") == [
        ["starts 2026-05-09, ends 2026-05-2", "starts 2026-05-02, ends 2026-05-09"],
        ["starts xy, ends z", "starts x, ends NULL"],
    ]
    assert "    1  starts 2026-05-09, ends 2026-05-2  →  starts 2026-05-02, ends 2026-05-09\n" in shown.out
    assert trueup("apply", "plan.jsonl", "--yes").code == 0
    assert trueup("scan").code == 0


def test_a_plan_shows_the_value_alone_where_a_repair_writes_one_column(trueup: Trueup, folder: Path) -> None:
    prepare(folder, "ends")
    trueup("plan", "-o", "plan.jsonl", "--show-values")
    assert previews("plan.jsonl") == [["2026-05-2", "2026-05-09"], ["z", "NULL"]]


def test_a_plan_says_how_many_columns_it_does_not_show(
    trueup: Trueup, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_look, "PREVIEWED", 1)
    prepare(folder, "starts, ends, note")
    trueup("plan", "-o", "plan.jsonl")
    assert previews("plan.jsonl")[1] == ["starts 2 characters, and 2 more", "starts 1 character, and 2 more"]
