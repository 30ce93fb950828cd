"""`trueup demo`: a small broken application in SQLite, and the whole loop on it, told step by step."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli.common import Command, say
from trueup.errors import StoreError, UsageError
from trueup.output import folder, write

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = ("shop.db", "trueup.yaml", "plan.jsonl", "plan-again.jsonl", "findings.csv")

CONFIG = """\
environment: staging
stores:
  app: sqlite:///shop.db
checks:
  - kind: wrong-json-type
    name: metadata-holds-an-object
    table: events
    column: metadata
    expected: object
    group_by: event_type
    critical: {high: [quiz_completed], low: [content_viewed]}
    context: [created_at]
    repair: [decode, nullify]
  - kind: orphan
    name: events-have-users
    table: events
    column: user_id
    references: users.id
  - kind: out-of-range
    name: score-is-a-percentage
    table: events
    column: score
    minimum: 0
    maximum: 100
    repair: [clamp]
"""

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), event_type TEXT NOT NULL,
    created_at TEXT NOT NULL, score INTEGER, metadata TEXT
);
"""
EVENTS = 5000
#: What an importer left in the column that should hold an object: encoded twice, a number, a list, JSON null.
DAMAGE = (json.dumps('{"quiz_id": 7, "correct": true}'), "42.5", "[7, true]", "null")


@click.command(
    cls=Command,
    epilog="""
    trueup demo              in a new folder, trueup-demo
    trueup demo /tmp/shop    in a folder of your choice
    """,
)
@click.argument("directory", metavar="[DIR]", default="trueup-demo")
def demo(directory: str) -> int:
    """Break a small application, then find, plan, mend, prove and undo, each step explained.

    Everything happens in DIR, on SQLite, with the commands as you would type them; nothing else is touched.
    """
    where = prepare(Path(directory))
    with inside(where):
        Story(where).tell()
    return 0


def prepare(where: Path) -> Path:
    """An empty folder, or one that an earlier demo filled. Raises `UsageError` for any other."""
    if where.exists() and not where.is_dir():
        raise UsageError(f"{str(where)!r} is a file; name a folder for the demo")
    try:
        folder(where)
        strangers = sorted(path.name for path in where.iterdir() if path.name not in FILES)
        if strangers:
            raise UsageError(f"{str(where)!r} holds {strangers[0]!r}; name an empty folder for the demo")
        for path in where.iterdir():
            path.unlink()
        write(where / "trueup.yaml", CONFIG)
        build(where / "shop.db")
    except OSError as error:
        raise StoreError(f"cannot use {str(where)!r} for the demo: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"cannot use {str(where)!r} for the demo: that is no name of a folder") from None
    return where


def build(path: Path) -> None:
    """The application's database, with the damage that a bad importer did on one night."""
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.executescript(SCHEMA)
        shop.executemany("INSERT INTO users VALUES (?, ?)", [(i, f"user {i}") for i in range(1, 201)])
        kinds = ("content_viewed", "quiz_started", "quiz_completed")
        rows = [
            (
                i,
                1 + i * 7 % 200,
                kinds[i % 3],
                f"2026-11-{1 + i % 20:02} 09:{i % 60:02}:00",
                i % 101,
                json.dumps({"quiz_id": i % 29, "correct": i % 2 == 0}) if i % 12 else None,
            )
            for i in range(1, EVENTS + 1)
        ]
        shop.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
        shop.executemany(
            "UPDATE events SET metadata = ? WHERE id = ?", [(DAMAGE[i % 4], 3000 + 2 * i) for i in range(64)]
        )
        shop.executemany("UPDATE events SET user_id = ? WHERE id = ?", [(900 + i, 3001 + 40 * i) for i in range(9)])
        shop.executemany("UPDATE events SET score = ? WHERE id = ?", [(1000 + i, 4500 + i) for i in range(3)])


@contextmanager
def inside(where: Path) -> Iterator[None]:
    """Work in a folder, as a reader who types the commands would."""
    before = Path.cwd()
    os.chdir(where)
    try:
        yield
    finally:
        os.chdir(before)


class Story:
    """Says what comes, shows the command, runs it."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.chapter = 0

    def say(self, text: str) -> None:
        """A numbered paragraph."""
        self.chapter += 1
        say("")
        click.secho(f"{self.chapter}. {text}", bold=True)

    def run(self, *args: str, expected: int = 0) -> None:
        """Show a command and run it. Raises `StoreError` when it ends otherwise than the story says."""
        from trueup.cli import run

        quoted = " ".join(f"'{arg}'" if " " in arg else arg for arg in args)
        click.secho(f"\n$ trueup {quoted}", fg="cyan")
        code = run(list(args))
        if code != expected:
            raise StoreError(f"the demo stopped: trueup {args[0]} ended with {code}, not {expected}")

    def application(self, statement: str, told: str) -> None:
        """What the live application writes meanwhile."""
        with closing(sqlite3.connect("shop.db")) as shop, shop:
            shop.execute(statement)
        say(f"\n  (meanwhile the application writes: {told})")

    def tell(self) -> None:
        """The whole loop."""
        say(f"A small learning platform lives in {self.where}/shop.db. One night an importer went wrong.")
        self.say("What is broken? A scan reads, and never writes. It ends with 1, as there are findings.")
        self.run("scan", "--limit", "3", "--export", "findings.csv", expected=1)
        self.say(
            "What would mend it? A plan writes each change down, before and after, and changes nothing. "
            "So many rows are strategy C: it wants to know the cause, and keeps it with the run."
        )
        self.run("plan", "-o", "plan.jsonl", "--because", "the importer of 3 November")
        self.application(
            "UPDATE events SET metadata = '{\"quiz_id\": 1}' WHERE id = 3002",
            "event 3002 gets a proper object, after the plan was made",
        )
        self.say("A dry run looks at each row as apply would. The row that was written meanwhile is noticed.")
        self.run("apply", "plan.jsonl")
        self.say(
            "Now for real: in small transactions, each with its journal, the old values copied beside. It ends "
            "with 1, as a row was left alone."
        )
        self.run("apply", "plan.jsonl", "--yes", expected=1)
        self.say("Did it do what it says, and nothing else? Each row is read again, and the checks are run again.")
        self.run("verify", "last")
        self.run("scan")
        self.application("UPDATE events SET user_id = 5 WHERE id = 3001", "event 3001 gets user 5, after the run")
        self.say(
            "Second thoughts? Undo gives every row back, byte for byte, but for the one the application has "
            "written since: that keeps its newer value, and is listed."
        )
        self.run("undo", "last")
        self.run("undo", "last", "--yes", expected=1)
        self.say(
            "And once more, to leave the database mended. The two rows that the application set right stay as they are."
        )
        self.run("plan", "-o", "plan-again.jsonl", "--because", "the importer of 3 November")
        self.run("apply", "plan-again.jsonl", "--yes")
        self.run("verify", "last")
        self.run("scan")
        self.run("runs")
        say(
            f"\nMended, verified, undone and mended again. Look around in {self.where}: trueup.yaml says what "
            "is checked, plan.jsonl what was changed.\nOn your own data: trueup scan URL"
        )
