"""Repairs that several kinds of check share."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, literal, not_, null, or_, select

from trueup.check import Check, Repair, Row


def sql_bool(yes: bool) -> ColumnElement[bool]:
    """TRUE or FALSE, spelled so that every engine accepts it."""
    return literal(1) == literal(1 if yes else 0)


def sql_true() -> ColumnElement[bool]:
    """True, spelled so that every engine takes it."""
    return sql_bool(True)


def sql_false() -> ColumnElement[bool]:
    """False, spelled so that every engine takes it."""
    return sql_bool(False)


def nullify(*names: str) -> Repair:
    """Set `names` to NULL; fits where all of them are nullable."""
    return Repair(
        name="nullify",
        effect="lossy",
        fits=lambda row: sql_bool(all(row.column(name).nullable for name in names)),
        sets=lambda row: dict.fromkeys(names, null()),
    )


def quarantine() -> Repair:
    """Move the row out of its table; the whole row stays in the journal until it is undone or purged.

    Fits where no other row refers to it by a declared key.
    """
    return Repair(
        name="quarantine",
        effect="destructive",
        fits=lambda row: not_(referred_to(row)),
        sets=lambda row: {},
        action="delete",
    )


def referred_to(row: Row) -> ColumnElement[bool]:
    """Whether a declared foreign key refers to `row`, so that a delete would cascade or be refused. Never NULL."""
    found = [sql_false()]
    for number, reference in enumerate(row.table.referenced_by):
        child = row.database.row(reference.table, alias=f"child{number}").relation
        pairs = zip(reference.columns, reference.parent_columns, strict=True)
        same = and_(*(row.dialect.refers(child.c[mine], row.relation.c[theirs]) for mine, theirs in pairs))
        found.append(exists(select(literal(1)).select_from(child).where(same).correlate(row.relation)))
    return or_(*found)


def unheld(check: Check, row: Row, repair: str) -> str:
    """Why the rows that a repair depends on cannot be locked; empty where they can."""
    for table in (premise.row.table for premise in check.rests_on(row, repair)):
        if table.unheld:
            return f"{row.table.name} cannot be repaired by what {table.name} holds: {table.unheld}"
    return ""
