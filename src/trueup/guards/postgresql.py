"""Guards of PostgreSQL: constraints added NOT VALID and validated afterwards, or a trigger while broken rows remain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from trueup.check import Check, Refers, Row, Unique
from trueup.guard import Guard, Step, Words, guard_name, quoted_text, refusal

_BRIEF = "ACCESS EXCLUSIVE, for milliseconds"
_SHARED = "SHARE ROW EXCLUSIVE, for milliseconds"
_READ = "SHARE UPDATE EXCLUSIVE while the table is read; writers go on"

_PRESENT = sa.text(
    "SELECT CAST(conname AS text) AS name, pg_get_constraintdef(oid) AS text FROM pg_constraint"
    " WHERE CAST(conname AS text) = ANY(:names)"
    " UNION ALL SELECT CAST(t.tgname AS text), pg_get_triggerdef(t.oid) || ' ' || p.prosrc FROM pg_trigger t"
    " JOIN pg_proc p ON p.oid = t.tgfoid WHERE CAST(t.tgname AS text) = ANY(:names) AND t.tgenabled <> 'D'"
    " UNION ALL SELECT CAST(c.relname AS text), pg_get_indexdef(c.oid) FROM pg_class c JOIN pg_index i"
    " ON i.indexrelid = c.oid WHERE CAST(c.relname AS text) = ANY(:names) AND i.indisvalid"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = c.oid)"
)


class PostgresqlWords(Words):
    """CHECK and FOREIGN KEY by NOT VALID and VALIDATE, UNIQUE by an index built concurrently."""

    name = "postgresql"

    def row(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
        """A CHECK; a trigger in the transition form, and where the condition asks another table."""
        name, table = guard_name(check), self.table(row.table)
        if transition:
            return self.trigger(check, row)
        bad = self.condition(check, row, "")
        return self._constrained(check, name, table, f"CHECK (NOT ({bad}))", _BRIEF)

    def _constrained(self, check: Check, name: str, table: str, what: str, lock: str) -> Guard:
        own = self.quoted(name)
        return Guard(
            name,
            check.title,
            check.table,
            "constraint",
            (
                Step(f"ALTER TABLE {table} ADD CONSTRAINT {own} {what} NOT VALID", lock),
                Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {own}", _READ),
            ),
            (Step(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {own}", _BRIEF),),
            (name,),
        )

    def trigger(self, check: Check, row: Row) -> Guard:
        """Refuses a value that changes to a broken one; rows that are broken already can be written otherwise."""
        name, table = guard_name(check), self.table(row.table)
        function = f"{table.rpartition('.')[0] or 'public'}.{self.quoted(name)}"
        watched = self.watched(check, row)
        # as text: json has no equality
        changed = " OR ".join(
            f"CAST(new.{self.quoted(c)} AS text) IS DISTINCT FROM CAST(old.{self.quoted(c)} AS text)" for c in watched
        )
        bad = self.condition(check, row, "new.")
        raised = f"RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = {quoted_text(name)}, "
        body = (
            f"BEGIN IF TG_OP = 'UPDATE' THEN IF NOT ({changed}) THEN RETURN new; END IF; END IF; "
            f"IF {bad} THEN {raised}MESSAGE = {quoted_text(refusal(check, name))}; END IF; RETURN new; END"
        )
        columns = ", ".join(self.quoted(column) for column in watched)
        install = (
            Step(
                f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' "
                f"AS $trueup${body}$trueup$",
                "none",
            ),
            Step(
                f"CREATE TRIGGER {self.quoted(name)} BEFORE INSERT OR UPDATE OF {columns} ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION {function}()",
                _SHARED,
            ),
        )
        remove = (
            Step(f"DROP TRIGGER IF EXISTS {self.quoted(name)} ON {table}", _BRIEF),
            Step(f"DROP FUNCTION IF EXISTS {function}()", "none"),
        )
        notes = ("a reference is asked for when the row is written; deleting what it refers to is not refused",)
        return Guard(
            name, check.title, check.table, "transition", install, remove, (name,), notes if check.reference() else ()
        )

    def reference(self, check: Check, row: Row, wanted: Refers) -> Guard:
        """A foreign key."""
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        parents = ", ".join(self.quoted(column) for column in wanted.parent_columns)
        parent = self.table(wanted.parent)
        what = f"FOREIGN KEY ({columns}) REFERENCES {parent} ({parents})"
        return self._constrained(check, guard_name(check), self.table(row.table), what, f"{_SHARED} on both tables")

    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """An index built concurrently; a constraint of it where it is of plain columns."""
        name, table = guard_name(check), self.table(row.table)
        own = self.quoted(name)
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        schema = table.rpartition(".")[0]
        return Guard(
            name,
            check.title,
            check.table,
            "constraint",
            (
                Step(f"CREATE UNIQUE INDEX CONCURRENTLY {own} ON {table} ({columns})", _READ, alone=True),
                Step(f"ALTER TABLE {table} ADD CONSTRAINT {own} UNIQUE USING INDEX {own}", _BRIEF),
            ),
            (
                Step(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {own}", _BRIEF),
                Step(f"DROP INDEX IF EXISTS {schema + '.' if schema else ''}{own}", _BRIEF),
            ),
            (name,),
        )

    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """By the system catalogues; an invalid index and a disabled trigger are not there."""
        rows = connection.execute(_PRESENT, {"names": list(names)})
        return {str(row.name): str(row.text) for row in rows}

    def prepare(self, connection: Connection) -> None:
        """A short wait for locks, so that nobody queues behind us; no limit on validating."""
        connection.exec_driver_sql("SET lock_timeout = '300ms'")
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
        connection.commit()
