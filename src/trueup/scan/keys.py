"""Keys of broken rows brought along by an aggregate of the pass that finds them, range by range of an integer key.

A text that reaches the aggregate's limit is never believed: the keys are streamed then. It can be slow, it cannot
lose a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, String, bindparam, cast, func, literal, select, true
from sqlalchemy.exc import DBAPIError

from trueup.check import Broken
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase

#: Rows a range: its text is some 12 bytes for each that is broken.
RANGE = 3_000_000
PAGE = 1000
LOW, HIGH = "trueup_low", "trueup_high"

#: A key, and the checks that call its row broken, one bit each.
Marked = tuple[tuple[str, ...], int]
#: The first and last key of a range, as parameters; empty for all rows.
Within = Mapping[str, int]


def ranged(table: Table) -> bool:
    """Whether the key is one integer column, so that the table can be read in ranges of it."""
    key = [table.columns[name] for name in table.key]
    return len(key) == 1 and key[0].integer and key[0].typed


def ranges(database: SqlDatabase, table: Table) -> Iterator[Within]:
    """Ranges of about `RANGE` rows; one without bounds for a table that has no more."""
    if table.rows <= RANGE:
        yield {}
        return
    key = table.sql.c[table.key[0]]
    # two questions: asked together they are a scan on SQLite
    low, high = (database.ask(select(end(key)))[0][0] for end in (func.min, func.max))
    if low is None:
        return
    width = max(1, (high - low + 1) * RANGE // max(table.rows, 1))
    for start in range(int(low), int(high) + 1, width):
        yield {LOW: start, HIGH: start + width - 1}


def inside(table: Table, relation: FromClause, within: Within) -> ColumnElement[bool]:
    """The condition that a key is in a range. Its bounds are parameters, so that a statement is compiled once."""
    low, high = (bindparam(name, type_=BigInteger) for name in (LOW, HIGH))
    return relation.c[table.key[0]].between(low, high) if within else true()


def payload(key: ColumnElement[Any], mask: ColumnElement[Any]) -> ColumnElement[str]:
    """One key and its mask for `unpack`: `7:3.`. The dot shows that the text was not cut off."""
    return cast(key, String) + literal(":") + mask + literal(".")


def unpack(collected: Any, limit: int | None) -> Iterator[list[Marked]] | None:
    """Pages of keys and masks from the aggregate's text; None when it was, or may have been, cut at `limit` bytes."""
    if collected is None:
        return iter(())
    text = collected.decode() if isinstance(collected, bytes) else str(collected)
    if not text.endswith(".") or (limit is not None and len(text) >= limit):
        return None
    return _pages(text)


def _pages(text: str) -> Iterator[list[Marked]]:
    start = 0
    while start < len(text):
        page: list[Marked] = []
        while start < len(text) and len(page) < PAGE:
            end = text.find(".", start)
            key, _, mask = text[start:end].partition(":")
            page.append(((key,), int(mask)))
            start = end + 2  # past the comma
        yield page


def keys_of(database: SqlDatabase, broken: Broken) -> Iterator[tuple[str, ...]]:
    """Keys of the rows of `broken`, the engine's quickest way.

    Facts that only the whole query knows would be worked out anew for each range.
    """
    table, dialect = broken.row.table, database.dialect
    if not (dialect.collects_sets and ranged(table) and not broken.facts):
        yield from _streamed(database, broken, {})
        return
    keys = dialect.collect(true(), payload(broken.row[table.key[0]], literal("1")))
    statement = select(keys).select_from(broken.source)
    for within in ranges(database, table):
        asked = statement.where(broken.where, inside(table, broken.row.relation, within)).params(within)
        try:
            found = unpack(database.ask(asked)[0][0], database.collect_limit())
        except DBAPIError:
            # more keys than the engine's aggregate can carry
            database.connection.rollback()
            found = None
        if found is None:
            yield from _streamed(database, broken, within)
        else:
            yield from (key for page in found for key, _ in page)


def _streamed(database: SqlDatabase, broken: Broken, within: Within) -> Iterator[tuple[str, ...]]:
    token = database.dialect.token
    where = [broken.where, inside(broken.row.table, broken.row.relation, within)] if within else [broken.where]
    statement = select(*broken.row.key()).select_from(broken.source).where(*where).params(within)
    for rows in database.stream(statement):
        for row in rows:
            yield tuple(token(part) for part in row)
