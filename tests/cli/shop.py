"""A small broken SQLite shop that the tests of the command line share."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

URL = "sqlite:///shop.db"
CONFIG = """\
environment: {environment}
stores:
  app: sqlite:///shop.db
checks:
  - kind: wrong-json-type
    name: metadata
    table: events
    column: metadata
    expected: object
    group_by: event_type
    critical: {{high: quiz}}
    context: note
    repair: [decode, nullify]
"""
#: Rows of `events` and how many of them are broken: encoded twice, and a number.
ROWS, TWICE, NUMBERS = 300, 12, 3


def make(folder: Path, environment: str = "test") -> None:
    """Write `shop.db` and `trueup.yaml` into `folder`."""
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, event_type TEXT, note TEXT, metadata TEXT)")
        for number in range(1, ROWS + 1):
            text = json.dumps({"quiz_id": number})
            if number % 25 == 0:
                text = json.dumps(text)
            elif number in (1, 2, 3):
                text = "42.5"
            connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?)", (number, ("quiz", "page")[number % 2], "\x1b[31mnote", text)
            )
        connection.commit()
    (folder / "trueup.yaml").write_text(CONFIG.format(environment=environment))


def contents() -> list[tuple[object, ...]]:
    """Every row, to be compared before and after."""
    with closing(sqlite3.connect("shop.db")) as connection:
        return connection.execute("SELECT id, event_type, note, metadata, typeof(metadata) FROM events").fetchall()
