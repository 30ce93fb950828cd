"""The journal's tables: `meta`, `run`, `op`, `chunk`, and `img_<k>`, made where they are missing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType

from trueup.changes import Group
from trueup.codec import canonical, digest
from trueup.errors import StoreError
from trueup.failpoints import failpoint
from trueup.stores.sql import SqlStore
from trueup.tables import Table

FORMAT = 1
#: Of every table, on the engines where there is something to choose.
_OPTIONS: Mapping[str, Any] = {
    f"{engine}_{option}": value
    for engine in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
HUGE = Text().with_variant(LONGTEXT(), "mysql", "mariadb")


class RawType(UserDefinedType[Any]):
    """A column type spelled word for word as the catalogue gives it; values never pass through Python."""

    cache_ok = True

    def __init__(self, ddl: str) -> None:
        self.ddl = ddl

    def get_col_spec(self, **_: Any) -> str:
        """The type as DDL."""
        return self.ddl


class JournalTables:
    """The journal's tables in one store: `prepare` makes them, all else expects them."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        dialect = store.dialect
        self._prefix, self._schema = dialect.journal_prefix, dialect.journal_schema
        self._metadata = MetaData(schema=self._schema)
        self.meta = self._table(
            "meta",
            Column("db_uuid", String(32), primary_key=True),
            Column("format", Integer),
            Column("place", HUGE),
        )
        self.run = self._table(
            "run",
            Column("run_id", String(12), primary_key=True),
            Column("no", BigInteger),
            Column("plan_digest", String(64), nullable=False),
            Column("plan_path", HUGE),
            Column("header", HUGE),
            Column("environment", String(200)),
            Column("tool", String(40)),
            Column("format", Integer),
            Column("state", String(12)),
            Column("reason", HUGE),
            Column("because", HUGE),
            Column("planned", BigInteger),
            Column("fence", BigInteger),
            Column("owner", String(200)),
            Column("started", BigInteger),
            Column("ended", BigInteger),
            Column("verified", HUGE),
            Column("paused", Integer),
            Column("chunks", BigInteger),
            Column("tip", String(64)),
            UniqueConstraint("plan_digest"),
            UniqueConstraint("no"),
        )
        self.op = self._table(
            "op",
            Column("run_id", String(12), primary_key=True),
            Column("seq", BigInteger, primary_key=True, autoincrement=False),
            Column("grp", Integer),
            Column("state", String(14)),
            Column("reason", HUGE),
            Column("pk", HUGE),
            Column("seen", String(64)),
            Column("chunk", BigInteger),
        )
        self.chunk = self._table(
            "chunk",
            Column("run_id", String(12), primary_key=True),
            Column("no", BigInteger, primary_key=True, autoincrement=False),
            Column("phase", String(8)),
            Column("first", BigInteger),
            Column("last", BigInteger),
            Column("states", HUGE),
            Column("ts", BigInteger),
            Column("link", String(64)),
        )
        self.image = self._table(
            "image",
            Column("k", Integer, primary_key=True, autoincrement=False),
            Column("shape", String(64)),
            Column("tbl", HUGE),
            Column("shape_text", HUGE),
            UniqueConstraint("shape"),
        )

    def _table(self, name: str, *parts: Any) -> SqlTable:
        return SqlTable(
            self._prefix + name,
            self._metadata,
            *parts,
            **_OPTIONS,
        )

    # -- making ---------------------------------------------------------------------------------------------------
    def exists(self, connection: Connection) -> bool:
        """Whether this database has a journal, and it has its name: a crash can come in between."""
        if not inspect(connection).has_table(self.run.name, schema=self._schema):
            return False
        return bool(connection.execute(select(func.count()).select_from(self.meta)).scalar())

    def prepare(self, connection: Connection, tries: int = 5) -> None:
        """Make the journal's tables where they are missing; safe to call twice, or by two at once."""
        if self.exists(connection):
            connection.rollback()
            return None
        try:
            if self._schema:
                from sqlalchemy.schema import CreateSchema

                connection.execute(CreateSchema(self._schema, if_not_exists=True))
            self._metadata.create_all(connection)
            failpoint("journal made")
            place = self.store.dialect.place(connection)
            # two at once must not both name the database: the second waits for the first one's row, which never stays
            mine = {"k": 0, "shape": ""}
            connection.execute(insert(self.image).values(**mine))
            if not connection.execute(select(func.count()).select_from(self.meta)).scalar():
                connection.execute(insert(self.meta).values(db_uuid=secrets.token_hex(16), format=FORMAT, place=place))
            connection.execute(delete(self.image).where(self.image.c.k == mine["k"]))
            failpoint("journal named")
            connection.commit()
        except DBAPIError as error:
            connection.rollback()
            passing = self.exists(connection) or self.store.dialect.retryable(error)
            connection.rollback()
            if passing and tries:  # another operator is at it
                return self.prepare(connection, tries - 1)
            raise StoreError(
                f"{self.store}: cannot make the journal's tables: {self.store.dialect.describe(error)}; "
                "trueup writes nothing that it cannot journal"
            ) from None

    def images(self, connection: Connection, table: Table, group: Group) -> SqlTable:
        """The image table for a group's changes, made when missing; outside any chunk, as DDL would commit it."""
        shape = image_shape(table, group)
        fingerprint = digest(canonical(shape))
        found = connection.execute(select(self.image.c.k).where(self.image.c.shape == fingerprint)).scalar()
        if found is None:
            found = (connection.execute(select(func.max(self.image.c.k))).scalar() or 0) + 1
            image = self.image_table(found, shape)
            image.create(connection, checkfirst=True)
            failpoint("image table made")
            connection.execute(
                insert(self.image).values(
                    k=found, shape=fingerprint, tbl=table.name, shape_text=canonical(shape).decode()
                )
            )
        connection.commit()
        return self.image_table(found, shape)

    def known_images(self, connection: Connection, table: Table, group: Group) -> SqlTable | None:
        """The image table for a group's changes if there is one: none when a column changed its type since."""
        shape = image_shape(table, group)
        where = self.image.c.shape == digest(canonical(shape))
        found = connection.execute(select(self.image.c.k).where(where)).scalar()
        return None if found is None else self.image_table(found, shape)

    def image_table(self, number: int, shape: Mapping[str, Any]) -> SqlTable:
        """`img_<number>`: run, seq, four digests, the key (`k0` ...), the columns before (`b0`) and after (`a0`)."""
        columns: list[Any] = [
            Column("run_id", String(12), primary_key=True),
            Column("seq", BigInteger, primary_key=True, autoincrement=False),
            Column("before_digest", String(64)),
            Column("after_digest", String(64)),
            Column("rest_digest", String(64)),
            Column("key_digest", String(64)),
        ]
        for letter in "kba":
            columns += [Column(f"{letter}{i}", RawType(ddl)) for i, (_, ddl) in enumerate(shape[letter])]
        metadata = MetaData(schema=self._schema)
        return SqlTable(
            f"{self._prefix}img_{number}",
            metadata,
            *columns,
            **_OPTIONS,
            mysql_row_format="DYNAMIC",
            mariadb_row_format="DYNAMIC",
        )


def image_shape(table: Table, group: Group) -> dict[str, Any]:
    """What an image table holds for a group: column names and types of the key, before and after."""

    def typed(names: Sequence[str]) -> list[list[str]]:
        return [[name, table.columns[name].ddl] for name in names]

    touched = [column.name for column in table.stored()] if group.action == "delete" else list(group.columns)
    return {
        "table": table.name,
        "action": group.action,
        "k": typed(table.key),
        "b": typed(touched),
        "a": [] if group.action == "delete" else typed(touched),
    }
