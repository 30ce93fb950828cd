"""Paths below a temporary folder that are written to a row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.local import Local, scopes
from trueup.lint.project import File
from trueup.lint.rule import Index, Rule, is_test

_MAKES = (
    *("tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.mktemp", "tempfile.gettempdir", "tempfile.TemporaryDirectory"),
    *("tempfile.NamedTemporaryFile", "tempfile.TemporaryFile"),
)
_TEXT = re.compile(r"^(/tmp|/var/tmp|/private/tmp)(/|$)")
#: What makes a path of the parts it is given.
_PASSES = {
    "join",
    "Path",
    "PurePath",
    "str",
    "abspath",
    "realpath",
    "fspath",
    "resolve",
    "joinpath",
    "as_posix",
    "format",
}


class TemporaryPathStored(Rule):
    """A path below a temporary folder that is stored in a row.

    The row outlives the folder. After the next restart, or a few days later, the path points to nothing, and nobody
    can tell which file it meant.

    **Bad**

    ```python
    import os
    import tempfile

    from sqlalchemy import Column, Integer, String
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()

    class Mark(Base):
        __tablename__ = "marks"
        id = Column(Integer, primary_key=True)
        text_file_path = Column(String)

    def archive(session, mark: Mark, text: str) -> None:
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "marks.txt")
        with open(path, "w") as file:
            file.write(text)
        mark.text_file_path = path
        session.commit()
    ```

    **Good**

    ```python
    from pathlib import Path

    from sqlalchemy import Column, Integer, String
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()
    ARCHIVES = Path("text_archives")

    class Mark(Base):
        __tablename__ = "marks"
        id = Column(Integer, primary_key=True)
        text_file_path = Column(String)

    def archive(session, mark: Mark, text: str) -> None:
        path = ARCHIVES / "marks.txt"
        path.write_text(text)
        mark.text_file_path = str(path)
        session.commit()
    ```

    **What it leaves alone.** A temporary file that is used and forgotten, and a path to where it was moved.
    """

    name: ClassVar[str] = "temporary-path-stored"
    needles: ClassVar[tuple[bytes, ...]] = (b"tempfile", b"/tmp", b"gettempdir")
    severity: ClassVar[Severity] = "high"
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Temporary paths given to attributes of models."""
        if is_test(file):
            return
        for scope in scopes(index, file):
            entered = _entered(scope)
            for cls, attr, value, node in scope.stored():
                if _temporary(value, scope, entered, 0):
                    yield self.finding(
                        file,
                        node,
                        f'"{cls.name}.{attr}" is given a path below a temporary folder, which the row outlives',
                        "move the file to where it is kept, and store that path",
                    )


def _entered(scope: Local) -> set[str]:
    """Names of `with tempfile.TemporaryDirectory() as name`."""
    return {
        item.optional_vars.id
        for node in scope.nodes
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
        and isinstance(item.context_expr, ast.Call)
        and scope.file.module.origin(item.context_expr.func) in _MAKES
    }


def _temporary(node: ast.expr, scope: Local, entered: set[str], depth: int) -> bool:  # noqa: C901 - one case a way to make a path
    if depth > 6:
        return False
    match node:
        case ast.Constant(value=str(text)):
            return _TEXT.match(text) is not None
        case ast.JoinedStr(values=[first, *_]):
            return _temporary(first, scope, entered, depth + 1)
        case ast.FormattedValue(value=value):
            return _temporary(value, scope, entered, depth + 1)
        case ast.BinOp(left=left):
            return _temporary(left, scope, entered, depth + 1)
        case ast.Subscript(value=value):
            return _temporary(value, scope, entered, depth + 1)
        case ast.Attribute(value=value, attr="name" | "path"):
            return _temporary(value, scope, entered, depth + 1)
        case ast.Name(id=name):
            values = scope.assigned.get(name, [])
            return name in entered or any(_temporary(value, scope, entered, depth + 1) for value in values)
        case ast.Call(func=func, args=args):
            if scope.file.module.origin(func) in _MAKES:
                return True
            word = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            if word not in _PASSES:
                return False
            if args and _temporary(args[0], scope, entered, depth + 1):
                return True
            return isinstance(func, ast.Attribute) and _temporary(func.value, scope, entered, depth + 1)
    return False
