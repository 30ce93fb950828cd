"""No word of the application's data is shown unless it is asked for: secrets are planted, and all output is searched.

Shown by design are only the key that addresses a row, and the column that `group_by` names. `explain` shows moments,
and values that many rows share.
"""

import importlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.planted import SECRETS, Case, people
from trueup import discovery
from trueup.check import Facts
from trueup.cli import run


def planted(kind: str) -> Case | None:
    """The case in the check's own test file, which is named as the kind is; None where there is none."""
    module = f"tests.checks.test_{kind.replace('-', '_')}"
    return getattr(importlib.import_module(module), "PLANTED", None) if find_spec(module) else None


FOUND = {kind: planted(kind) for kind, module in discovery.names("checks").items() if module.startswith("trueup.")}
CASES = {kind: case for kind, case in FOUND.items() if case is not None}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(kind: str) -> None:
    case = CASES[kind]
    with closing(sqlite3.connect("app.db")) as database:
        database.executescript(case.script)
    check = {"kind": kind, "name": "planted", "table": "t", **case.check}
    config = {"environment": "test", "stores": {"app": "sqlite:///app.db"}, "checks": [check]}
    Path("trueup.yaml").write_text(json.dumps(config))


class Reader:
    """Runs commands, and keeps all that they print or write."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys, self.shown, self.codes = capsys, dict[str, str](), dict[str, int]()

    def __call__(self, *words: str, as_: str = "") -> str:
        name = as_ or " ".join(words)
        self.capsys.readouterr()
        self.codes[name] = run(list(words))
        self.shown[name] = "".join(self.capsys.readouterr())
        return self.shown[name]

    def leaks(self) -> dict[str, list[str]]:
        """By command the lines that hold a secret."""
        found = {
            name: [line for line in text.splitlines() if any(word in line for word in SECRETS)]
            for name, text in self.shown.items()
        }
        return {name: lines for name, lines in found.items() if lines}


def look(trueup: Reader) -> None:
    """Every verb that only looks, in every format."""
    trueup("scan", "--limit", "50")
    trueup("scan", "--json", "-")
    trueup("scan", "--json", "left.json")
    trueup("compare", "left.json", "left.json")
    for name in ("csv", "jsonl", "parquet", "sarif", "xml", "github"):
        trueup("scan", "--export", f"found.{name}")
        trueup.shown[name] = exported(Path(f"found.{name}"))
    trueup("explain", "planted", "--by", "note", "--by", "phone")
    trueup("explain", "planted", "--json", "-", "--html", "explained.html")
    trueup.shown["html"] = Path("explained.html").read_text()
    trueup("sql")
    trueup("advise")
    trueup("guard", "planted")
    trueup("guard", "planted", "--apply")
    trueup("guard", "planted", "--remove")
    trueup("init", "sqlite:///app.db", "-o", "proposed.yaml")
    trueup.shown["proposed"] = Path("proposed.yaml").read_text()


def exported(path: Path) -> str:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return "\n".join(map(str, parquet.read_table(path).to_pylist()))
    return path.read_text()


def mend(trueup: Reader, repair: str) -> None:
    """The loop with one repair; between apply and undo somebody writes to each row, so that undo has conflicts."""
    plan = f"{repair}.jsonl"
    trueup(
        "plan", "-o", plan, "--repair", f"planted={repair}", "--because", "a test", "--accept-rate", "planted",
    )  # fmt: skip
    trueup.shown[plan] = Path(plan).read_text() if Path(plan).exists() else ""
    trueup("apply", plan)
    trueup("apply", plan, "--yes", as_=f"apply {repair}")
    for words in (
        ["verify", "last"], ["status", "last"], ["runs"], ["notice", plan, "--kind", "before"],
        ["notice", "last", "--kind", "after"], ["checklist", "last"], ["undo", "last", "--preview"],
    ):  # fmt: skip
        trueup(*words, as_=f"{repair}: {' '.join(words)}")
    with closing(sqlite3.connect("app.db")) as database, database:
        database.execute("UPDATE t SET note = 'zorblatt, edited' WHERE id = 1")
        database.execute("INSERT OR IGNORE INTO t (id, note) VALUES (1, 'zorblatt again'), (2, 'zorblatt again')")
    for words in (["undo", "last", "--yes"], ["status", "last"], ["verify", "last"]):
        trueup(*words, as_=f"{repair}: after an edit, {' '.join(words)}")
    trueup.shown[f"{repair}: journal"] = journal()


def journal() -> str:
    """What the journal holds beside its images, which are the old rows themselves."""
    lines: list[str] = []
    with closing(sqlite3.connect("app.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE name LIKE '%trueup%'")]
        for name in tables:
            if "_img_" not in name and not name.startswith("sqlite"):
                lines += map(str, database.execute(f'SELECT * FROM "{name}"')) if is_table(database, name) else []
    return "\n".join(lines)


def is_table(database: sqlite3.Connection, name: str) -> bool:
    (found,) = database.execute("SELECT count(*) FROM sqlite_master WHERE name = ? AND type = 'table'", (name,))
    return bool(found[0])


def test_every_kind_has_a_planted_case() -> None:
    for kind, case in FOUND.items():
        file = f"tests/checks/test_{kind.replace('-', '_')}.py"
        assert case is not None, (
            f"{file} needs a case with secrets in its broken rows: PLANTED = Case(people(columns, rows...), options, "
            "repairs), as docs/writing-a-check.md shows; both words are in tests/planted.py"
        )


@pytest.mark.parametrize("kind", CASES)
def test_no_value_of_a_row_is_shown(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(kind)
    trueup = Reader(capsys)
    look(trueup)
    assert trueup.codes["scan --limit 50"] == 1, trueup.shown["scan --limit 50"]
    before = (folder / "app.db").read_bytes()
    for repair in CASES[kind].repairs:
        (folder / "app.db").write_bytes(before)
        mend(trueup, repair)
    applied = [name for name in trueup.codes if name.startswith("apply ") and trueup.codes[name] == 0]
    assert applied, trueup.shown
    assert trueup.leaks() == {}


@pytest.mark.parametrize("kind", [kind for kind, case in CASES.items() if case.shows_values])
def test_the_planted_values_are_there_when_they_are_asked_for(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(kind)
    trueup = Reader(capsys)
    trueup("scan", "--show-values")
    assert trueup.leaks()


@pytest.fixture
def failing(folder: Path) -> Iterator[None]:
    """A repair that the database refuses, with a value in the row that it refuses."""
    script = people("state TEXT UNIQUE", "('zorblatt9')", "('OPEN')", "('open')")
    CASES["unknown-value"], kept = Case(script, CASES["unknown-value"].check, ("respell",)), CASES["unknown-value"]
    prepare("unknown-value")
    yield
    CASES["unknown-value"] = kept


@pytest.mark.usefixtures("failing")
def test_an_error_of_the_database_shows_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    trueup = Reader(capsys)
    mend(trueup, "respell")
    assert any("UNIQUE constraint failed: t.state" in text for text in trueup.shown.values())
    assert trueup.leaks() == {}


def test_a_fact_is_either_plain_or_a_value() -> None:
    with pytest.raises(ValueError, match="a fact is either plain or a value, 'x' is both"):
        Facts(plain={"x": None}, values={"x": None})  # type: ignore[dict-item]
