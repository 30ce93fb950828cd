"""Recognises the table of a file that was seen before.

SQLite has no lasting number for a table. A row of its schema keeps its number under every ALTER TABLE, and a new table
comes last; VACUUM numbers the rows again but keeps the order of the tables. So an anchor is used: a table of the
journal that was created after the table. While the anchor still has its row number, the table has its own. After that,
the anchor shows how many tables came before it, and so whether one of them is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from trueup.codec import digest
from trueup.engines.sqlite.schema import fold

# a virtual table has no page, and VACUUM puts it last; sqlite_sequence is made when it is first needed
_TABLES = (
    "SELECT rowid, name, sql FROM sqlite_schema"
    " WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid"
)
#: The journal's permanent tables; the others are copies of a backup's tables.
_LASTING = ("run", "img_")


@dataclass(frozen=True, slots=True)
class _Listed:
    row: int
    name: str
    columns: str


def standing(connection: Connection, journal_prefix: str, name: str, identity: str) -> dict[str, Any]:
    """Return the record by which `still` recognises a table; `identity` is the one in the table's facts."""
    tables = _listed(connection)
    mine = _named(tables, name)
    assert mine is not None
    ours, others = _parted(tables, journal_prefix)
    journal = bool(ours) and ours[-1].row > mine.row
    anchor = ours[-1] if journal else others[-1]
    return {
        "identity": identity,
        "row": mine.row,
        "columns": mine.columns,
        "anchor": anchor.name,
        "anchor_row": anchor.row,
        "journal": journal,
        "own": sum(one.row < mine.row for one in ours),
        "tables": _counts(others, mine, anchor),
        "twins": _counts(_like(others, mine.columns), mine, anchor),
    }


def still(connection: Connection, journal_prefix: str, name: str, then: Mapping[str, Any]) -> bool:
    """Whether a table is the one that had this standing. False where nothing proves it."""
    tables = _listed(connection)
    mine, anchor = _named(tables, name), _named(tables, then["anchor"])
    ours, others = _parted(tables, journal_prefix)
    if mine is None or (then["journal"] and (anchor is None or anchor.row < mine.row)):
        return False
    # created again, after a journal that was newer than the table
    if not then["journal"] and sum(one.row < mine.row for one in ours) != then["own"]:
        return False
    alike = _like(others, then["columns"])
    older = sum(one.row < mine.row for one in alike)
    if anchor is not None and anchor.row == then["anchor_row"]:
        return bool(mine.row == then["row"] and (then["journal"] or older <= then["twins"][0]))
    if anchor is not None and _counts(others, mine, anchor) == then["tables"]:
        return True
    # some tables are gone, but none with the same columns, which could be confused with it
    if mine.columns != then["columns"] or older != then["twins"][0]:
        return False
    if anchor is None or not then["journal"]:
        return True
    # no table is gone, so it has another place
    gone = _counts(others, mine, anchor)[1] < then["tables"][1]
    return bool(gone and _counts(alike, mine, anchor) == then["twins"])


def _listed(connection: Connection) -> list[_Listed]:
    rows = connection.exec_driver_sql(_TABLES)
    return [_Listed(row, fold(name), digest(sql[sql.find("(") :].encode())[:16]) for row, name, sql in rows]


def _named(tables: Sequence[_Listed], name: str) -> _Listed | None:
    return next((one for one in tables if one.name == fold(name)), None)


def _parted(tables: Sequence[_Listed], journal_prefix: str) -> tuple[list[_Listed], list[_Listed]]:
    """Return the lasting tables of the journal, and the tables of the application."""
    lasting = tuple(journal_prefix + one for one in _LASTING)
    return (
        [one for one in tables if one.name.startswith(lasting)],
        [one for one in tables if not one.name.startswith(journal_prefix)],
    )


def _like(tables: Sequence[_Listed], columns: str) -> list[_Listed]:
    return [one for one in tables if one.columns == columns]


def _counts(tables: Sequence[_Listed], mine: _Listed, anchor: _Listed) -> list[int]:
    """Return how many tables are older than the table, and how many are not newer than the anchor."""
    return [sum(one.row < mine.row for one in tables), sum(one.row <= anchor.row for one in tables)]
