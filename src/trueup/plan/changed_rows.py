"""Remembers which rows an earlier group of a plan changes. They are kept on disk, because there may be millions."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from types import TracebackType
from typing import Self

from trueup.changes import Group


class ChangedRows:
    """A set of (group number, key as text) in a temporary file, deleted when it is closed."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a file without a name, made when memory is short
        self._base.execute("CREATE TABLE changed (grp INTEGER, key TEXT, PRIMARY KEY (grp, key)) WITHOUT ROWID")
        self._base.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._base.close()

    def add(self, group: int, key: str) -> None:
        """Record that this group changes this row."""
        self._base.execute("INSERT INTO changed VALUES (?, ?)", (group, key))

    def first(self, groups: Collection[int], key: str) -> int | None:
        """Return the first of these groups that changes this row, or None."""
        for group in groups:
            if self._base.execute("SELECT 1 FROM changed WHERE grp = ? AND key = ?", (group, key)).fetchone():
                return group
        return None


def overlap(one: Group, other: Group) -> bool:
    """Whether two checks' groups may change the same columns of a row."""
    return one.check != other.check and one.table == other.table and not set(one.columns).isdisjoint(other.columns)
