"""No word of the application's data is shown unless it is asked for: secrets are planted, and all output is searched.

Shown by design are only the key that addresses a row, and the column that `group_by` names. `explain` shows moments,
and values that many rows share.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from trueup import discovery
from trueup.check import Facts
from trueup.cli import run

#: Words and numbers that are in the data and nowhere else.
SECRETS = ("zorblatt", "Zorblatt", "7734077", "quxified")


@dataclass(frozen=True)
class Case:
    """Tables whose broken rows hold secrets, a check that finds them, and its repairs."""

    script: str
    check: Mapping[str, object]
    repairs: tuple[str, ...]


def people(columns: str, *rows: str) -> str:
    """A table with a column of text and one of numbers that no check is about; both hold secrets."""
    made = f"CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT, phone INT, {columns})"
    names = ", ".join(one.split()[0] for one in columns.split(", "))
    filled = f"INSERT INTO t ({names}) VALUES {', '.join(rows)}"
    return f"{made}; {filled}; UPDATE t SET note = 'zorblatt ' || id, phone = 77340770 + id;"


CASES = {
    "missing": Case(
        people("email TEXT, name TEXT", "('zorblatt1', NULL)", "('zorblatt2', ' ')"),
        {"column": "name", "blank": True, "fill": "nobody", "context": ["email", "phone"]},
        ("fill", "quarantine"),
    ),
    "orphan": Case(
        people("owner TEXT, mail TEXT", "('zorblatt1', 'zorblatt@x')", "('zorblatt2', 'y')")
        + "CREATE TABLE users (id TEXT PRIMARY KEY, mail TEXT); INSERT INTO users VALUES ('quxified', 'zorblatt@x');",
        {"column": "owner", "references": "users.id", "relink_by": {"mail": "mail"}},
        ("relink", "nullify", "quarantine"),
    ),
    "unknown-value": Case(
        people("state TEXT", "('zorblatt9')", "('OPEN')", "('open')"),
        {"column": "state", "allowed": ["open"], "context": ["note"]},
        ("respell", "nullify"),
    ),
    "out-of-range": Case(
        people("salary INT", "(77340771)", "('zorblatt')", "(5)"),
        {"column": "salary", "maximum": "100"},
        ("clamp", "nullify"),
    ),
    "duplicate": Case(
        people("email TEXT, name TEXT", "('zorblatt', 'a')", "(' Zorblatt', 'a')", "('quxified', 'b')"),
        {"columns": ["email", "name"], "ignore": ["case", "space"]},
        ("quarantine",),
    ),
    "stale-total": Case(
        people("total INT", "(7734077)", "(0)")
        + "CREATE TABLE paid (id INTEGER PRIMARY KEY, t_id INT, amount INT, payer TEXT);"
        "INSERT INTO paid VALUES (1, 1, 77340778, 'zorblatt');",
        {"column": "total", "sum_of": "paid.amount", "by": "t_id"},
        ("recompute",),
    ),
    "torn-write": Case(
        people("email TEXT, doc JSON", """('zorblatt1', '{"zorblatt": 1}'), ('zorblatt2', '{"email": "quxified"}')"""),
        {"expects": "doc.email", "from": {"doc.email": "email"}, "equals": True},
        ("restore",),
    ),
    "wrong-json-type": Case(
        people("doc JSON", """('"{\\"zorblatt\\": 1}"')""", "('7734077')", """('["zorblatt"]')""", "('zorblatt{')"),
        {"column": "doc", "expected": ["object"], "context": ["doc"]},
        ("decode", "wrap", "nullify"),
    ),
    "wrong-json-shape": Case(
        people("doc JSON", """('{"zorblatt": 1, "age": "7734077"}'), ('{"age": 1}'), ('{"age": "1"}'), ('zorblatt')"""),
        {
            "column": "doc",
            "schema": {
                "type": "object",
                "required": ["age", "name"],
                "additionalProperties": False,
                "properties": {"age": {"type": ["integer", "null"], "enum": [1, 2]}, "name": {"default": "none"}},
            },
        },
        ("fill", "decode"),
    ),
    "differs-from-backup": Case(
        people("email TEXT", "('zorblatt1')", "('zorblatt2')")
        + "CREATE TABLE old (id INTEGER PRIMARY KEY, email TEXT);"
        "INSERT INTO old VALUES (1, 'quxified'), (2, 'zorblatt2');",
        {"columns": ["email"], "copy": "old"},
        ("restore",),
    ),
}  # fmt: skip


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
    assert set(CASES) == set(discovery.names("checks"))


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


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind not in ("missing", "differs-from-backup")])
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
