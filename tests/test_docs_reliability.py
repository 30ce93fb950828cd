"""The page that promises names tests and options that are there."""

import re
from pathlib import Path

import pytest

from trueup.cli.undo import undo

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reliability.md").read_text()
TESTS = {path.name for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\btest_\w+\.py", PAGE))))
def test_every_test_that_is_named_is_there(name: str) -> None:
    assert name in TESTS


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|src)/[\w./]+)`", PAGE))))
def test_every_path_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_root_says_what_is_proven() -> None:
    table = PAGE.split("## What was believed")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| **")]
    assert len(rows) == 13
    assert all(re.search(r"test_\w+\.py", proven) for _, proven, _ in rows)


def test_options_of_undo_are_spelled_as_they_are() -> None:
    section = PAGE.split("## Undo\n")[1].split("\n## ")[0]
    known = {word for parameter in undo.params for word in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", section)) <= known


def test_no_section_is_there_twice() -> None:
    titles = re.findall(r"^#+ .*$", PAGE, re.MULTILINE)
    assert len(titles) == len(set(titles))
