"""Which index would make a check cheap, in each engine's words: partial, functional, or over a computed column."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from trueup.check import Check, RowCheck
from trueup.guard.contract import Words, guard_name, say
from trueup.guard.register import words_of
from trueup.sql.spelling import spelling
from trueup.stores.sql import SqlDatabase


@dataclass(frozen=True, slots=True)
class Advice:
    """An index for one check. `statement` lists the broken rows as it can use the index; `now` is how they are listed.

    No `index`: there is one already, or none would help; `why` says which. `before` and `after` are the engine's plans,
    `after` only where the index was tried on a copy.
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
    """The index for a check on this database, and the plan without it. Raises `Refused` where it cannot be worded."""
    words = words_of(database.dialect.name)
    row = database.row(check.table)
    made = _condition(words, database, check) if isinstance(check, RowCheck) else _columns(words, database, check)
    before = plan_of(database.connection, words.name, made.now)
    database.connection.rollback()
    key = ", ".join(row.table.key)
    why = made.why or f"an index of the broken rows alone: it is small, and leads straight to their {key or 'rows'}"
    return Advice(made.check, made.engine, why, made.now, made.statement, made.index, made.remove, before)


def _condition(words: Words, database: SqlDatabase, check: Check) -> Advice:
    row = database.row(check.table)
    name = guard_name(check).replace("guard", "index", 1)
    bad, table, own = words.condition(check, row, ""), words.table(row.table), words.quoted(name)
    key = ", ".join(words.quoted(part) for part in row.table.key or tuple(row.table.columns)[:1])
    listed = f"SELECT {key} FROM {table} WHERE "  # noqa: S608 - names from the catalogue, quoted
    flag = f"CASE WHEN {bad} THEN 1 END"
    computed = f"ADD COLUMN {own} TINYINT AS ({flag}) VIRTUAL INVISIBLE, ADD INDEX {own} ({own})"
    made = {
        "sqlite": (bad, f"CREATE INDEX {own} ON {table} ({key}) WHERE {bad}", f"DROP INDEX {own}"),
        "postgresql": (
            bad,
            f"CREATE INDEX CONCURRENTLY {own} ON {table} ({key}) WHERE {bad}",
            f"DROP INDEX CONCURRENTLY {own}",
        ),
        "mysql": (f"({flag}) = 1", f"CREATE INDEX {own} ON {table} (({flag}))", f"DROP INDEX {own} ON {table}"),
        "mariadb": (f"{own} = 1", f"ALTER TABLE {table} {computed}", f"ALTER TABLE {table} DROP COLUMN {own}"),
    }
    where, index, remove = made[words.name]
    return Advice(check.title, words.name, "", listed + bad, listed + where, index, remove)


def _columns(words: Words, database: SqlDatabase, check: Check) -> Advice:
    broken = check.broken(database)
    row = broken.row
    key = [row[name] for name in row.table.key]
    query = select(*key).select_from(broken.source).where(broken.where)
    text = str(query.compile(dialect=spelling(words.name), compile_kwargs={"literal_binds": True})).replace("\n", " ")
    looked_in, names = check.compared()
    if not names:
        return Advice(check.title, words.name, "each row is judged by itself, so all of them are read", text)
    row = database.row(looked_in)
    places = [row.place(name) for name in names]
    if any(path for _, path in places):
        return Advice(check.title, words.name, "the reference is inside JSON: each document has to be opened", text)
    columns = tuple(name for name, _ in places)
    held = [row.table.key, *row.table.uniques, *row.table.indexes]
    if any(one[: len(columns)] == columns for one in held):
        return Advice(check.title, words.name, f"({', '.join(columns)}) has an index already", text)
    name = words.quoted(guard_name(check).replace("guard", "index", 1))
    table, listed = words.table(row.table), ", ".join(words.quoted(one) for one in columns)
    online = {"postgresql": " CONCURRENTLY"}.get(words.name, "")
    index = f"CREATE INDEX{online} {name} ON {table} ({listed})"
    on = f" ON {table}" if words.name in ("mysql", "mariadb") else ""
    why = "rows are compared by these columns, and no index begins with them"
    return Advice(check.title, words.name, why, text, text, index, f"DROP INDEX{online} {name}{on}")


def tried(copy: SqlDatabase, found: Advice) -> tuple[str, ...]:
    """The plan with the index, which is made on a scratch copy of the database."""
    connection = copy.connection
    say(connection, found.index.replace(" CONCURRENTLY", ""))
    connection.commit()
    if found.engine in ("sqlite", "postgresql"):
        say(connection, "ANALYZE")
        connection.commit()
    plan = plan_of(connection, found.engine, found.statement)
    connection.rollback()
    return plan


def plan_of(connection: Connection, engine: str, statement: str) -> tuple[str, ...]:
    """The engine's plan for a statement, as lines; the statement is not run."""
    words = {"sqlite": "EXPLAIN QUERY PLAN ", "mysql": "EXPLAIN FORMAT=TREE "}.get(engine, "EXPLAIN ")
    rows = connection.exec_driver_sql(words + statement, execution_options={"no_parameters": True}).mappings().all()
    if engine == "sqlite":
        return tuple(str(row["detail"]) for row in rows)
    if engine == "mariadb":
        return tuple(
            f"{row['table']}: {row['type']}, key {row['key'] or 'none'}, about {row['rows']} rows" for row in rows
        )
    return tuple(line for row in rows for line in str(next(iter(row.values()))).rstrip().splitlines())
