"""Types of PostgreSQL for SQLAlchemy, in the catalogue's own words, with the rules for comparing their values."""

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

from trueup.engines.postgresql.sql import taken_in
from trueup.sql.tables import Column

INTEGERS = {"int2", "int4", "int8"}
_SHORTENED = re.compile(r"(character varying|bit varying|bit)\(\d+\)((?:\[\])*)")
_NAMING = re.compile(r"reg[a-z]+((?:\[\])*)")
#: Types for which PostgreSQL has its own casts from text and to text, which nobody can remove or replace.
_TEXTUAL = {"text", "character varying", "character", "bpchar", "pg_catalog.bpchar", "name", '"char"', "xml"}
_FROM_TEXT = {*_TEXTUAL, "regclass"}
_TO_TEXT = {*_TEXTUAL, "boolean", "cidr", "inet"}
#: Input functions, and whether they take the type and its modifier; other types are read through JSON.
_INPUTS = {
    "smallint": ("int2in", False),
    "integer": ("int4in", False),
    "bigint": ("int8in", False),
    "boolean": ("boolin", False),
    "numeric": ("numeric_in", True),
    "real": ("float4in", False),
    "double precision": ("float8in", False),
    "uuid": ("uuid_in", False),
    "bytea": ("byteain", False),
    "date": ("date_in", False),
    "timestamp without time zone": ("timestamp_in", True),
    "timestamp with time zone": ("timestamptz_in", True),
    # a string of JSON would be taken for the document
    "json": ("json_in", False),
    "jsonb": ("jsonb_in", False),
}
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
    """A type in the catalogue's own words. The driver never decodes its values.

    `equals` is the schema of its `=` operator where that is not `pg_catalog`: under an empty `search_path` the operator
    would not be found, and `citext` would be compared as text, without its index. `rule` is the column's collation as
    SQL. `domain` says that the column's own type is a domain over this one, of a kind (enum, range, composite) whose
    operators accept any type of the kind but no domain.
    """

    cache_ok = True
    render_bind_cast = True

    def __init__(self, ddl: str, equals: str = "", rule: str = "", *, domain: bool = False) -> None:
        self.ddl = ddl
        self.equals = equals
        self.rule = rule
        self.domain = domain

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's text."""
        return self.ddl

    class Comparator(sa.types.UserDefinedType.Comparator[Any]):
        """Qualifies `=` with its schema, and compares the base type of a domain."""

        def operate(self, op: operators.OperatorType, *other: Any, **kwargs: Any) -> sa.ColumnElement[Any]:
            """Qualify `=` with the schema of the type; leave other operators as they are."""
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
    """Double the per cent signs in a type's name, so that none is read as a parameter."""
    return element.ddl.replace("%", "%%") if compiler.dialect.identifier_preparer._double_percents else element.ddl


class Collated(sa.Text):
    """The type of a text column; `rule` is its collation as SQL, even if it is the database's default."""

    def __init__(self, collation: str | None = None, rule: str = "") -> None:
        super().__init__(collation=collation)
        self.rule = rule


def _over_a_kind(value: Any) -> bool:
    return isinstance(value, ColumnElement) and isinstance(value.type, Verbatim) and value.type.domain


def _undomained(value: Any) -> Any:
    return sa.cast(value, Verbatim(value.type.ddl)) if _over_a_kind(value) else value


def type_of(row: Mapping[str, Any]) -> TypeEngine[Any]:
    """Return the type of a column from its row in the catalogue. A domain is replaced by its base type."""
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
    """Return the column's type, or the base type of a domain, whose constraints only the write itself tests."""
    return column.base or column.ddl


def whole(ddl: str) -> Verbatim:
    """Return the type for a CAST: without its collation, and without a length that would truncate silently."""
    bare = ddl.rpartition(" COLLATE ")[0] if ddl.endswith('"') and " COLLATE " in ddl else ddl
    bare = re.sub(r" COLLATE [^ ]+$", "", bare)
    shortened = _SHORTENED.fullmatch(bare)
    if shortened:
        return Verbatim(shortened[1].replace("bit", "bit varying").replace("varying varying", "varying") + shortened[2])
    return Verbatim(bare)


def own(column: Column) -> bool:
    """Whether the type, or the base type of a domain, belongs to the application or to an extension.

    Under an empty `search_path` only such types have a schema before their name.
    """
    return "." in beneath(column).partition(" COLLATE ")[0]


def written(value: ColumnElement[Any]) -> ColumnElement[str]:
    """Return the text that the type's output function writes.

    A cast may write another text: that of `char(n)` or `boolean`, or one that the application created.
    """
    # not IS NOT NULL, which takes a composite of nothing but NULL for NULL
    return sa.case((value.is_distinct_from(sa.null()), sa.func.concat(value, type_=sa.Text)), else_=sa.null())


def read(text: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
    """Convert text to the column's type by the type's input function.

    A CAST of text would run a function from CREATE CAST, which a superuser can define even for built-in types.
    """
    kind = whole(beneath(column))
    name = _bare(kind.ddl)
    if name in _FROM_TEXT:
        return sa.cast(text, kind)
    if name not in _INPUTS:
        return taken_in(sa.cast(text, sa.Text), kind)
    found = taken(text, name)
    return found if kind.ddl == name else sa.cast(found, kind)


def taken(text: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """Convert text to one of the `_INPUTS` types, as a CAST does where the application created none."""
    function, modified = _INPUTS[name]
    spelled: list[ColumnElement[Any]] = [sa.func.textout(sa.cast(text, sa.Text))]
    if modified:
        spelled += [word("0"), word("-1")]
    return sa.Function(function, *spelled, type_=Verbatim(name))


def spelled(value: ColumnElement[Any], column: Column) -> ColumnElement[str]:
    """Return the text of a value as PostgreSQL's own cast makes it, whatever casts to text the application created."""
    return sa.cast(value, sa.Text) if _bare(whole(beneath(column)).ddl) in _TO_TEXT else written(value)


def _bare(ddl: str) -> str:
    """Return the type without its modifier."""
    return re.sub(r"\([0-9,]+\)", "", ddl)


def numbers(ddl: str) -> bool:
    """Whether `numbered` converts values of this type to oids. It does not look into composites and the like."""
    return _NAMING.fullmatch(ddl) is not None


def numbered(value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
    """Convert a value that names an object of the catalogue (`regclass` ...) to the object's oid.

    The name of the object may change, or become that of another object.
    """
    found = _NAMING.fullmatch(beneath(column))
    return value if found is None else sa.cast(value, Verbatim(f"oid{found[1]}"))


def settled(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return text that every function accepts.

    Some refuse a nondeterministic collation of the application, under which unlike texts are equal.
    """
    text = sa.cast(value, sa.Text)
    rule = getattr(value.type, "rule", "")
    return text if rule in ("", _USUAL, 'pg_catalog."C"') else _ruled(text, _USUAL)


def _ruled(value: ColumnElement[Any], rule: str) -> ColumnElement[Any]:
    return value.op("COLLATE", precedence=_TIGHT, return_type=value.type)(word(rule))


def refers(child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return equality by the parent's type and collation, as PostgreSQL's own foreign key triggers compare."""
    rule = getattr(parent.type, "rule", "")
    if not rule:
        return parent == child
    if getattr(parent.type, "ddl", "").startswith("character("):  # compared as text its trailing blanks would count
        child = sa.cast(child, Verbatim("pg_catalog.bpchar"))
    # spelled out even where it is the database's own: of two columns the one with another collation would decide
    return parent == _ruled(child, rule)
