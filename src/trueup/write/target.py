"""A group of a plan matched with its live table: the statements of an apply and of an undo are built from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, and_, bindparam, case, func
from sqlalchemy import Table as SqlTable

from trueup.changes import Group
from trueup.check import Check, Premise, Repair, Row, RowCheck
from trueup.journal.shape import Side, image_column, touched
from trueup.sql.tables import Reference, Table

#: Parameters of a chunk's statements; the prefix keeps them apart from column names.
RUN, FIRST, LAST, CHUNK, SEQS = "trueup_run", "trueup_first", "trueup_last", "trueup_chunk", "trueup_seqs"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A group of a plan with its live table, check and repair. For an undo `table` is as the run recorded it."""

    group: Group
    table: Table
    row: Row
    check: Check
    repair: Repair

    @property
    def touched(self) -> list[str]:
        """Return the columns whose images the journal stores."""
        return touched(self.table, self.group)

    @property
    def deletes(self) -> bool:
        """Whether the group deletes its rows (moves them to the quarantine)."""
        return self.group.action == "delete"


@dataclass(frozen=True, kw_only=True)
class Target(Bound):
    """A bound group with its image table: the steps of a chunk build their statements from it.

    For an undo `table` has the key and the columns that the run recorded; `whole` is false where one of them is gone.
    With `edited` a person confirms that no key was given to another row since the run.
    """

    number: int
    image: SqlTable
    whole: bool = True
    edited: bool = False

    @property
    def rest(self) -> list[str]:
        """Return the stored columns that a write must not change."""
        written = set(self.touched)
        return [column.name for column in self.table.stored() if column.name not in written]

    @property
    def computed(self) -> list[str]:
        """Return the stored generated columns whose value may depend on the settings of the session."""
        return [name for name in self.table.computed if name in self.table.columns]

    @property
    def apart(self) -> list[str]:
        """Return those of `computed` that do not depend on a touched column: a write must not change them."""
        made = self.table.computed
        return [name for name in self.computed if made[name] and made[name].isdisjoint(self.touched)]

    @property
    def premises(self) -> Sequence[Premise]:
        """Return the other rows that the finding and its repair depend on."""
        return self.check.rests_on(self.row, self.repair.name)

    @property
    def rests_on_others(self) -> bool:
        """Whether the finding depends on other rows too. If so it is evaluated again once all of them are locked."""
        return not isinstance(self.check, RowCheck) or (self.deletes and bool(self.table.referenced_by))

    @property
    def broken_reference(self) -> Reference | None:
        """Return the declared foreign key that the rows violated before the run. Undoing the run violates it again."""
        return broken_reference(self.table, self.check)

    @property
    def unchecked_references(self) -> list[Reference]:
        """Return the foreign keys of the written columns that the engine may not enforce, without the broken one."""
        return unchecked_references(self.table, self.check, self.touched)

    def same_key(self) -> ColumnElement[bool]:
        """Return the condition that joins a live row to its image."""
        columns = self.row.relation.c
        return and_(*(columns[name] == value for name, value in self.held("k").items()))

    def images(self, side: Side) -> dict[str, ColumnElement[Any]]:
        """Return the columns of the image table for one side, by the names of the table's columns that they copy."""
        names = self.table.key if side == "k" else self.touched
        return {name: self.image.c[image_column(side, number)] for number, name in enumerate(names)}

    def held(self, side: Side) -> dict[str, ColumnElement[Any]]:
        """Return the images of one side, converted to the types of the table's own columns, by column name."""
        into = self.row.dialect.from_image
        return {name: into(image, self.table.columns[name]) for name, image in self.images(side).items()}

    def in_chunk(self, *, whole: bool = True) -> ColumnElement[bool]:
        """Return the condition that an image belongs to one chunk; see the function `in_chunk`."""
        return in_chunk(self.image, whole=whole)

    def kept(self) -> dict[Any, Any]:
        """Return assignments `column = column` for auto-updated columns (ON UPDATE).

        They make the engine leave these columns as they are.
        """
        columns = self.row.relation.c
        return {columns[name]: columns[name] for name in renewed(self.row.table, self.group)}


def broken_reference(table: Table, check: Check) -> Reference | None:
    """Return the declared foreign key of the table that the broken rows of the check violate, or None."""
    for reference in table.references:
        if set(reference.columns) == set(check.columns) and reference.parent == check.parent():
            return reference
    return None


def unchecked_references(table: Table, check: Check, written: Sequence[str]) -> list[Reference]:
    """Return the foreign keys of the columns `written` that the engine does not enforce.

    Where the check has a broken reference, enforcement is off while that is restored, so every other key counts.
    """
    broken = broken_reference(table, check)
    return [
        one
        for one in table.references
        if one != broken and set(written) & set(one.columns) and not (one.checked and broken is None)
    ]


def renewed(table: Table, group: Group) -> list[str]:
    """Return the columns that the engine sets by itself on any update (ON UPDATE) and that the group does not write."""
    return [column.name for column in table.stored() if column.auto_update and column.name not in group.columns]


def in_chunk(table: SqlTable, *, whole: bool = True) -> ColumnElement[bool]:
    """Return the condition that a row of a journal table belongs to one chunk.

    It binds `RUN`, and for a `whole` range `FIRST` and `LAST`, otherwise `SEQS`.
    """
    seq = table.c.seq
    some = (
        seq.between(bindparam(FIRST, type_=BigInteger), bindparam(LAST, type_=BigInteger))
        if whole
        else seq.in_(bindparam(SEQS, type_=BigInteger, expanding=True))
    )
    return and_(table.c.run_id == bindparam(RUN, type_=String), some)


def tally(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return the aggregate that counts the rows where the condition holds."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
