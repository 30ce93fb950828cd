"""Lists the privileges that a run needs, so that a missing one is reported before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection
from sqlalchemy import Table as SqlTable

from trueup.errors import StoreError
from trueup.journal.journal import Journal
from trueup.sql.tables import Need, Right
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.write.target import Bound, broken_reference, renewed, unchecked_references

#: Privileges that a run needs on the journal's tables, once they exist; with TRIGGER it can see their triggers.
_JOURNAL: Mapping[str, Sequence[Right]] = {
    "meta": ("SELECT",),
    "run": ("SELECT", "INSERT", "UPDATE"),
    "op": ("SELECT", "INSERT", "UPDATE"),
    "chunk": ("SELECT", "INSERT"),
    "image": ("SELECT", "INSERT"),
}


def refuse_without(store: SqlStore, connection: Connection, needs: Sequence[Need]) -> None:
    """Raise `StoreError` with the privileges of `needs` that this account lacks."""
    if lacking := store.dialect.lacks(connection, needs):
        raise StoreError(f"{store}: the account needs {', '.join(lacking)}")


def of_tables(database: SqlDatabase, bound: Iterable[Bound], *, back: bool = False) -> list[Need]:
    """Return the privileges on the application's tables that applying the groups needs, or with `back` undoing them."""
    return [need for one in bound for need in _of_group(database, one, back=back)]


def _of_group(database: SqlDatabase, bound: Bound, *, back: bool) -> Iterator[Need]:
    group, row, check, table = bound.group, bound.row, bound.check, bound.row.table
    stored = tuple(column.name for column in table.stored())
    reads = [premise.row.table for premise in check.rests_on(row, bound.repair.name)]
    broken = broken_reference(table, check)
    beside = unchecked_references(table, check, group.columns or stored)
    holds = [database.table(one.parent) for one in beside]
    yield from [Need("SELECT", table.sql)] if back else to_look(database, [bound])
    if group.action == "update":
        yield Need("UPDATE", table.sql, (*group.columns, *renewed(table, group)))
    else:
        yield Need("LOCK", table.sql, stored)
        # apply rehearses the undo, which needs the rights of the undo too
        yield from () if back else (Need("DELETE", table.sql),)
        yield Need("INSERT", table.sql, stored)
    if not database.dialect.single_writer:
        yield from (Need("SHARE", one.sql, one.key or tuple(one.columns)) for one in holds + ([] if back else reads))
    if broken is not None and not back:
        yield Need("UNCHECKED", table.sql)


def to_look(database: SqlDatabase, bound: Iterable[Bound]) -> list[Need]:
    """Return the privileges that reading the rows of the groups needs."""
    for one in bound:
        one.check.holds(one.row)
        one.repair.sets(one.row)
    return [Need("SELECT", table.sql) for table in database.met()]


def of_journal(journal: Journal) -> list[Need]:
    """Return the privileges that writing to the journal needs."""
    tables = {
        "meta": journal.meta, "run": journal.run, "op": journal.op, "chunk": journal.chunk, "image": journal.image,
    }  # fmt: skip
    return [_whole(right, tables[name]) for name in _JOURNAL for right in _JOURNAL[name]]


def to_make(journal: Journal) -> list[Need]:
    """Return the privileges that creating the journal needs."""
    return [*(Need("CREATE", table) for table in journal.tables), _whole("INSERT", journal.meta)]


def of_images(images: Sequence[SqlTable], *, begins: bool) -> list[Need]:
    """Return the privileges on image tables: those for writing where a run `begins`, else those for reading."""
    rights: Sequence[Right] = ("SELECT", "INSERT", "TRIGGER") if begins else ("SELECT", "TRIGGER")
    return [_whole(right, table) for table in images for right in rights]


def of_verdict(journal: Journal) -> list[Need]:
    """Return the privileges that reading the journal and recording the result of a verification need."""
    reads = [Need("SELECT", table) for table in (journal.run, journal.op, journal.chunk, journal.image)]
    return [*reads, _whole("UPDATE", journal.run)]


def of_remark(table: SqlTable) -> list[Need]:
    """Return the privileges that storing what happened around a run needs."""
    rights: Sequence[Right] = ("CREATE", "SELECT", "INSERT", "UPDATE", "TRIGGER")
    return [_whole(right, table) for right in rights]


def _whole(right: Right, table: SqlTable) -> Need:
    return Need(right, table, tuple(column.name for column in table.columns) if right == "INSERT" else ())
