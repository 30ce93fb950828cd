"""Tables and columns as the catalogue shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Table as SqlTable

JSON_TYPES = ("object", "array", "string", "integer", "double", "boolean", "null", "invalid")

#: How a column holds JSON: the engine's own type (`json`, `jsonb`), or text that should parse (`text`).
Storage = Literal["json", "jsonb", "text"]
#: Families of types that differ in their canonical bytes.
Family = Literal["text", "binary", "float", "json", "enum", "bit", "plain"]


Right = Literal["SELECT", "INSERT", "UPDATE", "DELETE", "LOCK", "SHARE", "CREATE", "TRIGGER", "UNCHECKED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `ddl` is its type word for word, so that a typed copy can be created."""

    name: str
    ddl: str
    nullable: bool
    family: Family = "plain"
    storage: Storage | None = None
    generated: bool = False
    auto_update: bool = False
    has_default: bool = False
    numeric: bool = False
    integer: bool = False
    temporal: bool = False
    #: Whether it holds true and false, in the engine's own type or as 1 and 0.
    boolean: bool = False
    #: Whether it holds only values of its type; SQLite lets most columns hold anything.
    typed: bool = True
    #: Distinguishes this column from a later one of the same name and type, where the engine has such a number.
    identity: str = ""
    #: The base type, word for word, where `ddl` is a domain: a cast to it evaluates no constraint of the domain.
    base: str = ""
    #: Whether its values contain names of catalogue objects: as text these may come to mean other objects.
    naming: bool = False


#: A text column, for expressions that are not a column of a table.
TEXT = Column(name="text", ddl="text", nullable=True, family="text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A declared foreign key, seen from the child table.

    `equality` is false where a row may refer to another without equal columns (a PERIOD, a key that compares the bytes
    of unlike types): then no statement of ours can tell which rows refer to which. `enforced` is false where rows may
    violate the key, `checked` where the engine accepts new ones that do: a key that is NOT ENFORCED, and SQLite, which
    compares only the number of violations before and after a statement.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = ""
    on_update: str = ""
    enforced: bool = True
    equality: bool = True
    checked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One base table. `key` is empty when no primary key or unique key without NULL identifies a row.

    `obstacles` are facts that forbid writing (triggers, another storage engine, row security ...), each a clause that
    reads after "cannot be repaired: ". `unseen` are clauses of the same form that forbid only a delete, or a change of
    a column that a key may refer to: the account may not see all child tables. `bent` are clauses of the same form that
    forbid inserts, deletes, and changes of the columns of the clause: an index over them may have been computed under
    other settings.

    `calls_functions` says that a constraint, index or generated column calls a user-defined function, which may write.
    `inherited` says that a query of the table also returns rows of tables that inherit from it, which a foreign key to
    the table does not cover. `unheld` is a clause that says why its rows cannot be locked, so that no finding may
    depend on them. `computed` are the stored generated columns that may get another value in our sessions, each with
    the columns that it is computed from (none where that is unknown). `rows` is the catalogue's estimate, exact when
    small.

    `place` is the schema (None where the connection has only one) and the name in the catalogue's words. `identity`
    distinguishes the table from a later one of the same name (an oid or the like; empty where there is none).
    """

    name: str
    sql: SqlTable
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    referenced_by: tuple[Reference, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    obstacles: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    bent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    calls_functions: bool = False
    inherited: bool = False
    unheld: str = ""
    computed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rows: int = 0
    place: tuple[str | None, str] = (None, "")
    identity: str = ""
    facts: Mapping[str, Any] | None = None

    def stored(self) -> list[Column]:
        """Return the columns that are not generated."""
        return [column for column in self.columns.values() if not column.generated]


@dataclass(frozen=True, slots=True)
class LooseRule:
    """A constraint that is NOT VALID: the engine checks new values with it, but has not checked older rows.

    `condition` is its text over the table's `columns`; empty for a foreign key, and where the text is incomplete.
    """

    name: str
    columns: tuple[str, ...]
    condition: str


@dataclass(frozen=True, slots=True)
class Need:
    """A privilege that a run needs: on a table, or on `columns` of the table if they are named.

    `LOCK` and `SHARE` are for locking rows, exclusively or shared; `CREATE` for creating the table; `TRIGGER` for
    seeing whether it has triggers; `UNCHECKED` for restoring rows whose foreign keys were violated before.
    """

    right: Right
    table: SqlTable
    columns: tuple[str, ...] = ()
