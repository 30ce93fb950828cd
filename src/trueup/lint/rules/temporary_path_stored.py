"""Paths below a temporary folder that are written to a row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.coltypes import expression
from trueup.lint.index import Index
from trueup.lint.local import FunctionNames, scopes
from trueup.lint.project import Class, File, Func
from trueup.lint.rule import Rule, is_test
from trueup.lint.source import Function, dotted, keyword, last

_MAKES = (
    *("tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.mktemp", "tempfile.gettempdir", "tempfile.TemporaryDirectory"),
    *("tempfile.NamedTemporaryFile", "tempfile.TemporaryFile"),
)
_TEXT = re.compile(r"^(?!\w+://)(?:.*/)?(tmp|temp)(/|$)")
_SPOKEN = re.compile(rb"tempfile|[/'\"](?:tmp|temp)\b|\b(?:tmp|temp|temporary)_(?:file|path|dir|folder)")
#: What a parameter is called that is given one, and a column that is meant to hold one.
_TOLD = re.compile(r"^(tmp|temp|temporary)_?(file_?)?(path|dir|folder|filename)$")
_MEANT = re.compile(r"(^|_)(tmp|temp|temporary)(_|$)")
#: Modules that models come from.
_MODELS = re.compile(r"(^|\.)(models?|entities|tables|db)(\.|_)")
_DEPTH = 8
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

    **What it leaves alone.** A temporary file that is used and forgotten; a path to where it was moved; one that is
    made in another folder (`mkdtemp(dir=...)`); a column that is for temporary paths by its name; tests. Settings in
    other files and in the environment are not read.
    """

    name: ClassVar[str] = "temporary-path-stored"
    severity: ClassVar[Severity] = "high"
    scope: ClassVar[Literal["file", "project"]] = "project"

    def wants(self, data: bytes) -> bool:
        """A file that speaks of something temporary."""
        return _SPOKEN.search(data) is not None

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Temporary paths given to attributes of models."""
        if is_test(file):
            return
        for scope in scopes(index, file):
            entered = _entered(scope)
            stored = ((cls.name, attr, value, node) for cls, attr, value, node in scope.stored())
            for name, attr, value, node in (*stored, *_made_elsewhere(scope)):
                if _temporary(value, scope, entered, 0) and not _MEANT.search(attr):
                    yield self.finding(
                        file,
                        node,
                        f'"{name}.{attr}" is given a path below a temporary folder, which the row outlives',
                        "move the file to where it is kept, and store that path",
                    )


def _made_elsewhere(scope: FunctionNames) -> Iterator[tuple[str, str, ast.expr, ast.AST]]:
    """Values given to what is made of a model in a file that is not there."""
    for node in scope.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.keywords:
            origin = scope.file.module.imports.get(node.func.id, "")
            known = scope.index.project.resolve(scope.file, node.func.id)
            if node.func.id[:1].isupper() and _MODELS.search(origin) and not isinstance(known, Class):
                for item in node.keywords:
                    if item.arg:
                        yield node.func.id, item.arg, item.value, item.value


def _entered(scope: FunctionNames) -> set[str]:
    """Names of `with tempfile.TemporaryDirectory() as name`, and `name` of `handle, name = tempfile.mkstemp()`."""
    found: set[str] = set()
    for node in scope.nodes:
        match node:
            case ast.With(items=items) | ast.AsyncWith(items=items):
                found |= {
                    item.optional_vars.id
                    for item in items
                    if isinstance(item.optional_vars, ast.Name)
                    and isinstance(item.context_expr, ast.Call)
                    and _makes(item.context_expr.func, scope)
                    and not _placed(item.context_expr)
                }
            case ast.Assign(targets=[ast.Tuple(elts=[_, ast.Name(id=name)])], value=ast.Call(func=func) as call):
                if scope.file.module.origin(func) == "tempfile.mkstemp" and not _placed(call):
                    found.add(name)
            case _:
                pass
    return found - scope.assigned.keys()


def _makes(func: ast.expr, scope: FunctionNames) -> bool:
    origin = scope.file.module.origin(func)
    return origin in _MAKES or origin.removeprefix("aiofiles.") in _MAKES


def _temporary(node: ast.expr | None, scope: FunctionNames, entered: set[str], depth: int) -> bool:
    if depth > _DEPTH or node is None:
        return False
    match node:
        case ast.Constant(value=str(text)):
            return _TEXT.match(text) is not None
        case ast.JoinedStr(values=[first, *_]) | ast.BinOp(left=first):
            return _temporary(first, scope, entered, depth + 1)
        case (
            ast.FormattedValue(value=value) | ast.Await(value=value) | ast.Attribute(value=value, attr="name" | "path")
        ):
            return _temporary(value, scope, entered, depth + 1)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            return _temporary(_configured(value, key, scope), _whole(scope), set(), depth + 1)
        case ast.Subscript(value=value):
            return _temporary(value, scope, entered, depth + 1)
        case ast.IfExp(body=body, orelse=orelse):
            return any(_temporary(one, scope, entered, depth + 1) for one in (body, orelse))
        case ast.Name(id=name):
            return name in entered or _named(name, scope, entered, depth)
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr) if scope.owner is not None:
            held = expression(scope.owner.facts.values.get(attr, ""))
            return _temporary(held, _whole(scope), set(), depth + 1)
        case ast.Call():
            return _made(node, scope, entered, depth)
    return False


def _made(node: ast.Call, scope: FunctionNames, entered: set[str], depth: int) -> bool:
    """Whether a call gives a temporary path: it makes one, returns one, or passes on the one it is given."""
    func = node.func
    if _makes(func, scope):
        return not _placed(node)
    word = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if word not in _PASSES:
        return _returned(node, scope, depth)
    if node.args and _temporary(node.args[0], scope, entered, depth + 1):
        return True
    return isinstance(func, ast.Attribute) and _temporary(func.value, scope, entered, depth + 1)


def _placed(node: ast.Call) -> bool:
    """Whether `tempfile` is told where: `mkdtemp(dir=MEDIA_ROOT)` is not below the temporary folder."""
    given = keyword(node, "dir")
    if given is None:
        return False
    return not (isinstance(given, ast.Constant) and (given.value is None or _TEXT.match(str(given.value))))


def _whole(scope: FunctionNames) -> FunctionNames:
    """The names of the file."""
    return scopes(scope.index, scope.file)[0]


def _named(name: str, scope: FunctionNames, entered: set[str], depth: int) -> bool:
    """What the function assigns to a name, or else the file; after a move to elsewhere it is another path."""
    values = scope.assigned.get(name)
    if values is None and name in _parameters(scope):
        return _TOLD.search(name) is not None
    if values is None:
        whole = _whole(scope)
        values = whole.assigned.get(name, []) if whole is not scope else []
        return any(_temporary(value, whole, set(), depth + 1) for value in values)
    # what is assigned last is what is stored: a path that is replaced was on its way
    return _temporary(max(values, key=lambda one: one.lineno), scope, entered, depth + 1) or (
        all(_temporary(value, scope, entered, depth + 1) for value in values)
    )


def _parameters(scope: FunctionNames) -> set[str]:
    if not isinstance(scope.node, Function):
        return set()
    given = scope.node.args
    return {arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)}


def _configured(config: ast.expr, key: str, scope: FunctionNames) -> ast.expr | None:
    """The value of `app.config["UPLOAD_FOLDER"] = ...` in the same file."""
    if last(config) != "config":
        return None
    for node in scope.file.module.of(ast.Assign):
        for target in node.targets:
            if (
                isinstance(target, ast.Subscript)
                and last(target.value) == "config"
                and isinstance(target.slice, ast.Constant)
                and target.slice.value == key
            ):
                return node.value
    return None


def _returned(node: ast.Call, scope: FunctionNames, depth: int) -> bool:
    """Whether a function of the project returns a temporary path, whatever it is given."""
    name = dotted(node.func)
    func = scope.index.project.resolve(scope.file, name) if name else None
    tree = scope.index.project.function(func) if isinstance(func, Func) else None
    if not isinstance(func, Func) or tree is None:
        return False
    inner = FunctionNames(scope.index, func.file, tree, func.owner)
    entered = _entered(inner)
    values = [one.value for one in inner.nodes if isinstance(one, ast.Return) and one.value is not None]
    given = [value for value in values if not (isinstance(value, ast.Constant) and value.value is None)]
    return bool(given) and all(_temporary(value, inner, entered, depth + 2) for value in given)
