"""Finds the index that would make a check cheap: partial, functional, or over a computed column, by the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select

from trueup import discovery
from trueup.check import Check, RowCheck
from trueup.errors import Refused
from trueup.guard.contract import guard_dialect, guard_name
from trueup.sql.indexes import IndexDialect
from trueup.sql.spelling import spelling
from trueup.stores.sql import SqlDatabase


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """An index for one check. `statement` lists the broken rows with the index, `now` without it.

    `index` is empty when an index exists already or none would help; `why` says which. `before` and `after` are the
    engine's query plans, `after` only where the index was tried on a copy.
    """

    check: str
    engine: str
    why: str
    now: str
    statement: str = ""
    index: str = ""
    remove: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def advice(database: SqlDatabase, check: Check) -> Advice:
    """Return the index for a check on this database, with the query plan without it.

    Raises `Refused` where the engine cannot express the condition.
    """
    indexes = _indexes(database.dialect.name)
    row = database.row(check.table)
    make = _condition if isinstance(check, RowCheck) else _columns
    made = make(indexes, database, check)
    before = indexes.plan(database.connection, made.now)
    database.connection.rollback()
    key = ", ".join(row.table.key)
    why = made.why or f"an index of the broken rows alone: it is small, and leads straight to their {key or 'rows'}"
    return replace(made, why=why, before=before)


def _indexes(engine: str) -> IndexDialect:
    if not discovery.has("engines", engine, "index"):
        raise Refused(f"trueup advises no indexes on {engine}")
    return discovery.load("engines", engine, IndexDialect, "index")()


def _condition(indexes: IndexDialect, database: SqlDatabase, check: Check) -> Advice:
    words = guard_dialect(database.dialect.name)
    row = database.row(check.table)
    bad, table = words.condition(check, row, ""), words.table(row.table)
    key = ", ".join(words.quoted(part) for part in row.table.key or tuple(row.table.columns)[:1])
    listed = f"SELECT {key} FROM {table} WHERE "  # noqa: S608 - names from the catalogue, quoted
    index = indexes.of_condition(words.quoted(_name(check)), table, key, bad)
    return Advice(
        check=check.title,
        engine=words.name,
        why="",
        now=listed + bad,
        statement=listed + index.where,
        index=index.create,
        remove=index.drop,
    )


def _columns(indexes: IndexDialect, database: SqlDatabase, check: Check) -> Advice:
    engine = database.dialect.name
    broken = check.broken(database)
    key = [broken.row[name] for name in broken.row.table.key]
    query = select(*key).select_from(broken.source).where(broken.where)
    words = spelling(engine)
    text = str(query.compile(dialect=words, compile_kwargs={"literal_binds": True})).replace("\n", " ")
    looked_in, names = check.lookup_columns()
    if not names:
        return Advice(
            check=check.title, engine=engine, why="each row is judged by itself, so all of them are read", now=text
        )
    row = database.row(looked_in)
    places = [row.place(name) for name in names]
    if any(path for _, path in places):
        return Advice(
            check=check.title,
            engine=engine,
            why="the reference is inside JSON: each document has to be opened",
            now=text,
        )
    columns = tuple(name for name, _ in places)
    held = [row.table.key, *row.table.uniques, *row.table.indexes]
    if any(one[: len(columns)] == columns for one in held):
        return Advice(check=check.title, engine=engine, why=f"({', '.join(columns)}) has an index already", now=text)
    prepared = words.identifier_preparer
    name, *listed = (str(prepared.quote_identifier(one)) for one in (_name(check), *columns))
    index = indexes.of_columns(name, str(prepared.format_table(row.table.sql)), ", ".join(listed))
    why = "rows are compared by these columns, and no index begins with them"
    return Advice(
        check=check.title, engine=engine, why=why, now=text, statement=text, index=index.create, remove=index.drop
    )


def _name(check: Check) -> str:
    return guard_name(check).replace("guard", "index", 1)


def plan_with_index(copy: SqlDatabase, found: Advice) -> tuple[str, ...]:
    """Create the index on a scratch copy of the database and return the query plan with it."""
    indexes = _indexes(found.engine)
    indexes.make(copy.connection, found.index)
    plan = indexes.plan(copy.connection, found.statement)
    copy.connection.rollback()
    return plan
