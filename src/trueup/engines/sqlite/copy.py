"""Copies one table of a restored backup beside the live one, in SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from trueup.backup.copy import LEFT, RAW, Copier, Wanted, quoted
from trueup.errors import Refused
from trueup.sql.tables import Column
from trueup.stores.sql import SqlStore


class SqliteCopier(Copier):
    """Copies within one session that attaches the scratch file."""

    def copy(self, store: SqlStore, scratch: SqlStore, wanted: Wanted) -> dict[str, int]:
        """See `Copier`.

        It opens its own session: nothing can be attached within the transaction that our sessions begin.
        """
        live, there, names = wanted.live, wanted.there, wanted.names
        spelt = {one: quoted(store, one) for one in names}
        columns, key = ", ".join(spelt.values()), ", ".join(spelt[part] for part in live.key)
        own, raw, left = (f"main.{quoted(store, wanted.name + end)}" for end in ("", RAW, LEFT))
        source = f"trueup_scratch.{quoted(store, str(there.sql.name))}"
        row = next(one for one in ("rowid", "_rowid_", "oid", "") if one not in {name.lower() for name in names})
        if not row:
            raise Refused(f"{live.name} has columns by all the names of a row's number, so it cannot be copied")
        with closing(sqlite3.connect(str(store.url.database), timeout=3.0, isolation_level=None)) as connection:
            connection.execute("ATTACH DATABASE ? AS trueup_scratch", (str(scratch.url.database),))
            connection.execute("BEGIN IMMEDIATE")
            for one in (own, raw, left):
                connection.execute(f"DROP TABLE IF EXISTS {one}")
            # without types each value keeps its storage class, with the live ones it takes what the live table would
            now, then = (
                {
                    str(told[1]): str(told[2])
                    for told in connection.execute(f"PRAGMA {place}.table_xinfo({quoted(store, bare)})")
                }
                for place, bare in (("main", str(live.sql.name)), ("trueup_scratch", str(there.sql.name)))
            )
            typed = ", ".join(f"{spelt[one]} {_affinity(now[one])}" for one in names)
            connection.execute(f"CREATE TABLE {raw} ({columns})")
            connection.execute(f"CREATE TABLE {own} ({typed})")
            connection.execute(f"INSERT INTO {raw} ({columns}) SELECT {columns} FROM {source}")  # noqa: S608
            connection.execute(f"INSERT INTO {own} ({row}, {columns}) SELECT {row}, {columns} FROM {raw}")  # noqa: S608
            bent = {one: _bent(spelt[one], live.columns[one], now[one], then[one]) for one in wanted.judged}
            pairs = f"{own} AS n JOIN {raw} AS t ON n.{row} = t.{row}"
            counts = ", ".join(f"total({condition})" for condition in bent.values())
            (found,) = connection.execute(f"SELECT {counts} FROM {pairs}").fetchall()  # noqa: S608
            any_of = " OR ".join(bent.values())
            keys = ", ".join(f"n.{spelt[part]} AS {spelt[part]}" for part in live.key)
            broken = f"SELECT {keys}, n.{row} AS trueup_row FROM {pairs} WHERE {any_of}"  # noqa: S608
            connection.execute(f"CREATE TABLE {left} AS {broken}")
            connection.execute(f"DELETE FROM {own} WHERE {row} IN (SELECT trueup_row FROM {left})")  # noqa: S608
            connection.execute(f"DROP TABLE {raw}")
            connection.execute(f"CREATE INDEX main.{quoted(store, wanted.name + '_key')} ON {own[5:]} ({key})")
            connection.execute("COMMIT")
        return {one: int(count) for one, count in zip(bent, found, strict=True) if count}


def _affinity(ddl: str) -> str:
    """Return a type of the same affinity as the column's, by SQLite's own rules in their order."""
    words = ddl.upper()
    rules = (("INT", "INTEGER"), ("CHAR", "TEXT"), ("CLOB", "TEXT"), ("TEXT", "TEXT"), ("BLOB", "BLOB"),
             ("REAL", "REAL"), ("FLOA", "REAL"), ("DOUB", "REAL"))  # fmt: skip
    found = next((kind for word, kind in rules if word in words), "NUMERIC" if words.strip() else "BLOB")
    return "" if words.strip() == "ANY" else found


def _bent(column: str, live: Column, now: str, then: str) -> str:
    bent = f"(typeof(n.{column}) <> typeof(t.{column}) OR n.{column} IS NOT t.{column})"
    if now.upper() == then.upper():
        return bent
    # in a column of another type a value of the wrong class is kept, and is no value of that type: 'true' in a BOOLEAN
    classes = {"INTEGER": "'integer'", "REAL": "'real'", "NUMERIC": "'integer', 'real'", "TEXT": "'text'"}
    wanted = classes.get(_affinity(now), "")
    if live.boolean:
        bent += f" OR (n.{column} IS NOT NULL AND (typeof(n.{column}) <> 'integer' OR n.{column} NOT IN (0, 1)))"
    elif wanted and not live.temporal:
        bent += f" OR (n.{column} IS NOT NULL AND typeof(n.{column}) NOT IN ({wanted}))"
    return f"({bent})"
