"""The page of a kind is its docstring, and the example in it is true."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from trueup import discovery
from trueup.check import Check
from trueup.config.config import load_config
from trueup.run import scan

KINDS = list(discovery.names("checks"))


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    return [dedent(block) for block in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)]


def page_of(kind: str) -> str:
    """The page of a kind."""
    return dedent("    " + (discovery.load("checks", kind, Check).__doc__ or ""))


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_finds_what_its_page_says(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(kind)
    examples, numbers = blocks(page, "yaml"), re.findall(r"Finds (\d+)\.", page)
    wanted = f"the docstring of {kind} needs an example: a block of sql, one block of yaml, and `Finds 2.` once"
    assert (len(examples), len(numbers)) == (1, 1), wanted
    (checks,), (told,) = examples, numbers
    with closing(sqlite3.connect(tmp_path / "app.db")) as database:
        for script in blocks(page, "sql"):
            database.executescript(script)
    monkeypatch.chdir(tmp_path)
    text = checks if "checks:" in checks else f"checks:\n{checks}"
    Path("trueup.yaml").write_text(f"environment: test\nstores: {{app: 'sqlite:///app.db'}}\n{text}")
    found = scan(load_config("trueup.yaml"))
    assert found.findings == int(told)
    assert not [result.reason for result in found.results if result.status == "not checked"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_what_a_kind_finds_and_how_it_happens(kind: str) -> None:
    page = page_of(kind)
    assert len(page.splitlines()[0]) > 20
    assert len(page) > 300


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_named_after_its_file(kind: str) -> None:
    check = discovery.load("checks", kind, Check)
    assert check.kind == kind
    assert check.__module__ == f"trueup.checks.{kind.replace('-', '_')}"
