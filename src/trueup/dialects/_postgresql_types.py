"""Types of PostgreSQL for SQLAlchemy: by the catalogue's own text, with the rules that compare their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy import literal_column as word
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeEngine

from trueup.dialects._postgresql_sql import taken_in
from trueup.tables import Column

INTEGERS = {"int2", "int4", "int8"}
_SHORTENED = re.compile(r"(character varying|bit varying|bit)\(\d+\)((?:\[\])*)")
_NAMING = re.compile(r"reg[a-z]+((?:\[\])*)")
# as tightly bound as COLLATE itself: what stands before it goes into brackets
_TIGHT = 15
_USUAL = 'pg_catalog."default"'

_TYPES: Mapping[str, TypeEngine[Any]] = {
    # as wide as can be: a bound of 10**12 must compare with an int4 instead of failing
    **dict.fromkeys(INTEGERS, sa.BigInteger()),
    "numeric": sa.Numeric(),
    "float4": sa.Double(),
    "float8": sa.Double(),
    "bool": sa.Boolean(),
    "date": sa.Date(),
    "timestamp": sa.DateTime(),
    "timestamptz": sa.DateTime(timezone=True),
    "time": sa.Time(),
    "uuid": sa.Uuid(as_uuid=False),
    "bytea": sa.LargeBinary(),
}


class Verbatim(sa.types.UserDefinedType[Any]):
    """A type by the text of the catalogue; its values are never decoded by the driver.

    `equals` is the schema of its `=` where that is not `pg_catalog`: under an empty `search_path` it would
    not be found, and `citext` would be compared as text, without its index. `rule` is the column's collation, spelled.
    `domain` says that the column's own type is a domain over this one, of a kind (enum, range, composite) whose
    operators take any type of the kind, but no domain.
    """

    cache_ok = True
    render_bind_cast = True

    def __init__(self, ddl: str, equals: str = "", rule: str = "", *, domain: bool = False) -> None:
        self.ddl = ddl
        self.equals = equals
        self.rule = rule
        self.domain = domain

    def get_col_spec(self, **_: Any) -> str:
        """The text itself."""
        return self.ddl

    class Comparator(sa.types.UserDefinedType.Comparator[Any]):
        """Says where `=` is to be found, and compares what is beneath a domain."""

        def operate(self, op: operators.OperatorType, *other: Any, **kwargs: Any) -> sa.ColumnElement[Any]:
            """`=` by its schema, all else as usual."""
            if operators.is_comparison(op) and any(map(_over_a_kind, (self.expr, *other))):
                return sa.type_coerce(op(_undomained(self.expr), *map(_undomained, other), **kwargs), sa.Boolean())
            equals = getattr(self.type, "equals", "")
            if op is operators.eq and equals and other[0] is not None:
                quoted = equals.replace('"', '""')
                return self.expr.op(f'OPERATOR("{quoted}".=)', is_comparison=True, return_type=sa.Boolean())(other[0])
            return super().operate(op, *other, **kwargs)

    comparator_factory = Comparator


@compiles(Verbatim)
def _verbatim(element: Verbatim, compiler: Any, **_: Any) -> str:
    """A per cent sign in a type's name is no parameter."""
    return element.ddl.replace("%", "%%") if compiler.dialect.identifier_preparer._double_percents else element.ddl


class Collated(sa.Text):
    """Text of a column; `rule` is its collation, spelled, the database's own too."""

    def __init__(self, collation: str | None = None, rule: str = "") -> None:
        super().__init__(collation=collation)
        self.rule = rule


def _over_a_kind(value: Any) -> bool:
    return isinstance(value, ColumnElement) and isinstance(value.type, Verbatim) and value.type.domain


def _undomained(value: Any) -> Any:
    return sa.cast(value, Verbatim(value.type.ddl)) if _over_a_kind(value) else value


def type_of(row: Mapping[str, Any]) -> TypeEngine[Any]:
    """The type of a column, from its row in the catalogue; a domain counts as what is beneath it."""
    base, rule = row["base"], row["rule"] or ""
    if row["base_schema"] == "pg_catalog":
        if base in _TYPES:
            return _TYPES[base]
        if base in ("text", "varchar"):
            return Collated(row["collation_name"], rule)
        return Verbatim(row["base_type"], rule=rule)
    own_equals = row["kind"] == "b" and row["category"] != "A"
    domain = row["kind"] != "b" and row["base_type"] != row["type"]
    return Verbatim(row["base_type"], row["base_schema"] if own_equals else "", rule, domain=domain)


def beneath(column: Column) -> str:
    """A column's type without what a domain refuses: the write itself will tell, for the one row."""
    return column.base or column.ddl


def whole(ddl: str) -> Verbatim:
    """A type that a CAST takes: without its collation, and without a length that would cut silently."""
    bare = ddl.rpartition(" COLLATE ")[0] if ddl.endswith('"') and " COLLATE " in ddl else ddl
    bare = re.sub(r" COLLATE [^ ]+$", "", bare)
    shortened = _SHORTENED.fullmatch(bare)
    if shortened:
        return Verbatim(shortened[1].replace("bit", "bit varying").replace("varying varying", "varying") + shortened[2])
    return Verbatim(bare)


def own(column: Column) -> bool:
    """Whether the type, or the one beneath a domain, is one of the application's or of an extension: under an empty
    `search_path` only those have a schema before their name."""
    return "." in beneath(column).partition(" COLLATE ")[0]


def written(value: ColumnElement[Any]) -> ColumnElement[str]:
    """The text that the type's output function writes: a cast may write another, as of `char(n)` or `boolean`, or one
    that the application made."""
    # not IS NOT NULL, which takes a composite of nothing but NULL for NULL
    return sa.case((value.is_distinct_from(sa.null()), sa.func.concat(value, type_=sa.Text)), else_=sa.null())


def read(text: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
    """A value of a column by its type's input function: a CAST of text runs what the application made with CREATE CAST.

    Of types of PostgreSQL's own there are no such casts.
    """
    kind = whole(beneath(column))
    return taken_in(sa.cast(text, sa.Text), kind) if own(column) else sa.cast(text, kind)


def numbers(ddl: str) -> bool:
    """Whether `numbered` gives the numbers of values of a type; within composites and the like it does not look."""
    return _NAMING.fullmatch(ddl) is not None


def numbered(value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
    """Of what names an object of the catalogue (`regclass` ...) the object's number: its name may change, or become
    another one's."""
    found = _NAMING.fullmatch(beneath(column))
    return value if found is None else sa.cast(value, Verbatim(f"oid{found[1]}"))


def settled(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Text that every function takes: some refuse a collation of the application under which two texts are one."""
    text = sa.cast(value, sa.Text)
    rule = getattr(value.type, "rule", "")
    return text if rule in ("", _USUAL, 'pg_catalog."C"') else _ruled(text, _USUAL)


def _ruled(value: ColumnElement[Any], rule: str) -> ColumnElement[Any]:
    return value.op("COLLATE", precedence=_TIGHT, return_type=value.type)(word(rule))


def refers(child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
    """Equality by the parent's type and collation, as PostgreSQL's own triggers ask."""
    rule = getattr(parent.type, "rule", "")
    if not rule:
        return parent == child
    if getattr(parent.type, "ddl", "").startswith("character("):  # as text its blanks would count
        child = sa.cast(child, Verbatim("pg_catalog.bpchar"))
    # spelled out even where it is the database's own: of two columns the one with another collation would decide
    return parent == _ruled(child, rule)
