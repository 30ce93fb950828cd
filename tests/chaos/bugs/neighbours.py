"""Bugs that hurt what was not to be touched: children, other databases, rows that a role may not see."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from tests.chaos.bugs.planting import Bug, replace_in, swap, uncounted
from trueup import repairs
from trueup.engines.postgresql import session
from trueup.plan import planner
from trueup.repairs import sql_false
from trueup.verbs import guard as _guard
from trueup.write import execution, verdict
from trueup.write.apply_chunk import Chunk


def upsert() -> None:
    """Rows are written by REPLACE, which deletes them first."""
    plain = Chunk.write

    def write(self: Chunk, connection: Connection, span: Any, expected: int) -> None:
        target = self.target
        if target.group.action == "delete":
            plain(self, connection, span, expected)
            return
        live, table = target.row.relation, target.table
        after = {name: target.image.c[f"a{number}"] for number, name in enumerate(target.group.columns)}
        names = [column.name for column in table.stored()]
        rows = (
            select(*(after.get(name, live.c[name]) for name in names))
            .select_from(target.image.join(live, target.same_key()))
            .where(target.in_chunk())
        )
        statement = insert(table.sql).prefix_with("OR REPLACE").from_select([table.sql.c[name] for name in names], rows)
        connection.execute(statement, dict(span))

    swap(Chunk, "write", write)


def cascades_unseen() -> None:
    """Rows are moved out whatever refers to them."""
    uncounted()
    for module in (repairs, verdict):
        replace_in(module, "referred_to", lambda _: sql_false())


def no_identity() -> None:
    """A plan that does not say for which database it is is good for any."""
    for module in (planner, execution):
        replace_in(module, "identity_of", lambda *_: {})


def silent_row_security() -> None:
    """Rows that the role may not see are silently left out."""
    session._PINS["row_security"] = "on"


def guard_before_repair() -> None:
    """A guard is put up while broken rows remain; PostgreSQL says itself that they do."""
    replace_in(_guard, "broken_rows", lambda *_: 0)


BUGS = {
    "guard_before_repair": Bug(guard_before_repair, "guarded", ("sqlite", "mysql", "mariadb"), rounds=1),
    "upsert": Bug(upsert, "family", ("sqlite",), rounds=1),
    "cascades_unseen": Bug(cascades_unseen, "family", rounds=1),
    "no_identity": Bug(no_identity, "identity", rounds=1),
    "silent_row_security": Bug(silent_row_security, "secured", ("postgresql",), rounds=1),
}
