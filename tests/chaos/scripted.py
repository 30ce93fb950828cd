"""The application as a scenario plays it: one write after the other, each remembered as `App` remembers its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.app import TABLE, Cell, Log
from tests.chaos.plain import Session


class Scripted:
    """Writes by order of the scenario, in autocommit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.logs = [Log()]
        self.failures: list[str] = []

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It never writes by itself."""
        yield

    @property
    def commits(self) -> int:
        """Acknowledged commits so far."""
        return self.logs[0].commits

    def rewrite(self, row: int, value: str = "") -> None:
        """Give a row a sound value that it never held."""
        log = self.logs[0]
        value = value or json.dumps({"n": log.commits, "row": row})
        self._session.run(f"UPDATE {TABLE} SET metadata = ? WHERE id = ?", value, row)
        cell = log.cells.setdefault(row, Cell(None))
        cell.known, cell.writes = value, cell.writes + 1
        log.commits += 1

    def insert(self, row: int, value: str) -> None:
        """A new row."""
        self._session.run(f"INSERT INTO {TABLE} (id, metadata, bal) VALUES (?, ?, 0)", row, value)
        self.logs[0].born[row] = value
        self.logs[0].commits += 1

    def count(self, row: int) -> None:
        """Add one to a row's counter."""
        self._session.run(f"UPDATE {TABLE} SET bal = bal + 1 WHERE id = ?", row)
        self.logs[0].added[row] += 1
        self.logs[0].commits += 1

    def delete(self, row: int) -> None:
        """Delete a row."""
        self._session.run(f"DELETE FROM {TABLE} WHERE id = ?", row)
        self.logs[0].gone.add(row)
        self.logs[0].commits += 1
