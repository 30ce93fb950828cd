"""Guards of MySQL and MariaDB: triggers, because adding a CHECK copies the table under a lock."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trueup.check import Check, Refers, Row, Unique
from trueup.codec import digest
from trueup.errors import UsageError
from trueup.guard.contract import Guard, GuardDialect, Step, guard_name, refusal
from trueup.stores.sql import SqlDatabase

_QUOTES = "'`\""
_MODES = "SET SESSION sql_mode = 'STRICT_ALL_TABLES'"
_META = "the metadata lock, for milliseconds"
_COPY = "writers wait while the table is copied"
_ONLINE = "online: writers go on"

_PRESENT = (
    "SELECT TRIGGER_NAME, CONCAT_WS(' ', ACTION_TIMING, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_STATEMENT)"
    " FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME IN :names"
    " AND (:table IS NULL OR EVENT_OBJECT_TABLE = :table)"
    " UNION ALL SELECT CONSTRAINT_NAME, CONCAT_WS(' ', TABLE_NAME, CONSTRAINT_TYPE)"
    " FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_NAME IN :names"
    " AND (:table IS NULL OR TABLE_NAME = :table)"
)
_DEFINERS = (
    "SELECT DISTINCT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
    " AND TRIGGER_NAME IN :names AND EVENT_OBJECT_TABLE = :table"
)
_ACCOUNT = "SELECT COUNT(*) FROM mysql.user WHERE CONCAT(User, '@', Host) = :account"
# rights on the whole server, on the database, on the table, on the column
_RIGHT = (
    "SELECT COUNT(*) FROM (SELECT 1 AS one FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = :grantee"
    " AND PRIVILEGE_TYPE = :right UNION ALL SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES"
    " WHERE GRANTEE = :grantee AND PRIVILEGE_TYPE = :right AND DATABASE() LIKE TABLE_SCHEMA"
    " UNION ALL SELECT 1 FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = :grantee AND PRIVILEGE_TYPE = :right"
    " AND TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table UNION ALL"
    " SELECT 1 FROM information_schema.COLUMN_PRIVILEGES"
    " WHERE GRANTEE = :grantee AND PRIVILEGE_TYPE = :right AND TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table) AS g"
)
#: Error codes for an account that may not create an account, or a trigger with another definer.
_NOT_OURS = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1410, 1133})


class InnodbGuards(GuardDialect):
    """Builds triggers that SIGNAL, and foreign keys and unique indexes that are added online."""

    def text(self, value: str) -> str:
        """Return a literal with backslashes and NUL escaped for the SQL mode of our own sessions."""
        return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"

    cuts_at_semicolons = True

    def settings(self, guard: Guard) -> str:
        """Set the SQL mode of our own sessions: another mode may read a backslash in quotes as two."""
        return _MODES if any("\\" in step.sql for step in guard.install) else ""

    def in_any_session(self, guard: Guard) -> list[str]:
        """Set the SQL mode before the statements and restore it afterwards."""
        steps = super().in_any_session(guard)
        if not (settings := self.settings(guard)):
            return steps
        return ["SET @trueup_mode = @@SESSION.sql_mode", settings, *steps, "SET SESSION sql_mode = @trueup_mode"]

    def recorded(self, guard: Guard) -> Guard:
        """Return the guard with the steps that drop its triggers and their account, or its constraint."""
        if guard.form != "transition":
            drop = Step(f"ALTER TABLE {self.spot(guard)} DROP CONSTRAINT {self.quoted(guard.name)}", _META)
            return replace(guard, remove=(drop,))
        steps = [Step(f"DROP TRIGGER IF EXISTS {self.quoted(one)}", _META) for one in guard.objects]
        steps += [Step(self.dropped(self.account(guard.definer)), "none")] if guard.made else []
        return replace(guard, remove=tuple(steps))

    def row(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
        """Build two triggers, or within a `window` a CHECK, where the condition reads only the row."""
        name, table = guard_name(check), self.table(row.table)
        if window and not transition:
            own = self.quoted(name)
            bad = self.condition(check, row, "")
            return Guard(
                name=name,
                check=check.title,
                table=check.table,
                form="constraint",
                install=(Step(f"ALTER TABLE {table} ADD CONSTRAINT {own} CHECK (NOT ({bad}))", _COPY),),
                remove=(Step(f"ALTER TABLE {table} DROP CONSTRAINT {own}", _META),),
                objects=(name,),
            )
        bad = self.condition(check, row, "NEW.")
        watched = self.watched(check, row)
        changed = " OR ".join(f"NOT (NEW.{self.quoted(c)} <=> OLD.{self.quoted(c)})" for c in watched)
        refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = {self.text(refusal(check, name))}; END IF"
        return self.triggers(
            check,
            _META,
            f"BEFORE INSERT ON {table} FOR EACH ROW IF {bad} THEN {refuse}",
            f"BEFORE UPDATE ON {table} FOR EACH ROW IF ({changed}) AND ({bad}) THEN {refuse}",
        )

    def reference(self, check: Check, row: Row, wanted: Refers) -> Guard:
        """Build a foreign key, added online. Existing rows are not checked then, so the check runs again afterwards."""
        name, table = guard_name(check), self.table(row.table)
        own = self.quoted(name)
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        parents = ", ".join(self.quoted(column) for column in wanted.parent_columns)
        return Guard(
            name=name,
            check=check.title,
            table=check.table,
            form="constraint",
            install=(
                Step(
                    f"ALTER TABLE {table} ADD CONSTRAINT {own} FOREIGN KEY ({columns}) "
                    f"REFERENCES {self.table(wanted.parent)} ({parents}), ALGORITHM=INPLACE, LOCK=NONE",
                    _ONLINE,
                ),
            ),
            remove=(Step(f"ALTER TABLE {table} DROP FOREIGN KEY {own}", _META),),
            objects=(name,),
        )

    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """Build a unique index online."""
        name, table = guard_name(check), self.table(row.table)
        own = self.quoted(name)
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        text = [one for one in wanted.columns if row.column(one).family == "text"]
        notes = (f"{', '.join(text)} is compared by its collation, which may call more values equal than the check",)
        return Guard(
            name=name,
            check=check.title,
            table=check.table,
            form="constraint",
            install=(
                Step(f"ALTER TABLE {table} ADD UNIQUE INDEX {own} ({columns}), ALGORITHM=INPLACE, LOCK=NONE", _ONLINE),
            ),
            remove=(Step(f"ALTER TABLE {table} DROP INDEX {own}", _META),),
            objects=(name,),
            notes=notes if text else (),
        )

    def owned(self, guard: Guard, database: SqlDatabase, definer: str) -> Guard:
        """Give the triggers a definer: the account `definer`, or a locked one created for the guard.

        With the operator's account as definer, all writes of the application would fail once that account is dropped.
        """
        guard = super().owned(guard, database, "")
        if guard.form != "transition":
            return guard
        create = [step for step in guard.install if step.sql.startswith("CREATE TRIGGER ")]
        name = definer or own_account(guard, str(database.store.url.database))
        account = self.account(name)
        made = "CREATE DEFINER=" + account + " "
        named = [replace(step, sql=made + step.sql.removeprefix("CREATE ")) for step in create]
        if definer:
            return replace(guard, install=tuple(named), definer=name, notes=(*guard.notes, f"it runs as {name}"))
        table = self.table(database.table(guard.table))
        rights = [f"GRANT SELECT, TRIGGER ON {table} TO {account}"]
        others = dict.fromkeys(one for _, one, _ in guard.reads if one != guard.place[1])
        rights += [f"GRANT SELECT ON {self.quoted(one)} TO {account}" for one in others]
        first = (Step(self.made_for(account), "none"), *(Step(right, "none") for right in rights))
        last = Step(self.dropped(account), "none")
        notes = (*guard.notes, f"it runs as {name}, a locked account with these rights alone")
        install, remove = (*first, *named), (*guard.remove, last)
        return replace(guard, install=install, remove=remove, definer=name, made=True, notes=notes)

    def account(self, name: str) -> str:
        """Return the quoted `user@host`. Raises `UsageError` for anything else."""
        user, at, host = name.rpartition("@")
        if not at or not user or not host:
            raise UsageError(f"--definer {name!r} is no account; write USER@HOST, such as app@%")
        return f"{self.text(user.strip(_QUOTES))}@{self.text(host.strip(_QUOTES))}"

    @abstractmethod
    def made_for(self, account: str) -> str:
        """Return the statement that creates an account that cannot log in."""

    @abstractmethod
    def dropped(self, account: str) -> str:
        """Return the statement that drops the account."""

    def unowned(self, error: DBAPIError, guard: Guard, database: SqlDatabase) -> str:
        """Say which privileges are missing to create the account, and what to do instead."""
        code = error.orig.args[0] if error.orig is not None and error.orig.args else None
        if code not in _NOT_OURS or not guard.definer:
            return ""
        me = str(database.connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one())
        database.connection.rollback()
        if guard.made:
            return (
                f"{guard.check} is guarded by triggers, which run in the name of an account that must last as long as "
                f"they do, and {me!r} may not make one for it, which takes {self.needed} and the rights to grant; "
                f"--definer USER@HOST names one that stays, such as the application's own or, if it does, {me}"
            )
        return f"{guard.check} cannot be guarded in the name of {guard.definer!r}: {me!r} needs {self.needed}"

    #: The privileges needed to create an account and a trigger with that account as definer.
    needed: str

    def trouble(self, connection: Connection, guard: Guard) -> str:
        """Look the definers up among the server's accounts, where this account may see them."""
        found = self._asked(connection, _DEFINERS, guard).scalars().all()
        for definer in map(str, found):
            try:
                there = connection.execute(sa.text(_ACCOUNT), {"account": definer}).scalar_one()
            except DBAPIError:  # the accounts are not for this one to see
                connection.rollback()
                return ""
            if not there:
                return f"it runs as {definer!r}, an account that is gone: every write of {guard.place[1]} fails"
            if guard.made:  # a named one may have its rights by a role, which is not looked into
                user, _, host = definer.rpartition("@")
                wanted = [("TRIGGER", str(guard.place[1])), ("SELECT", str(guard.place[1]))]
                wanted += [("SELECT", one) for one in dict.fromkeys(name for _, name, _ in guard.reads)]
                for right, table in wanted:
                    given = {"grantee": f"'{user}'@'{host}'", "right": right, "table": table}
                    if not connection.execute(sa.text(_RIGHT), given).scalar_one():
                        return f"it runs as {definer!r}, which lacks {right} on {table}"
        return ""

    def _asked(self, connection: Connection, sql: str, guard: Guard) -> sa.CursorResult[Any]:
        wanted: sa.BindParameter[Sequence[str]] = sa.bindparam("names", list(guard.objects), expanding=True)
        return connection.execute(sa.text(sql).bindparams(wanted), {"table": guard.place[1]})

    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Read information_schema."""
        return self.standing(connection, (None, None), names)

    def standing(
        self, connection: Connection, place: tuple[str | None, str | None], names: Sequence[str]
    ) -> Mapping[str, str]:
        """Return `present`, limited to one table."""
        wanted: sa.BindParameter[Sequence[str]] = sa.bindparam("names", list(names), expanding=True)
        rows = connection.execute(sa.text(_PRESENT).bindparams(wanted), {"table": place[1]})
        return {str(row[0]): str(row[1]) for row in rows}

    def leaving(self, guard: Guard, database: SqlDatabase) -> Guard:
        """Add the step that drops the account that may have been created for the guard."""
        return self.owned(guard, database, "")

    def left(self, connection: Connection, guard: Guard) -> str:
        """Name the guard's account if it still exists, where accounts may be seen."""
        if not guard.made:
            return ""
        try:
            there = connection.execute(sa.text(_ACCOUNT), {"account": guard.definer}).scalar_one()
        except DBAPIError:
            connection.rollback()
            return ""
        return f"the account {guard.definer!r}" if there else ""

    def limit(self, connection: Connection) -> None:
        """Set a short wait for the metadata lock, behind which all others queue, and `foreign_key_checks` to 0."""
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 1")
        # with them on, a foreign key is added by copying the table
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")


def own_account(guard: Guard, database: str) -> str:
    """Return the name of the account for one guard of one database, at most 32 characters, as MySQL allows."""
    return f"trueup_guard_{digest(json.dumps([database, guard.name]).encode())[:12]}@localhost"
