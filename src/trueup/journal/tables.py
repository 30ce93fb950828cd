"""The journal's tables `meta`, `run`, `op`, `chunk` and `img_<k>`, which are created where they are missing."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
    func,
    insert,
    select,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from trueup.changes import Group
from trueup.codec import canonical, digest
from trueup.errors import Refused, Stopped, StoreError
from trueup.journal.failpoints import failpoint
from trueup.journal.shape import SIDES, RawType, differs, image_column, image_shape
from trueup.sql.tables import Table
from trueup.sql.writing import Kept
from trueup.stores.sql import SqlStore

T = TypeVar("T")
#: 2: images in types of the engine's own only, an image's number taken before its table is made, and whole shapes of
#: tables in a run's header. Nothing reads format 1.
FORMAT = 2
#: How often a step outside of chunks is tried, and the seconds of sleep in between.
TRIES, REST = 10, (0.05, 0.4)
_SEEN, _WRITABLE = "trueup_journal", "trueup_journal_writable"


def _meta(text: Any) -> list[Any]:
    return [
        Column("db_uuid", String(32), primary_key=True),
        Column("format", Integer),
        Column("place", text),
    ]


def _run(text: Any) -> list[Any]:
    return [
        Column("run_id", String(12), primary_key=True),
        Column("no", BigInteger),
        Column("plan_digest", String(64), nullable=False),
        Column("plan_path", text),
        Column("header", text),
        Column("environment", String(200)),
        Column("tool", String(40)),
        Column("format", Integer),
        Column("state", String(12)),
        Column("reason", text),
        Column("because", text),
        Column("planned", BigInteger),
        Column("fence", BigInteger),
        Column("owner", String(200)),
        Column("started", BigInteger),
        Column("ended", BigInteger),
        Column("verified", text),
        Column("paused", Integer),
        Column("chunks", BigInteger),
        Column("tip", String(64)),
        UniqueConstraint("plan_digest"),
        UniqueConstraint("no"),
    ]


def _op(text: Any) -> list[Any]:
    return [
        Column("run_id", String(12), primary_key=True),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("grp", Integer),
        Column("state", String(14)),
        Column("reason", text),
        Column("pk", text),
        Column("seen", String(64)),
        Column("chunk", BigInteger),
    ]


def _chunk(text: Any) -> list[Any]:
    return [
        Column("run_id", String(12), primary_key=True),
        Column("no", BigInteger, primary_key=True, autoincrement=False),
        Column("phase", String(8)),
        Column("first", BigInteger),
        Column("last", BigInteger),
        Column("states", text),
        Column("ts", BigInteger),
        Column("link", String(64)),
    ]


def _image(text: Any) -> list[Any]:
    return [
        Column("k", Integer, primary_key=True, autoincrement=False),
        Column("shape", String(64)),
        Column("tbl", text),
        Column("shape_text", text),
        UniqueConstraint("shape"),
    ]


class JournalTables:
    """The journal's tables in one store. `prepare` creates them; everything else expects them to exist."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        dialect = store.dialect
        self._prefix, self._schema = dialect.journal_prefix, dialect.journal_schema
        self._metadata = MetaData(schema=self._schema)
        text = dialect.journal_text
        self.meta = self._table("meta", *_meta(text))
        self.run = self._table("run", *_run(text))
        self.op = self._table("op", *_op(text))
        self.chunk = self._table("chunk", *_chunk(text))
        self.image = self._table("image", *_image(text))

    def _table(self, name: str, *parts: Any) -> SqlTable:
        return SqlTable(self._prefix + name, self._metadata, *parts, **self.store.dialect.journal_options)

    @property
    def tables(self) -> list[SqlTable]:
        """Return all tables except the image tables."""
        return [self.meta, self.run, self.op, self.chunk, self.image]

    @property
    def looked(self) -> str:
        """Return the clause that says what is missing where there is no journal.

        A renamed journal counts as missing.
        """
        return f"is no journal in its schema {self._schema!r}" if self._schema else f"is no table {self.run.name!r}"

    def exists(self, connection: Connection) -> bool:
        """Whether this database has a journal and the journal has its name.

        A crash can leave the tables without the name.

        Checked once per session. Raises `StoreError` where a table is not as trueup creates it.
        """
        if connection.info.get(_SEEN):
            return True
        found = self._look(connection, self.tables)
        if not found.keys() - {""}:
            return False
        if self.meta.name not in found:  # created first
            self._expect(connection, [self.meta])
        formats = connection.execute(select(self.meta.c.format)).scalars().all()
        if not formats:
            return False
        if formats != [FORMAT]:
            raise StoreError(
                f"{self.store}: the journal has format {formats[0]}, this version of trueup keeps {FORMAT}; "
                "undo its runs with the version that made them, then drop its tables"
            )
        # a table that another session made since the look is there now
        whole = all(table.name in found for table in self.tables)
        self._expect(connection, self.tables, found if whole else None)
        connection.info[_SEEN] = True
        return True

    def prepare(self, connection: Connection) -> None:
        """Create the journal's missing tables. Safe to call twice, or from many sessions at once."""
        ready = self.patiently(connection, lambda: self.writable(connection))
        connection.rollback()
        if not ready:
            self._make_alone(connection, lambda: self.exists(connection) or self._make(connection))

    def _make(self, connection: Connection) -> bool:
        new_place = bool(self._schema) and "" not in self.store.dialect.kept(connection, [])
        if self._schema and new_place:
            connection.execute(CreateSchema(self._schema))
        self._create(connection, self.tables, place=new_place)
        failpoint("journal made")
        place = self.store.dialect.place(connection)
        connection.execute(insert(self.meta).values(db_uuid=secrets.token_hex(16), format=FORMAT, place=place))
        return True

    def create(self, connection: Connection, table: SqlTable) -> None:
        """Create one more table beside the journal's if it is missing, under the same lock and checks."""
        if self.has(connection, table):
            return
        self._make_alone(connection, lambda: self._create(connection, [table]))

    def _create(self, connection: Connection, tables: Sequence[SqlTable], *, place: bool = False) -> None:
        """Create the missing ones of `tables`, and check that all of them are trueup's. Called while `alone`."""
        there = self._look(connection, tables)
        missing = [table for table in tables if table.name not in there]
        for table in missing:
            table.create(connection)
        if missing:
            self.store.dialect.seclude(connection, [table.name for table in missing], place=place)
        self._expect(connection, tables)

    def alone(self, connection: Connection, what: str, work: Callable[[], T]) -> T:
        """Call `work`, which commits, while this session holds the lock named `what`."""

        def inside() -> T:
            with self.store.dialect.alone(connection, what):
                return work()

        return self.patiently(connection, inside)

    def patiently(self, connection: Connection, work: Callable[[], T]) -> T:
        """Call `work` in a transaction of its own, and repeat it after a lock timeout or a deadlock."""
        for number in range(1, TRIES + 1):
            connection.rollback()
            try:
                return work()
            except DBAPIError as error:
                if connection.invalidated:
                    raise
                connection.rollback()
                if number == TRIES or not self.store.dialect.retryable(error):
                    raise
                time.sleep(random.uniform(*REST))  # noqa: S311 - jitter, not a secret
        raise AssertionError("the last try returns or raises")

    def _make_alone(self, connection: Connection, make: Callable[[], T]) -> T:
        def work() -> T:
            made = make()
            failpoint("journal named")
            connection.commit()
            return made

        try:
            return self.alone(connection, "the journal's tables", work)
        except DBAPIError as error:
            if connection.invalidated or self.store.dialect.disconnected(error):
                raise
            raise StoreError(
                f"{self.store}: cannot make the journal's tables: {self.store.dialect.describe(error)}; "
                "trueup writes nothing that it cannot journal"
            ) from None

    def stop_unless_whole(self, connection: Connection, image: SqlTable) -> None:
        """Check the journal's tables and one image table again, before an error is blamed on an operation.

        Raises `Stopped` where one of them was altered or is gone.
        """
        try:
            self._expect(connection, [*self.tables, image])
        except StoreError as error:
            raise Stopped(str(error)) from None

    def _look(self, connection: Connection, tables: Sequence[SqlTable]) -> Mapping[str, Kept]:
        """Return the existing ones of `tables`.

        Raises `StoreError` where one has a trigger or the like that is not trueup's.
        """
        found = self.store.dialect.kept(connection, [table.name for table in tables])
        for name, kept in found.items():
            if kept.faults:
                what = f"table {self._called(name)!r}" if name else f"schema {self._schema!r}"
                raise StoreError(f"{self.store}: the journal's {what} {kept.faults[0]}")
        return found

    def _expect(
        self, connection: Connection, tables: Sequence[SqlTable], found: Mapping[str, Kept] | None = None
    ) -> None:
        """Raise `StoreError` unless all `tables` exist with the columns and keys that trueup creates.

        `found` are the tables as a look has just found them.
        """
        if found is None:
            found = self._look(connection, tables)
        for table in tables:
            problem = (
                differs(self.store.dialect, connection, found[table.name], table) if table.name in found else "is gone"
            )
            if problem:
                raise StoreError(f"{self.store}: the journal's table {self._called(table.name)!r} {problem}")

    def has(self, connection: Connection, table: SqlTable) -> bool:
        """Whether the table exists. Raises `StoreError` where it is not as trueup creates it."""
        found = self._look(connection, [table])
        if table.name in found:
            self._expect(connection, [table], found)
        return table.name in found

    def _called(self, name: str) -> str:
        return f"{self._schema}.{name}" if self._schema else name

    def writable(self, connection: Connection) -> bool:
        """Whether there is a journal to write to. Checked once per session.

        Raises `StoreError` where a table is not as trueup creates it. Raises `Refused` where the journal's rows would
        leave the database (replication), or where triggers on its tables cannot be seen.
        """
        if not connection.info.get(_WRITABLE):
            if why := self.store.dialect.unfit(connection, [table.name for table in self.tables]):
                raise Refused(f"{self.store}: {why}")
            connection.info[_WRITABLE] = self.exists(connection)
        return bool(connection.info[_WRITABLE])

    def images(self, connection: Connection, table: Table, group: Group) -> SqlTable:
        """Return the image table for a group's changes, and create it if it is missing.

        Call it outside of any chunk: DDL commits.
        """
        shape = image_shape(self.store.dialect, table, group)
        image = self._image_of(connection, shape)
        if image is None or not self.has(connection, image):
            image = self._make_alone(connection, lambda: self._enter_image(connection, shape, table.name))
        connection.commit()
        return image

    def _enter_image(self, connection: Connection, shape: Mapping[str, Any], table: str) -> SqlTable:
        """Insert the number of an image table, then create the table.

        Where DDL commits, the number must be committed before other sessions can see the table.
        """
        image = self._image_of(connection, shape)
        if image is None:
            number = (connection.execute(select(func.max(self.image.c.k))).scalar() or 0) + 1
            # an existing table without a row is not ours: the row is always inserted before its table is created
            while self._look(connection, [self.image_table(number, shape)]).keys() - {""}:
                number += 1
            fingerprint, text = digest(canonical(shape)), canonical(shape).decode()
            connection.execute(insert(self.image).values(k=number, shape=fingerprint, tbl=table, shape_text=text))
            failpoint("image entered")
            image = self.image_table(number, shape)
        self._create(connection, [image])
        failpoint("image table made")
        return image

    def known_images(self, connection: Connection, table: Table, group: Group) -> SqlTable | None:
        """Return the existing image table for a group's changes; None when a column changed its type since.

        Raises `StoreError` where the table is gone or was altered.
        """
        image = self._image_of(connection, image_shape(self.store.dialect, table, group))
        if image is not None:
            self._expect(connection, [image])
        return image

    def _image_of(self, connection: Connection, shape: Mapping[str, Any]) -> SqlTable | None:
        where = self.image.c.shape == digest(canonical(shape))
        found = connection.execute(select(self.image.c.k).where(where)).scalar()
        return None if found is None else self.image_table(found, shape)

    def image_table(self, number: int, shape: Mapping[str, Any]) -> SqlTable:
        """Describe the table `img_<number>`.

        It has run, seq, four digests, the key (`k0` ...), the columns before (`b0`) and after (`a0`).
        """
        columns: list[Any] = [
            Column("run_id", String(12), primary_key=True),
            Column("seq", BigInteger, primary_key=True, autoincrement=False),
            Column("before_digest", String(64)),
            Column("after_digest", String(64)),
            Column("rest_digest", String(64)),
            Column("key_digest", String(64)),
        ]
        for side in SIDES:
            columns += [Column(image_column(side, i), RawType(ddl)) for i, (_, ddl) in enumerate(shape[side])]
        metadata = MetaData(schema=self._schema)
        return SqlTable(
            f"{self._prefix}img_{number}",
            metadata,
            *columns,
            **self.store.dialect.journal_options,
            **self.store.dialect.image_options,
        )
