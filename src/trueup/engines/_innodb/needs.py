"""Tests the privileges of an account of MySQL or MariaDB by statements that the server prepares but does not run.

EXPLAIN of a write needs the privileges of the write, and reports a missing table only to an account that may write to
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trueup.engines._innodb.errors import DENIED, code_of
from trueup.engines._innodb.rights import grant, rights
from trueup.sql.dialect import Dialect
from trueup.sql.tables import Need

_NO_TABLE = 1146
_STATEMENTS = {
    "SELECT": "SELECT 1 FROM {table} LIMIT 0",
    "INSERT": "EXPLAIN INSERT INTO {table} ({columns}) SELECT {nulls} FROM DUAL WHERE 1 = 0",
    "UPDATE": "EXPLAIN UPDATE {table} SET {same} WHERE 1 = 0",
    "DELETE": "EXPLAIN DELETE FROM {table} WHERE 1 = 0",
    "LOCK": "SELECT 1 FROM {table} LIMIT 0 FOR UPDATE",
    "SHARE": "SELECT 1 FROM {table} LIMIT 0 LOCK IN SHARE MODE",
}
#: The privileges to grant for them, where the name differs: LOCK is only used before a delete or a restore.
_GIVEN_BY = {"LOCK": "DELETE", "SHARE": "SELECT"}


class Asking(Dialect):
    """The part of the dialect that preflight uses to test privileges."""

    def lacks(self, connection: Connection, needs: Sequence[Need]) -> list[str]:
        """Test with statements that read and write nothing; CREATE and TRIGGER by SHOW GRANTS."""
        return list(dict.fromkeys(sentence for need in needs for sentence in _lacks(connection, need)))


def _lacks(connection: Connection, need: Need) -> Iterator[str]:
    database = need.table.schema or str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
    name = need.table.name
    if need.right == "UNCHECKED":  # any account may, for its own session
        return
    if need.right in ("CREATE", "TRIGGER"):  # no statement asks for them and does nothing
        if not rights(connection).on(need.right, database, name):
            yield _told(need.right, database, name)
        return
    columns = need.columns
    if _may(connection, need, columns):
        return
    right = _GIVEN_BY.get(need.right, need.right)
    # rights on single columns are only for these two
    denied = [one for one in columns if not _may(connection, need, [one])] if right in ("INSERT", "UPDATE") else []
    yield _told(right, database, name, denied if right == "UPDATE" or len(denied) < len(columns) else ())


def _may(connection: Connection, need: Need, columns: Sequence[str]) -> bool:
    quoted = connection.dialect.identifier_preparer
    names = [quoted.quote_identifier(name) for name in columns or [next(iter(need.table.columns)).name]]
    statement = _STATEMENTS[need.right].format(
        table=quoted.format_table(need.table),
        columns=", ".join(names),
        nulls=", ".join(["NULL"] * len(names)),
        same=", ".join(f"{name} = {name}" for name in names),
    )
    try:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).close()
    except DBAPIError as error:
        if code_of(error) in DENIED:
            return False
        if code_of(error) != _NO_TABLE:
            raise
    return True


def _told(right: str, database: str, table: str, columns: Sequence[str] = ()) -> str:
    listed = f" ({', '.join(columns)})" if columns else ""
    return f"{right}{listed} on {database}.{table} ({grant(right + listed, database, table)})"
