"""A group of a plan bound to the live table: what the statements of an apply and of an undo are built from."""

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

#: Parameters of a chunk's statements; the prefix keeps them from the names of anybody's columns.
RUN, FIRST, LAST, CHUNK, SEQS = "trueup_run", "trueup_first", "trueup_last", "trueup_chunk", "trueup_seqs"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A group of a plan with the live rows it is about. For an undo `table` is as the run recorded it."""

    group: Group
    table: Table
    row: Row
    check: Check
    repair: Repair

    @property
    def touched(self) -> list[str]:
        """The columns whose images are kept."""
        return touched(self.table, self.group)

    @property
    def deletes(self) -> bool:
        """Whether the rows are moved out."""
        return self.group.action == "delete"


@dataclass(frozen=True, kw_only=True)
class Target(Bound):
    """A bound group with its image table: what the steps need to build their statements.

    For an undo `table` has the key and the columns that the run recorded; `whole` is false where one of them is gone.
    With `edited` a person vouches that no key was given to another row since the run.
    """

    number: int
    image: SqlTable
    whole: bool = True
    edited: bool = False

    @property
    def rest(self) -> list[str]:
        """The stored columns that must stay as they are."""
        written = set(self.touched)
        return [column.name for column in self.table.stored() if column.name not in written]

    @property
    def computed(self) -> list[str]:
        """The stored generated columns whose value may depend on the settings of a session."""
        return [name for name in self.table.computed if name in self.table.columns]

    @property
    def apart(self) -> list[str]:
        """Those of `computed` that do not depend on a touched column: a write must leave them as they are."""
        made = self.table.computed
        return [name for name in self.computed if made[name] and made[name].isdisjoint(self.touched)]

    @property
    def premises(self) -> Sequence[Premise]:
        """The other rows that the finding and its repair rest on."""
        return self.check.rests_on(self.row, self.repair.name)

    @property
    def rests_on_others(self) -> bool:
        """Whether more than the row itself decides, so that it is looked at again once all is held."""
        return not isinstance(self.check, RowCheck) or (self.deletes and bool(self.table.referenced_by))

    @property
    def broken_reference(self) -> Reference | None:
        """The declared key that the rows broke before the run, so that giving them back breaks it again."""
        return broken_reference(self.table, self.check)

    @property
    def unchecked_references(self) -> list[Reference]:
        """The declared keys of the columns written that the engine may not check, without the broken one."""
        return unchecked_references(self.table, self.check, self.touched)

    def same_key(self) -> ColumnElement[bool]:
        """The condition that joins a live row to its image."""
        columns = self.row.relation.c
        return and_(*(columns[name] == value for name, value in self.held("k").items()))

    def images(self, side: Side) -> dict[str, ColumnElement[Any]]:
        """The columns of the image table that hold one side, by the columns of the table that they are copies of."""
        names = self.table.key if side == "k" else self.touched
        return {name: self.image.c[image_column(side, number)] for number, name in enumerate(names)}

    def held(self, side: Side) -> dict[str, ColumnElement[Any]]:
        """The same as values of the table's own columns."""
        into = self.row.dialect.from_image
        return {name: into(image, self.table.columns[name]) for name, image in self.images(side).items()}

    def in_chunk(self, *, whole: bool = True) -> ColumnElement[bool]:
        """The condition that an image belongs to one chunk; see the function `in_chunk`."""
        return in_chunk(self.image, whole=whole)

    def kept(self) -> dict[Any, Any]:
        """Assignments that keep the columns which the engine would set anew on any update."""
        columns = self.row.relation.c
        return {columns[name]: columns[name] for name in renewed(self.row.table, self.group)}


def broken_reference(table: Table, check: Check) -> Reference | None:
    """The declared key of a table that the broken rows of a check break."""
    for reference in table.references:
        if set(reference.columns) == set(check.columns) and reference.parent == check.parent():
            return reference
    return None


def unchecked_references(table: Table, check: Check, written: Sequence[str]) -> list[Reference]:
    """The keys of columns `written` that the engine does not check, or not while a broken one is given back."""
    broken = broken_reference(table, check)
    return [
        one
        for one in table.references
        if one != broken and set(written) & set(one.columns) and not (one.checked and broken is None)
    ]


def renewed(table: Table, group: Group) -> list[str]:
    """The columns that the engine sets anew on any update, without those that the group itself changes."""
    return [column.name for column in table.stored() if column.auto_update and column.name not in group.columns]


def in_chunk(table: SqlTable, *, whole: bool = True) -> ColumnElement[bool]:
    """Rows of a journal table that belong to one chunk; binds `RUN`, and `FIRST` and `LAST`, or else `SEQS`."""
    seq = table.c.seq
    some = (
        seq.between(bindparam(FIRST, type_=BigInteger), bindparam(LAST, type_=BigInteger))
        if whole
        else seq.in_(bindparam(SEQS, type_=BigInteger, expanding=True))
    )
    return and_(table.c.run_id == bindparam(RUN, type_=String), some)


def tally(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows meet a condition."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
