"""Rows that are not as a copy of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, TableClause, and_, column, exists, select, table

from trueup.check import ALL, Broken, Database, Repair, Row, SetCheck
from trueup.errors import NotChecked
from trueup.repairs import sql_true


@dataclass(frozen=True, kw_only=True)
class DiffersFromBackup(SetCheck):
    """A row is not as it is in a copy of its table, such as one restored from a backup.

    **Why it is bad.** It need not be: rows change. After a mistake that no journal knows of, the copy is what there
    is to go back to, and this says which rows that would change.

    **How it happens.** A script without a WHERE, a migration that converted values badly, a restore of half a
    database.

    **Options.** `columns` are compared, byte for byte, and restored; keys are not among them. `copy` is the table
    that holds the copy, in the same database, with the same keys and columns. Rows that the copy lacks, and rows that
    are only in the copy, are not found. `trueup restore-plan` makes the copy and the check by itself.

    **Repairs.** `restore` (lossy: what was written since the copy was made is lost) sets the columns to the copy's.

    **Example.**

    ```sql
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
    CREATE TABLE users_before (id INTEGER PRIMARY KEY, email TEXT);
    INSERT INTO users (id, email) VALUES (1, 'ann@example.org'), (2, ''), (3, NULL), (4, 'new@example.org');
    INSERT INTO users_before (id, email) VALUES (1, 'ann@example.org'), (2, 'bob@example.org'), (3, NULL);
    ```

    ```yaml
    checks:
      - kind: differs-from-backup
        table: users
        columns: email
        copy: users_before
    ```

    Finds 1.
    """

    kind: ClassVar[str] = "differs-from-backup"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    columns: tuple[str, ...] = ()
    copy: str

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError(f"{self.kind} needs 'columns'")

    def holds(self, row: Row) -> ColumnElement[bool]:
        """The copy has this row, with other bytes."""
        other = self._copy(row)
        found = select(1).select_from(other).where(self._same(row, other), self._differs(row, other))
        return exists(found.correlate(row.relation))

    def broken(self, database: Database) -> Broken:
        """The same as a join."""
        row = database.row(self.table)
        other = self._copy(row)
        return Broken(row, row.relation.join(other, self._same(row, other)), self._differs(row, other))

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`users (email) is not as in users_before`."""
        return f"{self.table} ({', '.join(self.columns)}) is not as in {self.copy}"

    def repairs(self) -> Sequence[Repair]:
        """`restore`."""
        return [Repair(name="restore", effect="lossy", fits=lambda row: sql_true(), sets=self._restored)]

    def _copy(self, row: Row) -> TableClause:
        if not row.table.key:
            raise NotChecked(f"{self.table} has no key, so its rows cannot be found in the copy")
        schema, _, name = self.copy.rpartition(".")
        names = dict.fromkeys([*row.table.key, *self.columns])
        return table(name, *(column(one, row[one].type) for one in names), schema=schema or row.table.sql.schema)

    def _same(self, row: Row, other: TableClause) -> ColumnElement[bool]:
        return and_(*(row[name] == other.c[name] for name in row.table.key))

    def _differs(self, row: Row, other: TableClause) -> ColumnElement[bool]:
        mine = row.digest(self.columns)
        theirs = row.dialect.digest([(row.column(name), other.c[name]) for name in self.columns])
        return mine != theirs

    def _restored(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        other = self._copy(row)
        return {
            # a limit, as an engine may look at a subquery before it has filtered it
            name: select(other.c[name]).where(self._same(row, other)).correlate(row.relation).limit(1).scalar_subquery()
            for name in self.columns
        }
