"""Guards of PostgreSQL: constraints added NOT VALID and validated afterwards, or a trigger while broken rows remain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from trueup.check import Check, Refers, Row, Unique
from trueup.engines.postgresql import guard_queries as asked
from trueup.engines.postgresql.session import pooled
from trueup.errors import Refused
from trueup.guard.contract import Guard, GuardDialect, Step, Writer, guard_name, refusal
from trueup.sql.spelling import run_verbatim
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase

_BRIEF = "ACCESS EXCLUSIVE, for milliseconds"
_SHARED = "SHARE ROW EXCLUSIVE, for milliseconds"
_READ = "SHARE UPDATE EXCLUSIVE while the table is read; writers go on"
_LIMITS = {"lock_timeout": "300ms", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}


class PostgresqlGuards(GuardDialect):
    """CHECK and FOREIGN KEY by NOT VALID and VALIDATE, UNIQUE by an index built concurrently."""

    name = "postgresql"

    def text(self, value: str) -> str:
        """With the backslashes of a kind that means the same whatever `standard_conforming_strings` is."""
        plain = super().text(value)
        return "E" + plain.replace("\\", "\\\\") if "\\" in value else plain

    def recorded(self, guard: Guard) -> Guard:
        """Its trigger with its function, or its constraint, which an index may be left of."""
        own, table = self.quoted(guard.name), self.spot(guard)
        beside = f"{self.quoted(guard.place[0] or 'public')}.{own}"
        steps = (
            (
                Step(f"DROP TRIGGER IF EXISTS {own} ON {table}", _BRIEF),
                Step(f"DROP FUNCTION IF EXISTS {beside}()", "none"),
            )
            if guard.form == "transition"
            else (
                Step(f"ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS {own}", _BRIEF),
                Step(f"DROP INDEX IF EXISTS {beside}", _BRIEF),
            )
        )
        return replace(guard, remove=steps)

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
        function = self._beside(row.table, name)
        watched = self.watched(check, row)
        # as text: json has no equality
        changed = " OR ".join(
            f"CAST(new.{self.quoted(c)} AS text) IS DISTINCT FROM CAST(old.{self.quoted(c)} AS text)" for c in watched
        )
        bad = self.condition(check, row, "new.")
        raised = f"RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = {self.text(name)}, "
        reads = self.reads(check, row)
        # with the writer's rights it would see only the rows of another table that the writer sees, or none
        secured = " SECURITY DEFINER" if reads else ""
        body = (
            f"BEGIN IF TG_OP = 'UPDATE' THEN IF NOT ({changed}) THEN RETURN new; END IF; END IF; "
            f"IF {bad} THEN {raised}MESSAGE = {self.text(refusal(check, name))}; END IF; RETURN new; END"
        )
        columns = ", ".join(self.quoted(column) for column in watched)
        tag = "$trueup$"
        while tag in body:
            tag = f"{tag[:-1]}_$"
        guarded = [
            # not OR REPLACE: one that somebody else has made would stay theirs, to be changed later. Temporary types
            # come last: whoever runs the trigger could have made one under the name of a usual type
            Step(
                f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql{secured} "
                f"SET search_path = pg_catalog, pg_temp AS {tag}{body}{tag}",
                "none",
            ),
        ]
        if reads:  # nobody else can have it asked for tables of their own
            guarded.append(Step(f"REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC", "none"))
        install = (
            *guarded,
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
            name, check.title, check.table, "transition", install, remove, (name,), notes if check.parent() else ()
        )

    def owned(self, guard: Guard, database: SqlDatabase, definer: str) -> Guard:
        """A function that reads other tables belongs to a role that may read all their rows, and lasts as they do."""
        guard = super().owned(guard, database, definer)
        if guard.form != "transition" or not guard.reads or database.dialect.name != self.name:
            return guard
        found = self._owners(database.connection, guard)
        chosen = next((one for one in found if one.possible and not one.lacks), None)
        if chosen is None:
            lacking = next((one for one in found if one.me), found[-1])
            why = lacking.lacks or f"may not create a function in {guard.place[0]}"
            raise Refused(
                f"{guard.check} cannot be guarded: its trigger must read {', '.join(_tables(guard))} whoever writes, "
                f"and the role {lacking.name!r} {why}"
            )
        notes = (*guard.notes, f"it reads {', '.join(_tables(guard))} with the rights of the role {chosen.name}")
        if chosen.me:
            return replace(guard, definer=chosen.name, notes=notes)
        function = self._beside(database.table(guard.table), guard.name)
        own = Step(f"ALTER FUNCTION {function}() OWNER TO {self.quoted(chosen.name)}", "none")
        # before the trigger: no write ever meets it half made
        install = (*guard.install[:-1], own, guard.install[-1])
        return replace(guard, definer=chosen.name, notes=notes, install=install)

    def _beside(self, table: Table, name: str) -> str:
        """A name in the schema of a table."""
        return f"{self.quoted(str(table.sql.schema or 'public'))}.{self.quoted(name)}"

    def _owners(self, connection: Connection, guard: Guard) -> Sequence[Any]:
        where = {"schema": guard.place[0], "table": guard.place[1]}
        return connection.execute(asked.OWNERS, {**asked.wanted(guard.reads), **where}).all()

    def trouble(self, connection: Connection, guard: Guard) -> str:
        """By the rights that the owner of the function has now on what it reads."""
        where = {"names": list(guard.objects), "schema": guard.place[0], "table": guard.place[1]}
        owner = connection.execute(asked.RUNS_AS, where).scalar()
        if owner is None or not guard.reads:
            return ""
        lacks = connection.execute(asked.LACKS, {**asked.wanted(guard.reads), "role": owner}).scalar()
        return f"it runs as the role {owner!r}, which {lacks}" if lacks else ""

    def writers(self, connection: Connection, guard: Guard) -> Sequence[Writer]:
        """Every role with INSERT or UPDATE on the table, those that log in first; no superusers."""
        rows = connection.execute(asked.WRITERS, {"schema": guard.place[0], "table": guard.place[1]})
        return [Writer(row.name, frozenset(row.inserts or ()), frozenset(row.updates or ())) for row in rows]

    def become(self, connection: Connection, role: str) -> None:
        """SET LOCAL ROLE, and row security as the application meets it."""
        connection.exec_driver_sql("SET LOCAL row_security = on")
        run_verbatim(connection, f"SET LOCAL ROLE {self.quoted(role)}")

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
                Step(f"DROP INDEX IF EXISTS {self._beside(row.table, name)}", _BRIEF),
            ),
            (name,),
        )

    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """By the system catalogues; an invalid index and a disabled trigger are not there."""
        return self.standing(connection, (None, None), names)

    def standing(
        self, connection: Connection, place: tuple[str | None, str | None], names: Sequence[str]
    ) -> Mapping[str, str]:
        """`present`, of one table: another schema may hold objects of the same names."""
        rows = connection.execute(asked.PRESENT, {"names": list(names), "schema": place[0], "table": place[1]})
        return {str(row.name): str(row.text) for row in rows}

    def left(self, connection: Connection, guard: Guard) -> str:
        """Its function, which a trigger that was dropped by hand, or with its table, leaves."""
        found = connection.execute(asked.FUNCTION, {"schema": guard.place[0], "name": guard.name}).scalar()
        return f"the function {found}" if found else ""

    def limit(self, connection: Connection) -> None:
        """A short wait for locks, so that nobody queues behind us; no limit on validating."""
        for name, value in _LIMITS.items():
            connection.exec_driver_sql(f"SET LOCAL {name} = '{value}'")

    def prepare(self, connection: Connection) -> None:
        """The same for a statement outside of a transaction; an index built beside the traffic stops nobody.

        Not through a pooler, which gives what is set to somebody else.
        """
        if pooled(connection):
            return
        for name, value in {**_LIMITS, "lock_timeout": "1min"}.items():
            connection.exec_driver_sql(f"SET {name} = '{value}'")

    def release(self, connection: Connection) -> None:
        """Nothing of it stays with the session."""
        if pooled(connection):
            return
        for name in _LIMITS:
            connection.exec_driver_sql(f"RESET {name}")


def _tables(guard: Guard) -> list[str]:
    return list(dict.fromkeys(f"{schema}.{name}" for schema, name, _ in guard.reads))
