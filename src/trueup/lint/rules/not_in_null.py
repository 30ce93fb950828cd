"""NOT IN over something that holds NULL."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.project import Class, File
from trueup.lint.rule import Index, Rule
from trueup.lint.source import dotted, last

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

    **What to write.** Leave NULL out of the list or the subquery, or ask `NOT EXISTS`, which NULL does not trouble.
    """

    name: ClassVar[str] = "not-in-null"
    severity: ClassVar[Severity] = "high"
    needles: ClassVar[tuple[bytes, ...]] = (b"notin_", b"not_in", b"in_(", b"NOT IN", b"not in (", b"Not In")
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """NULL in the lists of SQL text and of SQLAlchemy, and subqueries of columns that may be NULL."""
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
                elif column := _nullable(node.args[0], file, index):
                    yield self.finding(
                        file,
                        node,
                        f"NOT IN over {column}, which may be NULL: one NULL among its values and no row is found",
                        f".where({column}.is_not(None)) in the subquery, or use NOT EXISTS",
                    )


def _negated(node: ast.Call, name: str, file: File) -> bool:
    """`x.not_in(...)`, `~x.in_(...)`."""
    if name in _NOT_IN:
        return True
    parent = file.module.parents.get(node)
    return name == "in_" and isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Invert)


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


def _nullable(node: ast.expr, file: File, index: Index) -> str:
    """The column that a subquery selects, if it may be NULL and nothing in the subquery excludes that."""
    text = ast.unparse(node)
    if re.search(r"is_not\(None|isnot\(None|!= None|coalesce|is_not_null", text):
        return ""
    for call in _calls(node):
        if last(call) in ("select", "query") and len(call.args) == 1 and isinstance(call.args[0], ast.Attribute):
            column = call.args[0]
            cls = index.project.resolve(file, dotted(column.value)) if dotted(column.value) else None
            if isinstance(cls, Class) and _may_be_null(cls, column.attr, index):
                return dotted(column)
    return ""


def _calls(node: ast.expr) -> Iterator[ast.Call]:
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Call):
            yield node
            node = node.func
        else:
            node = node.value


def _may_be_null(cls: Class, attr: str, index: Index) -> bool:
    for one in index.project.mro(cls):
        source, note = one.facts.values.get(attr, ""), one.facts.notes.get(attr, "")
        if "nullable=False" in source or "primary_key=True" in source:
            return False
        if note:
            return "Mapped[" in note and ("Optional" in note or "None" in note or "nullable=True" in source)
        if "Column(" in source:
            return True
    return False
