"""Whether what a subquery selects may be NULL, for SQLAlchemy and for Django."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from trueup.lint.coltypes import expression
from trueup.lint.local import FunctionNames
from trueup.lint.project import Class, Given
from trueup.lint.source import dotted, keyword, last

_EXCLUDED = re.compile(r"is_?not\(|!= None|!= \w*\.?null\(\)|coalesce|is_not_null|is_distinct_from")
_LOOKUPS = {"in_", "like", "ilike", "between", "startswith", "endswith", "contains", "op", "regexp_match"}
_INNER_JOINS = {"join", "select_from"}
_DEPTH = 6


def column_selected(node: ast.expr, scope: FunctionNames) -> str:
    """The column that a subquery of SQLAlchemy selects, if it may be NULL and nothing in the subquery excludes that."""
    parts: list[ast.expr] = []
    column = _selected(node, scope, parts, "", 0)
    if column is None:
        return ""
    foreign, nullable = _may_be_null(column, scope)
    return dotted(column) if nullable and not _excluded(column, parts, joined=foreign) else ""


def _selected(
    node: ast.expr, scope: FunctionNames, parts: list[ast.expr], attr: str, depth: int
) -> ast.Attribute | None:
    """The column of a model or table that a statement selects; `parts` takes all expressions that shape it.

    `attr` names the column where the statement selects several.
    """
    if depth > _DEPTH:
        return None
    parts.append(node)
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Call):
            name = last(node)
            if name in ("select", "query", "with_entities") and node.args:
                found = _picked(node.args, scope, parts, attr, depth)
                if found is not None:
                    return found
            elif name in ("scalars", "execute") and node.args:
                return _selected(node.args[0], scope, parts, attr, depth + 1)
            node = node.func
        else:
            node = node.value
    if isinstance(node, ast.Name):
        # the first value is the statement, what comes after adds to it
        values = scope.assigned.get(node.id, [])
        parts.extend(values[1:])
        return _selected(values[0], scope, parts, attr, depth + 1) if values else None
    return None


def _picked(
    args: list[ast.expr], scope: FunctionNames, parts: list[ast.expr], attr: str, depth: int
) -> ast.Attribute | None:
    """The column among what `select(...)` is given: the only one, or the one called `attr`."""
    bare = [_bare(arg) for arg in args]
    for arg in bare if attr or len(bare) == 1 else []:
        if isinstance(arg, ast.Name):
            return _selected(arg, scope, parts, attr, depth + 1)
        if not isinstance(arg, ast.Attribute) or (attr and arg.attr != attr):
            continue
        if isinstance(arg.value, ast.Attribute) and arg.value.attr in ("c", "columns"):
            inner = arg.value.value
            if isinstance(inner, ast.Name) and inner.id in scope.assigned:
                return _selected(inner, scope, parts, arg.attr, depth + 1) or arg
        return arg
    return None


def _bare(node: ast.expr) -> ast.expr:
    """A column without `distinct` and `label`."""
    while isinstance(node, ast.Call):
        if last(node) in ("distinct", "col") and node.args:
            node = node.args[0]
        elif isinstance(node.func, ast.Attribute) and last(node) in ("distinct", "label"):
            node = node.func.value
        else:
            break
    return node


def _may_be_null(column: ast.Attribute, scope: FunctionNames) -> tuple[bool, bool]:
    """Whether a column is a foreign key, and whether it may be NULL."""
    project, name = scope.index.project, dotted(column.value)
    if name.endswith((".c", ".columns")):
        table = project.resolve(scope.file, name.rpartition(".")[0])
        return _of_table(table.source, column.attr) if isinstance(table, Given) else (False, False)
    cls = project.resolve(scope.file, name) if name else None
    if not isinstance(cls, Class):
        return False, False
    for one in project.mro(cls):
        source, note = one.facts.values.get(column.attr, ""), one.facts.notes.get(column.attr, "")
        if not source and not note:
            continue
        keys = one.facts.values.get("__table_args__", "")
        if re.search(r"nullable=False|primary_key=True", source) or re.search(
            rf"PrimaryKeyConstraint\([^)]*['\"]{column.attr}['\"]", keys
        ):
            return False, False
        optional = "Optional" in note or "None" in note or "nullable=True" in source
        written = "Column(" in source and not note
        return "ForeignKey" in source or "foreign_key" in source, optional or written
    return False, False


def _of_table(source: str, name: str) -> tuple[bool, bool]:
    table = expression(source)
    for arg in table.args if isinstance(table, ast.Call) and last(table) == "Table" else ():
        if isinstance(arg, ast.Call) and last(arg) == "Column" and arg.args:
            first = arg.args[0]
            if isinstance(first, ast.Constant) and first.value == name:
                key = keyword(arg, "primary_key")
                null = keyword(arg, "nullable")
                filled = isinstance(null, ast.Constant) and null.value is False
                return "ForeignKey" in source, key is None and not filled
    return False, False


def _excluded(column: ast.Attribute, parts: list[ast.expr], *, joined: bool) -> bool:
    """Whether a condition on the column, or a join over it, leaves NULL out."""
    name = dotted(column)
    for part in parts:
        if _EXCLUDED.search(ast.unparse(part)):
            return True
        for node in ast.walk(part):
            match node:
                case ast.Compare(left=left, ops=ops, comparators=others):
                    sides = {dotted(left), *(dotted(other) for other in others)}
                    none = any(isinstance(other, ast.Constant) and other.value is None for other in others)
                    if name in sides and not none and not any(isinstance(op, ast.Is | ast.IsNot) for op in ops):
                        return True
                case ast.Call(func=ast.Attribute(value=value, attr=attr)):
                    if attr in _LOOKUPS and dotted(value) == name:
                        return True
                    if attr == "filter_by" and any(
                        item.arg == column.attr and not _is_none(item.value) for item in node.keywords
                    ):
                        return True
                    outer = keyword(node, "isouter") or keyword(node, "full")
                    if joined and attr in _INNER_JOINS and outer is None:
                        return True
                case _:
                    pass
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def field_selected(node: ast.expr, scope: FunctionNames) -> str:
    """The field that `values_list("field")` of a model of Django selects, if it may be NULL."""
    parts = [node]
    if isinstance(node, ast.Name):
        values = scope.assigned.get(node.id, [])
        if not values:
            return ""
        node, parts = values[0], values
    for call in _calls(node):
        if last(call) in ("values", "values_list") and len(call.args) == 1 and isinstance(call.func, ast.Attribute):
            path, cls = call.args[0], scope.rows(call.func.value)
            if cls is None or not scope.index.columns.is_django(cls):
                return ""
            if not isinstance(path, ast.Constant) or not isinstance(path.value, str):
                return ""
            root = path.value.partition("__")[0].removesuffix("_id")
            if _field_null(cls, path.value, scope) and not _filtered(root, [call, *parts]):
                return f"{cls.name}.{path.value}"
            return ""
    return ""


def _field_null(cls: Class, path: str, scope: FunctionNames) -> bool:
    columns, project = scope.index.columns, scope.index.project
    here: Class | None = cls
    for word in path.split("__"):
        if here is None:
            return False
        sources = (
            one.facts.values.get(name, "") for one in project.mro(here) for name in (word, word.removesuffix("_id"))
        )
        source = next((source for source in sources if source), "")
        if re.search(r"\bnull=True", source):
            return True
        relation = columns.relation(here, word)
        if relation is not None and relation.many:
            return True  # an outer join: NULL for an object without any
        here = columns.class_named(relation.target, relation.file) if relation is not None else None
    return False


def _filtered(root: str, parts: list[ast.expr]) -> bool:
    """Whether a condition on the field `root` is among the filters, other than that it be NULL."""
    for part in parts:
        for node in ast.walk(part):
            if not isinstance(node, ast.Call):
                continue
            for item in node.keywords:
                if item.arg is None or item.arg.partition("__")[0].removesuffix("_id") != root:
                    continue
                empty = _is_none(item.value) or (
                    item.arg.endswith("__isnull") and isinstance(item.value, ast.Constant) and item.value.value is True
                )
                if empty == (last(node) == "exclude"):
                    return True
    return False


def _calls(node: ast.expr) -> Iterator[ast.Call]:
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Call):
            yield node
            node = node.func
        else:
            node = node.value
