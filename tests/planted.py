"""Broken rows that hold secrets: each check's own test file has such a case, named `PLANTED`."""

from collections.abc import Mapping
from dataclasses import dataclass

#: Words and numbers that are in the data of a planted case and nowhere else.
SECRETS = ("zorblatt", "Zorblatt", "7734077", "quxified")


@dataclass(frozen=True)
class Case:
    """Tables whose broken rows hold secrets, a check that finds them, and its repairs.

    `shows_values` says whether findings of the check tell a value where values are asked for.
    """

    script: str
    check: Mapping[str, object]
    repairs: tuple[str, ...]
    shows_values: bool = True


def people(columns: str, *rows: str) -> str:
    """A table with a column of text and one of numbers that no check is about; both hold secrets."""
    made = f"CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT, phone INT, {columns})"
    names = ", ".join(one.split()[0] for one in columns.split(", "))
    filled = f"INSERT INTO t ({names}) VALUES {', '.join(rows)}"
    return f"{made}; {filled}; UPDATE t SET note = 'zorblatt ' || id, phone = 77340770 + id;"
