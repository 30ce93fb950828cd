"""SQL constructs of PostgreSQL that depend on the server's version or that SQLAlchemy lacks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Alias, Boolean, ColumnElement, Insert, Text, null, type_coerce
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

#: The attribute of SQLAlchemy's dialect in which a session stores the best collation for `lower()`.
COLLATION = "trueup_collation"


class is_json(FunctionElement[bool]):  # noqa: N801 - used like the functions it stands beside
    """Whether text can be cast to jsonb; NULL or false for NULL."""

    name = "trueup_is_json"
    type = Boolean()
    inherit_cache = True


class folded(FunctionElement[str]):  # noqa: N801 - as above
    """Text in lower case, by Unicode's rules where the server has them."""

    name = "trueup_folded"
    type = Text()
    inherit_cache = True


class Restoring(Insert):
    """An INSERT ... SELECT that may set columns that are GENERATED ALWAYS AS IDENTITY."""

    inherit_cache = True


class Only(Alias):
    """A table under an alias, without the rows of tables that inherit from it: a foreign key sees the same rows."""

    inherit_cache = True


@compiles(Only)
def _only(element: Only, compiler: SQLCompiler, **options: Any) -> str:
    text: str = compiler.visit_alias(element, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it bare
    return f"ONLY {text}" if options.get("asfrom") and not options.get("ashint") else text


class taken_in(FunctionElement[Any]):  # noqa: N801 - as above
    """Text converted by a type's input function, through jsonb_to_record(), which uses that function for every type."""

    name = "trueup_taken_in"
    inherit_cache = True

    def __init__(self, text: ColumnElement[str], kind: TypeEngine[Any]) -> None:
        super().__init__(text, type_coerce(null(), kind))
        self.type = kind


@compiles(taken_in)
def _taken_in(element: taken_in, compiler: SQLCompiler, **options: Any) -> str:
    text, typed = element.clauses
    kind = compiler.dialect.type_compiler_instance.process(typed.type)
    record = f"jsonb_to_record(jsonb_build_object('v', {compiler.process(text, **options)}))"
    return f"(SELECT trueup_v.v FROM {record} AS trueup_v(v {kind}))"  # noqa: S608 - a type of the catalogue


@compiles(is_json)
def _is_json(element: is_json, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    version = getattr(compiler.dialect, "server_version_info", None)
    if version is None or version >= (16,):
        return f"pg_catalog.pg_input_is_valid({text}, 'jsonb')"
    return f"pg_temp.trueup_is_json({text})"


@compiles(folded)
def _folded(element: folded, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    collation = getattr(compiler.dialect, COLLATION, "")
    if not collation:
        return f"lower({text})"
    return f"lower({text} COLLATE pg_catalog.{compiler.preparer.quote_identifier(collation)})"


@compiles(Restoring)
def _restoring(element: Restoring, compiler: SQLCompiler, **options: Any) -> str:
    text: str = compiler.visit_insert(element, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it bare
    table = element.table
    named = [table.c[name] for name in element._select_names or ()]
    columns = ", ".join(compiler.preparer.format_column(column) for column in named)
    head = f"INSERT INTO {compiler.preparer.format_table(table)} ({columns}) "
    if not text.startswith(head):
        raise CompileError("only INSERT INTO table (columns) SELECT can override identity columns")
    return f"{head}OVERRIDING SYSTEM VALUE {text[len(head) :]}"
