"""What `init` writes is read back as the same checks, whatever the names are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.cli.init import written
from trueup.config.config import load_config

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SECRET = "postgresql://me:hunter2@db.example.com/shop"


def back(url: str, checks: list[Check], path: Path) -> tuple[str, list[Check]]:
    text = written(url, checks)
    path.write_text(text, encoding="utf-8")
    config = load_config(path, {"DATABASE_URL": url})
    assert dict(config.stores) == {"app": url}
    return text, list(config.checks)


@given(table=names, column=names, other=names, fill=st.none() | names)
def test_hostile_names_survive(
    tmp_path_factory: pytest.TempPathFactory, table: str, column: str, other: str, fill: str | None
) -> None:
    checks: list[Check] = [
        WrongJsonType(
            table=table, column=column, expected=("object", "null"), store="app", name="a",
            critical={"high": (other, "null")}, context=(other,),
        ),
        Missing(table=table, column=other, fill=fill, store="app", name="b"),
    ]  # fmt: skip
    assert back("sqlite:///shop.db", checks, tmp_path_factory.getbasetemp() / "t.yaml")[1] == checks


def test_a_password_is_never_written(tmp_path: Path) -> None:
    text, _ = back(SECRET, [], tmp_path / "t.yaml")
    assert "hunter2" not in text
    assert "  app: ${DATABASE_URL}\n" in text
    assert "environment: production\n" in text


def test_a_secret_in_the_query_is_never_written(tmp_path: Path) -> None:
    text, _ = back("postgresql://db/shop?password=hunter2", [], tmp_path / "t.yaml")
    assert "hunter2" not in text


def test_only_what_differs_from_the_defaults_is_written(tmp_path: Path) -> None:
    check = WrongJsonType(table="events", column="metadata", expected=("object",), store="app", name="m")
    text, _ = back("sqlite:///shop.db", [check], tmp_path / "t.yaml")
    # checks come last: people add theirs at the end of the file
    assert text.endswith(
        """\
strategy: {B: 1, C: 51, D: 501}

# Proposed from the catalogue and the data: delete what is not meant to hold, add what is.
checks:
  # wrong-json-type: A JSON column, or a path inside one, holds a value of another type than the application expects
  - kind: wrong-json-type
    name: m
    table: events
    column: metadata
    expected: object
"""
    )


@pytest.mark.parametrize("url", ["sqlite:///a b/#x.db", "sqlite:///C:\\shop.db", "sqlite://", "mysql://me@localhost/ä"])
def test_odd_urls_survive(tmp_path: Path, url: str) -> None:
    back(url, [], tmp_path / "t.yaml")
