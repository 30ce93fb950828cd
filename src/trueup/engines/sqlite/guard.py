"""Guards of SQLite: triggers, because no constraint can be added to an existing table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, null

from trueup.check import Check, Refers, Row, Unique
from trueup.engines.sqlite.dialect import Sqlite
from trueup.guard.contract import Guard, GuardDialect, Step, guard_name, refusal
from trueup.sql.spelling import quoted_text
from trueup.sql.tables import Storage

_UNTRUSTED = (
    "a session with PRAGMA trusted_schema=OFF cannot write what asks this guard "
    "where SQLite takes its own JSON functions for unsafe, as 3.40 does"
)
_WRITE = "the write lock, for milliseconds"


class _Native(Sqlite):
    """Conditions with SQLite's own JSON functions: the application's sessions have no others."""

    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        spelled = "$" + "".join("." + json.dumps(key, ensure_ascii=False) for key in path)
        # not the operator ->: a library older than 3.38 could not open a database whose schema has it
        kind, found = func.json_type(value, spelled), func.json_extract(value, spelled)
        words = kind.in_(["true", "false", "null"])
        return case(
            (func.json_valid(value) == 0, null()), (kind.is_(None), null()), (words, kind), else_=func.json_quote(found)
        )


class SqliteGuards(GuardDialect):
    """Builds triggers that raise ABORT, and a unique index against duplicates."""

    name = "sqlite"

    def native(self, row: Row) -> Any:
        """Return SQLite without the functions that trueup registers."""
        return _Native()

    def recorded(self, guard: Guard) -> Guard:
        """Return the guard with the steps that drop its triggers, or its index."""
        kind = "TRIGGER" if guard.form == "transition" else "INDEX"
        steps = (Step(f"DROP {kind} IF EXISTS {self.quoted(one)}", _WRITE) for one in guard.objects)
        return replace(guard, remove=tuple(steps))

    def row(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
        """Build two triggers. The one on UPDATE evaluates the condition only where the value changes."""
        name, table = guard_name(check), self.table(row.table)
        bad = self.condition(check, row, "new.")
        watched = self.watched(check, row)
        # for a column that folds case another case would be no change
        changed = " OR ".join(f"new.{self.quoted(c)} COLLATE BINARY IS NOT old.{self.quoted(c)}" for c in watched)
        columns = ", ".join(self.quoted(column) for column in watched)
        refuse = f"BEGIN SELECT RAISE(ABORT, {quoted_text(refusal(check, name))}); END"
        guard = self.triggers(
            check,
            _WRITE,
            f"BEFORE INSERT ON {table} WHEN {bad} {refuse}",
            f"BEFORE UPDATE OF {columns} ON {table} WHEN ({changed}) AND ({bad}) {refuse}",
        )
        return replace(guard, notes=(*guard.notes, _UNTRUSTED)) if "json_" in bad else guard

    def reference(self, check: Check, row: Row, wanted: Refers) -> Guard:
        """Build triggers, not a foreign key.

        A foreign key would need the table to be rebuilt, and every session to enforce foreign keys.
        """
        return self.row(check, row, transition=True, window=False)

    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """Build a unique index that compares bytes as the check does. Writers wait while it is built."""
        name = guard_name(check)
        columns = ", ".join(f"{self.quoted(column)} COLLATE BINARY" for column in wanted.columns)
        install = Step(
            f"CREATE UNIQUE INDEX {self.quoted(name)} ON {self.table(row.table)} ({columns})",
            "the write lock while the index is built",
        )
        remove = Step(f"DROP INDEX IF EXISTS {self.quoted(name)}", _WRITE)
        return Guard(
            name=name,
            check=check.title,
            table=check.table,
            form="constraint",
            install=(install,),
            remove=(remove,),
            objects=(name,),
        )

    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Read sqlite_schema."""
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE type IN ('trigger', 'index')")
        return {str(row[0]): str(row[1]) for row in rows if row[0] in names}
