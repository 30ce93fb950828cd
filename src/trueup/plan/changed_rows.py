"""Which rows an earlier group of a plan changes already. Kept on disk: there may be millions."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from types import TracebackType
from typing import Self

from trueup.changes import Group


class ChangedRows:
    """Rows by the number of the group that changes them and their key, as text; gone when it is closed."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a file without a name, made when memory is short
        self._base.execute("CREATE TABLE changed (grp INTEGER, key TEXT, PRIMARY KEY (grp, key)) WITHOUT ROWID")
        self._base.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._base.close()

    def add(self, group: int, key: str) -> None:
        """This group changes this row."""
        self._base.execute("INSERT INTO changed VALUES (?, ?)", (group, key))

    def first(self, groups: Collection[int], key: str) -> int | None:
        """The first of these groups that changes this row."""
        for group in groups:
            if self._base.execute("SELECT 1 FROM changed WHERE grp = ? AND key = ?", (group, key)).fetchone():
                return group
        return None


def overlap(one: Group, other: Group) -> bool:
    """Whether two checks' groups may change the same columns of a row."""
    return one.check != other.check and one.table == other.table and not set(one.columns).isdisjoint(other.columns)
