"""One Python file: its text, its tree, and what a name in it stands for."""

from __future__ import annotations

import ast
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = TypeVar("Node", bound=ast.AST)


class Unreadable(Exception):
    """The file is no Python that this interpreter can read; the message says why, in one line."""


def parse(data: bytes) -> ast.Module:
    """The tree of a file. Raises `Unreadable`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in somebody's string is not our business
            return ast.parse(data)
    except SyntaxError as error:
        raise Unreadable(_told(error)) from None
    except (RecursionError, MemoryError):
        raise Unreadable(TOO_DEEP) from None
    except ValueError as error:
        raise Unreadable(f"line 1: {str(error).partition(';')[0]}") from None


#: Said of code that is nested deeper than Python itself follows.
TOO_DEEP = "line 1: nested too deeply to be read"


def _told(error: SyntaxError) -> str:
    """What is wrong, in one line, with the version of Python that says so: a newer one may know more."""
    said = " ".join(error.msg.split()).partition(";")[0]
    if "codec can't decode" in said or "Non-UTF-8" in said:
        return "line 1: it is not UTF-8, and says no other coding"
    if "null bytes" in said:
        return "line 1: it is no text: there are null bytes in it"
    version = ".".join(map(str, sys.version_info[:2]))
    return f"line {error.lineno or 1}: {said} (read as Python {version})"


class Module:
    """A file as the rules see it.

    `path` is what the user calls it; `parts` are the pieces of its dotted name from the root of the project. `folder`
    is the name of that root: a package without an `__init__.py` that is looked at by itself.
    """

    def __init__(self, path: str, data: bytes, parts: tuple[str, ...] = (), folder: str = "") -> None:
        #: Why the file could not be opened.
        self.problem = ""
        self.path = path
        self.data = data
        self.parts = parts or (Path(path).stem,)
        self.folder = folder

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. Raises `Unreadable`."""
        if self.problem:
            raise Unreadable(self.problem)
        return parse(self.data)

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines, without their ends."""
        # a form feed ends no line for the parser, but does for bytes.splitlines
        return self.data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")

    @cached_property
    def survey(self) -> Survey:
        """The tree walked once, for all rules."""
        return Survey(self.tree)

    @property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Node to the node around it."""
        return self.survey.parents

    def of(self, kind: type[Node]) -> list[Node]:
        """All nodes of one kind, in any order."""
        return self.survey.kinds.get(kind, [])  # type: ignore[return-value]

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to dotted origin, of every import anywhere in the file."""
        return dict(self._imports())

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """Modules of `from x import *`."""
        return tuple(
            self.absolute(node.module, node.level)
            for node in self._importing
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
        )

    @cached_property
    def _importing(self) -> list[ast.Import | ast.ImportFrom]:
        return [node for node in statements(self.tree.body) if isinstance(node, ast.Import | ast.ImportFrom)]

    def absolute(self, name: str | None, level: int) -> str:
        """The dotted name of a module that an import statement names, relative or not."""
        if not level:
            return name or ""
        package = (
            self.parts[: len(self.parts) - level]
            if Path(self.path).stem != "__init__"
            else (self.parts[: len(self.parts) - level + 1])
        )
        return ".".join((*package, *([name] if name else [])))

    def forget(self) -> None:
        """Let go of the tree: thousands of them do not fit into memory."""
        for name in ("tree", "survey", "lines", "_importing"):
            self.__dict__.pop(name, None)

    def _imports(self) -> Iterator[tuple[str, str]]:
        for node in self._importing:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
            else:
                origin = self.absolute(node.module, node.level)
                for alias in node.names:
                    if alias.name != "*":
                        yield alias.asname or alias.name, f"{origin}.{alias.name}".lstrip(".")

    def origin(self, node: ast.expr) -> str:
        """The dotted name an expression stands for, the first part followed through imports; empty if none."""
        name = dotted(node)
        head, _, rest = name.partition(".")
        head = self.imports.get(head, head)
        return f"{head}.{rest}" if rest else head

    def segment(self, node: ast.AST) -> str:
        """The source of a node, its lines joined as they are."""
        assert isinstance(node, ast.expr | ast.stmt)
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        start, end = node.col_offset, node.end_col_offset or 0
        if first == last:
            return self.lines[first][start:end].decode("utf-8", "replace")
        middle = self.lines[first + 1 : last]
        return b"\n".join([self.lines[first][start:], *middle, self.lines[last][:end]]).decode("utf-8", "replace")

    def line(self, number: int) -> str:
        """A line, counted from 1; empty past the end."""
        return self.lines[number - 1].decode("utf-8", "replace") if 0 < number <= len(self.lines) else ""

    def functions(self) -> Iterator[tuple[Function, ast.ClassDef | None]]:
        """Each function with the class it is a method of."""
        found: list[Function] = [*self.of(ast.FunctionDef), *self.of(ast.AsyncFunctionDef)]
        for node in found:
            around = self.parents.get(node)
            yield node, around if isinstance(around, ast.ClassDef) else None


class Survey:
    """A tree walked once: `kinds` by type, `parents`, and `own`, the nodes of each function without inner ones."""

    def __init__(self, tree: ast.Module) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self.kinds: defaultdict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self.own: dict[ast.AST, list[ast.AST]] = {}
        waiting: list[tuple[ast.AST, list[ast.AST]]] = [(tree, [])]
        # written for speed: half of the time of a run goes here
        parents, kinds, own = self.parents, self.kinds, self.own
        while waiting:
            node, siblings = waiting.pop()
            kind = type(node)
            if kind in _SCOPES:
                siblings = own[node] = []
            for name in _FIELDS[kind]:
                value = getattr(node, name)
                for item in value if type(value) is list else (value,):
                    inner = type(item)
                    if inner in _VALUES:
                        continue
                    parents[item] = node
                    siblings.append(item)
                    kinds[inner].append(item)
                    if inner not in _ENDS:
                        waiting.append((item, siblings))


_SCOPES = frozenset((ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda))
#: What stands in fields beside nodes: names of `global`, the value of `case True`.
_VALUES = frozenset((type(None), str, bool, int))
_ENDS = frozenset((ast.Name, ast.Constant, ast.alias, ast.Pass))
#: Fields without nodes, or with nodes that have no place and that trees share.
_LEAVES = {
    *("ctx", "op", "ops", "id", "attr", "arg", "name", "kind", "type_comment", "level"),
    *("module", "is_async", "conversion", "simple", "type_ignores", "asname", "rest", "kwd_attrs", "lineno"),
}


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of a kind of node in which there are nodes."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        self[kind] = tuple(name for name in kind._fields if name not in _LEAVES)
        return self[kind]


_FIELDS = _Fields()


def dotted(node: ast.AST | None) -> str:
    """`a.b.c` of a name or a chain of attributes; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def last(node: ast.AST | None) -> str:
    """The last word of a name, an attribute or of what a call calls."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((item.value for item in call.keywords if item.arg == name), None)


def statements(body: Sequence[ast.stmt], *, inner: bool = True) -> Iterator[ast.stmt]:
    """The statements of a body and of the blocks in it, in order; with `inner`, also of functions and classes in it."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        if inner or not isinstance(node, Function | ast.ClassDef):
            for name in reversed(_BLOCKS.get(type(node), ())):
                waiting.extend(reversed(getattr(node, name)))


#: Where a node holds statements, or parts that do.
_BLOCKS: dict[type[ast.AST], tuple[str, ...]] = {
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.With, ast.AsyncWith), ("body",)),
    **dict.fromkeys((ast.ExceptHandler, ast.match_case), ("body",)),
    **dict.fromkeys((ast.If, ast.For, ast.AsyncFor, ast.While), ("body", "orelse")),
    **dict.fromkeys((ast.Try, ast.TryStar), ("body", "handlers", "orelse", "finalbody")),
    ast.Match: ("cases",),
}


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body without those of functions and classes inside it."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
