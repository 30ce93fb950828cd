"""NOT IN over something that holds NULL."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.index import Index
from trueup.lint.local import scope_of
from trueup.lint.project import File
from trueup.lint.rule import Rule
from trueup.lint.rules._nullable import column_selected, field_selected
from trueup.lint.source import last

_SQL = re.compile(r"\bNOT\s+IN\s*\((?=[^()]*\bNULL\b)[^()]*?(?:^|[(,])\s*NULL\s*[,)]", re.IGNORECASE)
_SQL_NEEDLE = re.compile(rb"NOT\s+IN", re.IGNORECASE)
_NOT_IN = {"notin_", "not_in"}


class NotInNull(Rule):
    """`NOT IN` over a list or a subquery that holds NULL: it is never true.

    SQL cannot say that a value differs from NULL, so `x NOT IN ('a', NULL)` is unknown for every row and the query
    returns nothing. There is no error: a clean-up that looks for broken rows in this way reports a healthy table. One
    row with NULL in the subquery is enough.

    **Bad**

    ```python
    QUERY = "SELECT id FROM events WHERE JSON_TYPE(metadata) NOT IN ('OBJECT', NULL)"
    ```

    **Bad**

    ```python
    from sqlalchemy import Column, ForeignKey, Integer, select
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()

    class User(Base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        invited_by = Column(Integer, ForeignKey("users.id"))

    def who_invited_nobody():
        return select(User).where(User.id.not_in(select(User.invited_by)))
    ```

    **Bad**

    ```python
    from django.db import models

    class Author(models.Model):
        name = models.CharField(max_length=100)

    class Book(models.Model):
        editor = models.ForeignKey(Author, null=True, on_delete=models.SET_NULL)

    def who_edits_nothing():
        return Author.objects.exclude(pk__in=Book.objects.values("editor"))
    ```

    **Good**

    ```python
    from sqlalchemy import Column, ForeignKey, Integer, select
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()
    QUERY = "SELECT id FROM events WHERE metadata IS NOT NULL AND JSON_TYPE(metadata) <> 'OBJECT'"

    class User(Base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        invited_by = Column(Integer, ForeignKey("users.id"))

    def who_invited_nobody():
        return select(User).where(User.id.not_in(select(User.invited_by).where(User.invited_by.is_not(None))))
    ```

    **What to write.** Leave NULL out of the list or the subquery, or ask `NOT EXISTS`, which NULL does not trouble:
    `.where(User.invited_by.is_not(None))`, `.filter(editor__isnull=False)`, `~Exists(...)`.

    **What it leaves alone.** A subquery with a condition on its column, for NULL fulfils none; an inner join over the
    column; lists that Django is given, for it takes None out of them. In the text of SQL only lists are looked at: of
    a subquery there it does not know which column may be NULL.
    """

    name: ClassVar[str] = "not-in-null"
    severity: ClassVar[Severity] = "high"
    needles: ClassVar[tuple[bytes, ...]] = (
        *(b"notin_", b"not_in", b"in_(", b"NOT IN", b"not in (", b"Not In"),
        *(b".exclude(", b"~Q(", b"~models.Q("),
    )
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """NULL in lists of SQL text and of SQLAlchemy, and subqueries of columns that may be NULL."""
        hint = "take NULL out, and say IS NOT NULL beside it, or use NOT EXISTS"
        if _SQL_NEEDLE.search(file.module.data):
            documented = _docstrings(file)
            for text in file.module.of(ast.Constant):
                if isinstance(text.value, str) and _SQL.search(text.value) and text not in documented:
                    yield self.finding(file, text, "NOT IN over a list that holds NULL is never true", hint)
        for node in file.module.of(ast.Call):
            if isinstance(node.func, ast.Attribute) and node.args and _negated(node, node.func.attr, file):
                if _has_none(node.args[0]):
                    yield self.finding(file, node, "NOT IN over a list that holds None is never true", hint)
                elif column := column_selected(node.args[0], scope_of(node, index, file)):
                    yield self._told(file, node, column, f".where({column}.is_not(None))")
            elif taken_out := _excluded(node, file):
                field = next(filter(None, (field_selected(one, scope_of(node, index, file)) for one in taken_out)), "")
                if field:
                    yield self._told(file, node, field, f".filter({field.partition('.')[2]}__isnull=False)")

    def _told(self, file: File, node: ast.Call, column: str, condition: str) -> Finding:
        message = f"NOT IN over {column}, which may be NULL: one NULL among its values and no row is found"
        return self.finding(file, node, message, f"{condition} in the subquery, or use NOT EXISTS")


def _negated(node: ast.Call, name: str, file: File) -> bool:
    """`x.not_in(...)`, `~x.in_(...)`, `not_(x.in_(...))`."""
    if name in _NOT_IN:
        return True
    parent = file.module.parents.get(node)
    if isinstance(parent, ast.Call) and last(parent) == "not_":
        return name == "in_"
    return name == "in_" and isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Invert)


def _excluded(node: ast.Call, file: File) -> list[ast.expr]:
    """What stands behind `__in` in `exclude(pk__in=...)`, `exclude(Q(pk__in=...))`, `~Q(pk__in=...)`."""
    parent = file.module.parents.get(node)
    inverted = isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Invert)
    if not (last(node) == "exclude" or (last(node) == "Q" and (inverted or last(parent) == "exclude"))):
        return []
    return [item.value for item in node.keywords if item.arg is not None and item.arg.endswith("__in")]


def _docstrings(file: File) -> set[ast.AST]:
    return {
        node.body[0].value
        for node in file.module.survey.own
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }


def _has_none(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple | ast.Set) and any(
        isinstance(item, ast.Constant) and item.value is None for item in node.elts
    )
