"""The check of docs/writing-a-check.md runs as the page says: as a distribution of its own, through the whole loop."""

import json
import re
import shlex
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from tests.distribution import lay_down, python, trueup
from trueup.check import Check, RowCheck

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "writing-a-check.md").read_text()

#: Runs each command of the page, then the test of the page on an empty database.
DRIVER = """
import importlib.util, json, sys
from trueup.cli import run
codes = [run(words) for words in json.loads(sys.argv[1])]
from tests.engines import Database
spec = importlib.util.spec_from_file_location("of_the_page", "test_reversed_period.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.test_a_period_that_ends_before_it_begins(Database("sqlite", "sqlite:///proof.db"))
from tests.planted import SECRETS, Case
from trueup.config.config import build_check
planted = dict()
exec(open("planted.py").read(), planted)
build_check("reversed-period", {"table": "t", **planted["PLANTED"].check})
assert any(word in planted["PLANTED"].script for word in SECRETS)
print("CODES", codes)
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def distribution(tmp_path: Path) -> Path:
    """The package of the page and its entry points, as an installer would lay them down."""
    check, test, planted = blocks("python")
    files = {
        "acme_checks/__init__.py": "",
        "acme_checks/reversed_period.py": check,
        "test_reversed_period.py": test,
        "planted.py": planted,
        "trueup.yaml": blocks("yaml")[0],
    }
    lay_down(tmp_path, files, tomllib.loads(blocks("toml")[0])["project"]["entry-points"])
    with closing(sqlite3.connect(tmp_path / "app.db")) as database:
        database.executescript(blocks("sql")[0])
    return tmp_path


def rows(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "app.db")) as database:
        return database.execute("SELECT * FROM bookings ORDER BY id").fetchall()


def test_the_check_of_the_page_goes_through_the_loop(distribution: Path) -> None:
    before = rows(distribution)
    commands = [shlex.split(line)[1:] for line in blocks("sh")[0].splitlines()]
    assert [words[0] for words in commands] == ["scan", "plan", "apply", "verify", "undo"]
    commands.insert(1, ["scan", "--show-values"])
    done = python(distribution, "-c", DRIVER, json.dumps(commands))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CODES [1, 1, 0, 0, 0, 0]" in done.stdout
    assert "bookings.departure is before arrival\n" in re.sub(" +\n", "\n", done.stdout)
    assert "bookings.departure is 2026-05-02, before arrival 2026-05-09" in done.stdout
    assert "swap" in done.stdout
    assert rows(distribution) == before


def test_what_breaks_a_row_of_the_page_is_refused_by_its_guard(distribution: Path) -> None:
    with closing(sqlite3.connect(distribution / "app.db")) as database, database:
        database.execute("DELETE FROM bookings WHERE id = 2")
    found = trueup(distribution, "guard", "stays", "--apply")
    assert found.returncode == 0, found.stderr
    assert "not tried" not in found.stdout
    with closing(sqlite3.connect(distribution / "app.db")) as database, pytest.raises(sqlite3.IntegrityError):
        database.execute("UPDATE bookings SET departure = '2026-04-30' WHERE id = 1")


def test_columns_of_the_page_that_cannot_be_compared_are_not_checked(distribution: Path) -> None:
    with closing(sqlite3.connect(distribution / "app.db")) as database:
        database.executescript("ALTER TABLE bookings DROP COLUMN departure; ALTER TABLE bookings ADD departure INT")
    found = trueup(distribution, "scan")
    assert found.returncode == 3, found.stdout + found.stderr
    assert "stays cannot compare arrival with departure: their types differ" in found.stdout + found.stderr
    assert "healthy:" not in found.stdout


def test_equal_columns_of_the_page_are_refused_with_the_line(distribution: Path) -> None:
    path = distribution / "trueup.yaml"
    path.write_text(path.read_text().replace("ends: departure", "ends: arrival"))
    found = trueup(distribution, "scan")
    told = "reversed-period needs two columns; 'starts' and 'ends' are both 'arrival'"
    assert (found.returncode, found.stderr) == (2, f"trueup: trueup.yaml:5: {told}\n")


def test_the_page_names_every_method_of_the_contract() -> None:
    ours = {name for kind in (Check, RowCheck) for name, part in vars(kind).items() if not name.startswith("_")}
    for_authors = ours - {"kind", "title", "group_of", "chosen", "message_covers"} - set(Check.__dataclass_fields__)
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert for_authors <= named
    table = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert table <= for_authors
