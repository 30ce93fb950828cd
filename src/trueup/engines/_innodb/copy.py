"""Copies one table of a restored backup beside the live one, in MySQL and MariaDB."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select, text
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.sql import quoted_name

from trueup.backup.copy import LEFT, Copier, Wanted, quoted, spelled
from trueup.errors import Refused, UsageError
from trueup.sql.spelling import run_verbatim
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase, SqlStore


class InnodbCopier(Copier):
    """Copies within one server."""

    def copy(self, store: SqlStore, scratch: SqlStore, wanted: Wanted) -> dict[str, int]:
        """See `Copier`.

        It copies with INSERT ... SELECT, converts each value back, and moves aside rows that differ.
        """
        if (store.url.host, store.url.port) != (scratch.url.host, scratch.url.port):
            raise UsageError("the scratch database must be on the same server, so that rows can be copied inside of it")
        live, there = wanted.live, wanted.there
        columns = ", ".join(quoted(store, one) for one in wanted.names)
        own, left = spelled(store, wanted.name), spelled(store, wanted.name + LEFT)
        place = f"{quoted(store, str(scratch.url.database))}.{quoted(store, str(there.sql.name))}"
        with store.connect(write=True) as connection:
            for one in (own, left):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {one}")
            connection.exec_driver_sql(f"CREATE TABLE {own} LIKE {quoted(store, str(live.sql.name))}")
            _drop_uniques(store, connection, wanted.name, live.key)
            self.unchecked(store, connection, wanted.name)
            # the one session that is not strict: it bends what does not fit, in a table of ours, and all that was bent
            # is found by comparing, and goes
            connection.exec_driver_sql("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
            run_verbatim(connection, f"INSERT INTO {own} ({columns}) SELECT {columns} FROM {place}")  # noqa: S608 - quoted names
            connection.exec_driver_sql(f"SET SESSION sql_mode = '{_STRICT}'")
            run_verbatim(connection, f"CREATE TABLE {left} LIKE {own}")
            found = _compared(SqlDatabase(store, connection), wanted, str(scratch.url.database))
            connection.commit()
        return found

    @abstractmethod
    def unchecked(self, store: SqlStore, connection: Connection, name: str) -> None:
        """Prevent the CHECK constraints of the copy `name` from refusing a row of the backup."""


_STRICT = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
_UNIQUES = text(
    "SELECT INDEX_NAME, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX SEPARATOR '/') AS parts"
    " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table AND NON_UNIQUE = 0"
    " AND INDEX_NAME <> 'PRIMARY' GROUP BY INDEX_NAME"
)


def _drop_uniques(store: SqlStore, connection: Connection, name: str, key: Sequence[str]) -> None:
    """Drop the unique indexes of a copy except the key's: they could refuse a row of the backup."""
    own = spelled(store, name)
    for index, parts in connection.execute(_UNIQUES, {"table": name}).all():
        if parts != "/".join(key):
            run_verbatim(connection, f"ALTER TABLE {own} DROP INDEX {quoted(store, str(index))}")


def _compared(database: SqlDatabase, wanted: Wanted, scratch: str) -> dict[str, int]:
    """Count, by column, the rows of the copy that differ from the scratch database, and move them aside."""
    live, there, dialect = wanted.live, wanted.there, database.dialect
    now = _relation(live, wanted.name, None, wanted.names)
    left = _relation(live, wanted.name + LEFT, None, wanted.names)
    then = _relation(there, str(there.sql.name), scratch, wanted.names)
    same = and_(*(now.c[one] == then.c[one] for one in live.key))

    def unlike(one: str) -> ColumnElement[bool]:
        was = there.columns[one]
        back = now.c[one] if live.columns[one].ddl == was.ddl else dialect.cast(now.c[one], was)
        return dialect.digest([(was, back)]) != dialect.digest([(was, then.c[one])])

    bent = {one: unlike(one) for one in wanted.judged}
    counts = [func.sum(case((condition, 1), else_=0)) for condition in bent.values()]
    rows = database.ask(select(func.count(), *counts).select_from(now.join(then, same)))[0]
    total, mine = (int(database.ask(select(func.count()).select_from(one))[0][0]) for one in (then, now))
    if not int(rows[0]) == total == mine:
        raise Refused(f"the keys of {live.name} in the backup are no keys of it now, so its rows cannot be told apart")
    found = {one: int(count) for one, count in zip(bent, rows[1:], strict=True) if count}
    if found:
        moved = (
            select(*(now.c[one] for one in wanted.names)).select_from(now.join(then, same)).where(or_(*bent.values()))
        )
        database.connection.execute(left.insert().from_select(list(wanted.names), moved))
        again = and_(*(now.c[one] == left.c[one] for one in live.key))
        database.connection.execute(now.delete().where(exists(select(1).select_from(left).where(again).correlate(now))))
    return found


def _relation(table: Table, name: str, schema: str | None, names: Sequence[str]) -> Any:
    parts = [sql_column(quoted_name(one, quote=True), table.sql.c[one].type) for one in names]
    return sql_table(quoted_name(name, quote=True), *parts, schema=schema and quoted_name(schema, quote=True))
