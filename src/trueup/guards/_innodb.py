"""Guards of MySQL and MariaDB: triggers, since adding a CHECK copies the table under a lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from trueup.check import Check, Refers, Row, Unique
from trueup.guard import Guard, Step, Words, guard_name, refusal

_META = "the metadata lock, for milliseconds"
_COPY = "writers wait while the table is copied"
_ONLINE = "online: writers go on"

_PRESENT = (
    "SELECT TRIGGER_NAME, CONCAT_WS(' ', ACTION_TIMING, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_STATEMENT)"
    " FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME IN :names"
    " UNION ALL SELECT CONSTRAINT_NAME, CONCAT_WS(' ', TABLE_NAME, CONSTRAINT_TYPE)"
    " FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_NAME IN :names"
)


class InnodbWords(Words):
    """Triggers that SIGNAL; foreign keys and unique indexes are added online."""

    escapes = True

    def row(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
        """Two triggers; a CHECK only within a window, and where the condition is of the row alone."""
        name, table = guard_name(check), self.table(row.table)
        if window and not transition:
            own = self.quoted(name)
            bad = self.condition(check, row, "")
            return Guard(
                name,
                check.title,
                check.table,
                "constraint",
                (Step(f"ALTER TABLE {table} ADD CONSTRAINT {own} CHECK (NOT ({bad}))", _COPY),),
                (Step(f"ALTER TABLE {table} DROP CONSTRAINT {own}", _META),),
                (name,),
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
        """A foreign key, added online; that takes rows on trust, so the check is asked again afterwards."""
        name, table = guard_name(check), self.table(row.table)
        own = self.quoted(name)
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        parents = ", ".join(self.quoted(column) for column in wanted.parent_columns)
        return Guard(
            name,
            check.title,
            check.table,
            "constraint",
            (
                Step(
                    f"ALTER TABLE {table} ADD CONSTRAINT {own} FOREIGN KEY ({columns}) "
                    f"REFERENCES {self.table(wanted.parent)} ({parents}), ALGORITHM=INPLACE, LOCK=NONE",
                    _ONLINE,
                ),
            ),
            (Step(f"ALTER TABLE {table} DROP FOREIGN KEY {own}", _META),),
            (name,),
        )

    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """A unique index, built online."""
        name, table = guard_name(check), self.table(row.table)
        own = self.quoted(name)
        columns = ", ".join(self.quoted(column) for column in wanted.columns)
        text = [one for one in wanted.columns if row.column(one).family == "text"]
        notes = (f"{', '.join(text)} is compared by its collation, which may call more values equal than the check",)
        return Guard(
            name,
            check.title,
            check.table,
            "constraint",
            (Step(f"ALTER TABLE {table} ADD UNIQUE INDEX {own} ({columns}), ALGORITHM=INPLACE, LOCK=NONE", _ONLINE),),
            (Step(f"ALTER TABLE {table} DROP INDEX {own}", _META),),
            (name,),
            notes if text else (),
        )

    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """By information_schema."""
        wanted: sa.BindParameter[Sequence[str]] = sa.bindparam("names", list(names), expanding=True)
        rows = connection.execute(sa.text(_PRESENT).bindparams(wanted))
        return {str(row[0]): str(row[1]) for row in rows}

    def prepare(self, connection: Connection) -> None:
        """A short wait for the metadata lock: everybody else queues behind us. Keys are added without a look."""
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 1")
        # with them on, a foreign key is added by copying the table
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        connection.commit()
