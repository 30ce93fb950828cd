"""All changes inside JSON columns of a project that are lost: each function on its own, then as it is called."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from trueup.lint.columns import Columns
from trueup.lint.flow.follow import Follower
from trueup.lint.flow.frame import Change
from trueup.lint.flow.state import LOST, MAYBE, OPEN, SAVED
from trueup.lint.flow.values import Token
from trueup.lint.project import Class, File, Project
from trueup.lint.source import Function, Unreadable, last, statements

_WRITES = {"commit", "flush", "add", "merge", "save", "execute", "setattr", "begin", "refresh", "bulk_save_objects"}
#: Functions deeper than this in callers of callers are not looked for.
_ROUNDS = 2


@dataclass(frozen=True)
class Lost:
    """A change that is not written, at a place; not `sure` where a path, or a guess about the object, may save it."""

    change: Change
    node: ast.AST
    file: File
    sure: bool


class Analysis:
    """Runs a `Follower` over the functions that matter and weighs what it says."""

    def __init__(self, project: Project, columns: Columns) -> None:
        self.project = project
        self.columns = columns
        self.follower = Follower(project, columns)
        #: Place to the fates it had, by the calls that led to it.
        self.fates: dict[Token, dict[Token, set[str]]] = defaultdict(lambda: defaultdict(set))
        #: Files with a function that could not be followed, and why.
        self.failed: dict[str, str] = {}
        self._done: set[tuple[str, int]] = set()

    def run(self) -> list[Lost]:
        """Every change that is lost, in the order of the files."""
        names = [name for name, columns in self.columns.by_name.items() if any(c.orm == "sqlalchemy" for c in columns)]
        if not names:
            return []
        mentions = _one_of(names, before=rb"(?<=[.\"'])")  # an attribute, or a text for getattr
        for file in self.project.files.values():
            if mentions.search(file.module.data):
                self._file(file, set(names), mentions)
        for _ in range(_ROUNDS):
            helpers = {
                change.function.name
                for place, change in self.follower.context.changes.items()
                if isinstance(change.function, Function) and any(OPEN in fates for fates in self.fates[place].values())
            }
            # a property is called by no call
            if not helpers or not self._callers(helpers):
                break
        return sorted(self._weighed(), key=lambda lost: (lost.file.module.path, lost.node.lineno))  # type: ignore[attr-defined]

    def _file(self, file: File, names: set[str], mentions: re.Pattern[bytes]) -> None:
        try:
            nodes = list(_roots(file))
        except Unreadable as problem:
            self.failed[file.module.path] = str(problem)
            return
        lines = _lines(file, mentions)
        for node, owner in nodes:
            if _spans(node, lines) and any(_mentions(inner, names) for inner in ast.walk(node)):
                self._root(file, node, owner)

    def _callers(self, helpers: set[str]) -> bool:
        """Follow the functions that call one of these; False when all are done."""
        found = False
        named = _one_of(helpers, after=rb"\s*\(")
        for file in self.project.files.values():
            if "facts" not in vars(file) or not (lines := _lines(file, named)):
                continue
            for node, owner in _roots(file):
                if (
                    (file.module.path, getattr(node, "lineno", 0)) not in self._done
                    and _spans(node, lines)
                    and any(isinstance(inner, ast.Call) and last(inner) in helpers for inner in ast.walk(node))
                ):
                    found |= self._root(file, node, owner)
        return found

    def _root(self, file: File, node: ast.AST, owner: Class | None) -> bool:
        key = (file.module.path, getattr(node, "lineno", 0))
        if key in self._done:
            return False
        self._done.add(key)
        body = node.body if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) else []
        try:
            final = self.follower.root(file, node, owner, body)
        except Exception as error:  # noqa: BLE001 - the file is reported as not checked
            line = getattr(node, "lineno", 1)
            self.failed[file.module.path] = f"line {line}: the function could not be followed: {type(error).__name__}"
            return True
        for (place, slot), fate in final.fates.items():
            if place[3] and fate == SAVED and (place, slot) in final.covered:
                continue  # this caller happened to set the column before: the function does not rely on it
            self.fates[place[:3]][place[3]].add(fate)  # type: ignore[index]
        return True

    def _weighed(self) -> Iterator[Lost]:
        for place, change in self.follower.context.changes.items():
            by_chain = self.fates.get(place, {})
            own = by_chain.get((), set())
            called = {chain: fates for chain, fates in by_chain.items() if chain}
            open_ = {chain for chain, fates in called.items() if fates & {OPEN, LOST}}
            saved = set(called) - open_
            certain = place in self.follower.context.certain and not _only_shown(change)
            if saved:
                # some caller flags it, so it is the other callers that forget to
                if not own or own & {OPEN, LOST}:
                    for chain in open_:
                        path, line, column = cast("tuple[str, int, int]", chain[-1])
                        file = self.project.files[path]
                        node = ast.Pass(lineno=line, col_offset=column, end_lineno=line, end_col_offset=column)
                        yield Lost(change, node, file, certain)
            elif own & {OPEN, LOST} or (not own and open_):
                yield Lost(change, change.node, change.file, certain)
            elif MAYBE in own:
                yield Lost(change, change.node, change.file, False)


def _only_shown(change: Change) -> bool:
    """Whether a function changes what it loaded only to hand it out: it writes nothing, and returns the value."""
    target = change.node
    while isinstance(target, ast.Subscript | ast.Attribute | ast.Call | ast.AugAssign):
        target = (
            target.func
            if isinstance(target, ast.Call)
            else target.target
            if isinstance(target, ast.AugAssign)
            else target.value
        )
        if isinstance(target, ast.Attribute) and target.attr == change.field:
            return False
    if not isinstance(target, ast.Name) or not isinstance(change.function, Function):
        return False
    shown = False
    for node in ast.walk(change.function):
        if isinstance(node, ast.Return) and node.value is not None:
            shown |= any(isinstance(one, ast.Name) and one.id == target.id for one in ast.walk(node.value))
        elif (isinstance(node, ast.Call) and last(node) in _WRITES) or (
            isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        ):
            return False
    return shown


def _roots(file: File) -> Iterator[tuple[ast.AST, Class | None]]:
    """The functions of a file with the class they belong to, and the file itself."""
    tree = file.module.tree
    yield tree, None
    waiting: list[tuple[Iterable[ast.AST], str]] = [(tree.body, "")]
    while waiting:
        body, prefix = waiting.pop()
        for node in body:
            if isinstance(node, ast.ClassDef):
                name = f"{prefix}{node.name}"
                for inner in node.body:
                    if isinstance(inner, Function):
                        yield inner, file.classes.get(name)
                        waiting.append((_nested(inner), ""))
                waiting.append(([inner for inner in node.body if isinstance(inner, ast.ClassDef)], f"{name}."))
            elif isinstance(node, Function):
                yield node, None
                waiting.append((_nested(node), ""))
            elif isinstance(node, ast.If | ast.Try | ast.With):
                waiting.append((ast.iter_child_nodes(node), prefix))


def _nested(function: Function) -> list[ast.AST]:
    """The functions and classes directly in a function."""
    return [node for node in statements(function.body, inner=False) if isinstance(node, Function | ast.ClassDef)]


def _one_of(names: Iterable[str], before: bytes = rb"\b", after: bytes = b"") -> re.Pattern[bytes]:
    return re.compile(before + b"(?:" + b"|".join(re.escape(one.encode()) for one in sorted(names)) + rb")\b" + after)


def _lines(file: File, pattern: re.Pattern[bytes]) -> list[int]:
    """The lines of a file in which a pattern is, counted from 1."""
    data, found, line, seen = file.module.data, [], 1, 0
    for match in pattern.finditer(data):
        line += data.count(b"\n", seen, match.start())
        seen = match.start()
        found.append(line)
    return found


def _spans(node: ast.AST, lines: list[int]) -> bool:
    """Whether one of these lines is the node's: read before the tree is walked, which costs far more."""
    if isinstance(node, ast.Module):
        return bool(lines)
    assert isinstance(node, Function)
    at = bisect_left(lines, node.lineno)
    return at < len(lines) and lines[at] <= (node.end_lineno or node.lineno)


def _mentions(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in names
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
