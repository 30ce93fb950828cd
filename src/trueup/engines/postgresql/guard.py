"""Guards of PostgreSQL: constraints added NOT VALID and validated later, or a trigger while broken rows remain."""

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
    """Builds CHECK and FOREIGN KEY with NOT VALID and VALIDATE, and UNIQUE from an index built concurrently."""

    name = "postgresql"

    def text(self, value: str) -> str:
        """Return a literal. One with backslashes is an `E''` literal, which ignores `standard_conforming_strings`."""
        plain = super().text(value)
        return "E" + plain.replace("\\", "\\\\") if "\\" in value else plain

    def recorded(self, guard: Guard) -> Guard:
        """Return the guard with the steps that drop its trigger and function, or its constraint and index."""
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
        """Build a CHECK; in the transition form, which a condition on another table needs as well, a trigger."""
        name, table = guard_name(check), self.table(row.table)
        if transition:
            return self.trigger(check, row)
        bad = self.condition(check, row, "")
        return self._constrained(check, name, table, f"CHECK (NOT ({bad}))", _BRIEF)

    def _constrained(self, check: Check, name: str, table: str, what: str, lock: str) -> Guard:
        own = self.quoted(name)
        return Guard(
            name=name,
            check=check.title,
            table=check.table,
            form="constraint",
            install=(
                Step(f"ALTER TABLE {table} ADD CONSTRAINT {own} {what} NOT VALID", lock),
                Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {own}", _READ),
            ),
            remove=(Step(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {own}", _BRIEF),),
            objects=(name,),
        )

    def trigger(self, check: Check, row: Row) -> Guard:
        """Build a trigger that refuses a change to a broken value.

        Other columns of a broken row can still be written.
        """
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
        if reads:  # so that nobody else can use it in a trigger on their own table
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
            name=name,
            check=check.title,
            table=check.table,
            form="transition",
            install=install,
            remove=remove,
            objects=(name,),
            notes=notes if check.parent() else (),
        )

    def owned(self, guard: Guard, database: SqlDatabase, definer: str) -> Guard:
        """Give a function that reads other tables to a role that may read all their rows.

        The role exists as long as these tables do.
        """
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
        # before the trigger, so that no write ever runs an incomplete guard
        install = (*guard.install[:-1], own, guard.install[-1])
        return replace(guard, definer=chosen.name, notes=notes, install=install)

    def _beside(self, table: Table, name: str) -> str:
        """Return the name qualified with the schema of the table."""
        return f"{self.quoted(str(table.sql.schema or 'public'))}.{self.quoted(name)}"

    def _owners(self, connection: Connection, guard: Guard) -> Sequence[Any]:
        where = {"schema": guard.place[0], "table": guard.place[1]}
        return connection.execute(asked.OWNERS, {**asked.wanted(guard.reads), **where}).all()

    def trouble(self, connection: Connection, guard: Guard) -> str:
        """Check the privileges that the function's owner has now on the columns it reads."""
        where = {"names": list(guard.objects), "schema": guard.place[0], "table": guard.place[1]}
        owner = connection.execute(asked.RUNS_AS, where).scalar()
        if owner is None or not guard.reads:
            return ""
        lacks = connection.execute(asked.LACKS, {**asked.wanted(guard.reads), "role": owner}).scalar()
        return f"it runs as the role {owner!r}, which {lacks}" if lacks else ""

    def writers(self, connection: Connection, guard: Guard) -> Sequence[Writer]:
        """Return every role with INSERT or UPDATE on the table except superusers, those that can log in first."""
        rows = connection.execute(asked.WRITERS, {"schema": guard.place[0], "table": guard.place[1]})
        return [Writer(row.name, frozenset(row.inserts or ()), frozenset(row.updates or ())) for row in rows]

    def become(self, connection: Connection, role: str) -> None:
        """Use SET LOCAL ROLE, and turn row security on as it is for the application."""
        connection.exec_driver_sql("SET LOCAL row_security = on")
        run_verbatim(connection, f"SET LOCAL ROLE {self.quoted(role)}")

    def reference(self, check: Check, row: Row, wanted: Refers) -> Guard:
        """Build a foreign key."""
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        parents = ", ".join(self.quoted(column) for column in wanted.parent_columns)
        parent = self.table(wanted.parent)
        what = f"FOREIGN KEY ({columns}) REFERENCES {parent} ({parents})"
        return self._constrained(check, guard_name(check), self.table(row.table), what, f"{_SHARED} on both tables")

    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """Build an index concurrently, and a UNIQUE constraint from it."""
        name, table = guard_name(check), self.table(row.table)
        own = self.quoted(name)
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        return Guard(
            name=name,
            check=check.title,
            table=check.table,
            form="constraint",
            install=(
                Step(f"CREATE UNIQUE INDEX CONCURRENTLY {own} ON {table} ({columns})", _READ, alone=True),
                Step(f"ALTER TABLE {table} ADD CONSTRAINT {own} UNIQUE USING INDEX {own}", _BRIEF),
            ),
            remove=(
                Step(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {own}", _BRIEF),
                Step(f"DROP INDEX IF EXISTS {self._beside(row.table, name)}", _BRIEF),
            ),
            objects=(name,),
        )

    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Whether the guard is installed and effective. An invalid index or a disabled trigger counts as absent."""
        return self.standing(connection, (None, None), names)

    def standing(
        self, connection: Connection, place: tuple[str | None, str | None], names: Sequence[str]
    ) -> Mapping[str, str]:
        """Return `present`, limited to one table: another schema may have objects of the same names."""
        rows = connection.execute(asked.PRESENT, {"names": list(names), "schema": place[0], "table": place[1]})
        return {str(row.name): str(row.text) for row in rows}

    def left(self, connection: Connection, guard: Guard) -> str:
        """Name the function that is left when the trigger was dropped by hand or with its table."""
        found = connection.execute(asked.FUNCTION, {"schema": guard.place[0], "name": guard.name}).scalar()
        return f"the function {found}" if found else ""

    def limit(self, connection: Connection) -> None:
        """Set a short lock timeout, so that no other session queues behind the step, and no limit on validating."""
        for name, value in _LIMITS.items():
            connection.exec_driver_sql(f"SET LOCAL {name} = '{value}'")

    def prepare(self, connection: Connection) -> None:
        """Set the same limits for the session, with a lock timeout of a minute: a concurrent index build blocks nobody.

        Nothing is set through a pooler, which would pass the settings on to other clients.
        """
        if pooled(connection):
            return
        for name, value in {**_LIMITS, "lock_timeout": "1min"}.items():
            connection.exec_driver_sql(f"SET {name} = '{value}'")

    def release(self, connection: Connection) -> None:
        """Reset the limits that `prepare` set for the session."""
        if pooled(connection):
            return
        for name in _LIMITS:
            connection.exec_driver_sql(f"RESET {name}")


def _tables(guard: Guard) -> list[str]:
    return list(dict.fromkeys(f"{schema}.{name}" for schema, name, _ in guard.reads))
