"""The lines of code that write a column of a table, and whether what they write is ever saved.

For JSON columns of SQLAlchemy each change inside the value is followed, as `lost-json-change` does; every other
assignment to a column, and every value given to a constructor or to an `update`, is saved.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import dedent

from trueup.findings import Finding, Source
from trueup.lint.coltypes import expression
from trueup.lint.columns import Columns
from trueup.lint.flow.analysis import Analysis
from trueup.lint.flow.follow import Follower
from trueup.lint.flow.state import State
from trueup.lint.flow.values import Inst
from trueup.lint.index import Index
from trueup.lint.local import scopes
from trueup.lint.project import Class, File, Given, Project
from trueup.lint.runner import job, read_modules
from trueup.lint.source import Unreadable, keyword, last
from trueup.lint.suppress import sift
from trueup.results import CodeWriter, Fate, Scan

_RULE = "lost-json-change"
_WORST: Mapping[Fate, int] = {"lost": 0, "may be lost": 1, "persists": 2}

#: A table and a column of it, both in lower case and without a schema.
Place = tuple[str, str]


@dataclass(frozen=True)
class Writers:
    """Who writes which column. `models` are the tables that the code has a model of; `unread` maps a file to why."""

    found: Mapping[Place, tuple[CodeWriter, ...]] = field(default_factory=dict)
    models: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)

    def of(self, table: str, columns: Iterable[str]) -> tuple[CodeWriter, ...] | None:
        """The lines that write columns of a table (or paths inside them); None where no model of it is known."""
        name = table.rpartition(".")[2].casefold()
        if name not in self.models:
            return None
        places = dict.fromkeys((name, column.partition(".")[0].casefold()) for column in columns)
        return tuple(_sorted(writer for place in places for writer in self.found.get(place, ())))


def writers(paths: Sequence[str]) -> Writers:
    """Read the code below `paths`; nothing of it is imported or run. Raises `UsageError` for one that is not there."""
    todo = job(paths, select=(_RULE,), use_cache=False)
    modules, chosen = read_modules(todo)
    index = Index(Project(modules.values()))
    return Search(index, chosen).run()


def with_code(scan: Scan, paths: Sequence[str]) -> Scan:
    """`scan` with the lines of code that write the columns of each check, and a notice for each file not read."""
    found = writers(paths)
    results = tuple(replace(one, writers=found.of(one.table, one.columns)) for one in scan.results)
    unread = (f"who writes which column is not known of {path}: {why}" for path, why in sorted(found.unread.items()))
    return replace(scan, results=results, notices=(*scan.notices, *unread))


class Search:
    """One search through the files of a project."""

    def __init__(self, index: Index, chosen: Sequence[str]) -> None:
        self.index = index
        self.columns = index.columns
        self.files = [index.project.files[path] for path in chosen]
        self.unread: dict[str, str] = {}
        self.found: dict[Place, dict[tuple[str, int], CodeWriter]] = {}

    def run(self) -> Writers:
        """Every writer of every column that a model declares."""
        models = {table for cls in self.index.project.all_classes() for table in tables_of(self.columns, cls)}
        chosen = {file.module.path for file in self.files}
        for cls, attr, file, line, fate in [*self._followed(), *self._stored()]:
            if file.module.path in chosen:
                self._enter(cls, attr, file, line, fate)
        found = {place: tuple(_sorted(by_line.values())) for place, by_line in self.found.items()}
        return Writers(found, frozenset(models), self.unread)

    def _enter(self, cls: Class, attr: str, file: File, line: int, fate: Fate) -> None:
        text = file.module.line(line).strip()
        writer = CodeWriter(Source(file.module.path, line, 1), fate, text)
        for table in tables_of(self.columns, cls):
            by_line = self.found.setdefault((table, column_of(self.columns, cls, attr)), {})
            known = by_line.get((file.module.path, line))
            if known is None or _WORST[fate] < _WORST[known.fate]:
                by_line[file.module.path, line] = writer

    def _followed(self) -> Iterator[tuple[Class, str, File, int, Fate]]:
        """Changes inside JSON values of SQLAlchemy, and assignments of such columns."""
        analysis = Analysis(self.index.project, self.columns)
        assigned = _Assigned(analysis.follower)
        lost = analysis.run()
        self.unread |= analysis.failed
        at_fault = {id(one.change) for one in lost if one.node is one.change.node}
        for one in lost:
            where = Source(one.file.module.path, getattr(one.node, "lineno", 1), 1)
            kept, _ = sift([Finding(check=_RULE, where=where, message="")], one.file.module)
            if kept:
                yield (
                    one.change.column.cls,
                    one.change.field,
                    one.file,
                    where.line,
                    "lost" if one.sure else "may be lost",
                )
        for change in analysis.follower.context.changes.values():
            if id(change) not in at_fault:
                yield change.column.cls, change.field, change.file, getattr(change.node, "lineno", 1), "persists"
        for cls, attr, file, line in assigned.found:
            yield cls, attr, file, line, "persists"

    def _stored(self) -> Iterator[tuple[Class, str, File, int, Fate]]:
        """Values given to attributes of models, by their type as the text of a function tells it."""
        for file in self.files:
            try:
                for scope in scopes(self.index, file):
                    for cls, attr, _, node in scope.stored():
                        column = self.columns.column(cls, attr)
                        if isinstance(node, ast.Assign) and column is not None and column.orm == "sqlalchemy":
                            continue  # it may be the same object again: that has been followed
                        yield cls, attr, file, getattr(node, "lineno", 1), "persists"
            except Unreadable as problem:
                self.unread[file.module.path] = str(problem)


class _Assigned:
    """The assignments that SQLAlchemy will write, as a follower comes across them."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.found: list[tuple[Class, str, File, int]] = []
        follower.objects.observe = self.observe

    def observe(self, value: Inst, attr: str, node: ast.AST, state: State) -> None:
        """`value.attr` was set."""
        if isinstance(node, ast.Call) and last(node) not in ("setattr", "set_attribute"):
            return  # a constructor: its arguments have lines of their own, and are found by them
        column, _ = self.follower.objects.column(value, attr)
        pairs = state.slots.get((value.token, attr), ())
        if column is not None and pairs and all(state.written(pair) for pair in pairs):
            file = self.follower.context.file
            self.found.append((value.cls or column.cls, attr, file, getattr(node, "lineno", 1)))


def tables_of(columns: Columns, cls: Class) -> list[str]:
    """The tables of a model, in lower case; of a mixin or an abstract base those of the models made of it."""
    own = _table_of(columns, cls)
    if own:
        return [own.casefold()]
    found = (_table_of(columns, one) for one in columns.project.subclasses(cls))
    return list(dict.fromkeys(name.casefold() for name in found if name))


def _table_of(columns: Columns, cls: Class) -> str:
    for one in columns.project.mro(cls):
        name = _text(one.facts.values.get("__tablename__", "")) or _of_table(columns, one)
        if name:
            return name
        if "__tablename__" in one.facts.methods:
            return (
                cls.name.lower()
                if any(".lower()" in text for text in one.facts.methods["__tablename__"].returned)
                else ""
            )
    outside = list(columns.project.outside(cls))
    if columns.is_django(cls):
        return _of_django(cls)
    if any(name.endswith("SQLModel") for name in outside) and columns.is_table(cls):
        return cls.name.lower()
    if any(name.endswith(".Model") for name in outside):
        # as Flask-SQLAlchemy names a table
        return re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))", r"_\1", cls.name).lower()
    return ""


def _of_table(columns: Columns, cls: Class) -> str:
    source = cls.facts.values.get("__table__", "")
    if source and "Table(" not in source:
        meaning = columns.project.resolve(cls.file, source)
        source = meaning.source if isinstance(meaning, Given) else ""
    call = expression(source)
    return _constant(call.args[0]) if isinstance(call, ast.Call) and last(call) == "Table" and call.args else ""


def _of_django(cls: Class) -> str:
    """`db_table`, or the label of the application and the name of the model."""
    meta: dict[str, str] = {}
    source = cls.facts.inner.get("Meta", "")
    for node in ast.walk(ast.parse(dedent(source))) if source else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            meta[node.targets[0].id] = _constant(node.value) or ast.unparse(node.value)
    if meta.get("abstract") == "True":
        return ""
    parts = cls.file.module.parts
    above = parts[: parts.index("models")] if "models" in parts else parts[:-1]
    label = meta.get("app_label") or (above[-1] if above else "")
    return meta.get("db_table") or f"{label}_{cls.name}".lower()


def column_of(columns: Columns, cls: Class, attr: str) -> str:
    """The column that an attribute stands for, in lower case."""
    for one in columns.project.mro(cls):
        call = expression(one.facts.values.get(attr, ""))
        if isinstance(call, ast.Call):
            given = keyword(call, "db_column")
            if given is not None and _constant(given):
                return _constant(given).casefold()
            if last(call) in ("ForeignKey", "OneToOneField"):
                return f"{attr}_id".casefold()
            if last(call) in ("Column", "mapped_column") and call.args and _constant(call.args[0]):
                return _constant(call.args[0]).casefold()
            break
    return attr.casefold()


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _text(source: str) -> str:
    node = expression(source) if source else None
    return _constant(node) if node is not None else ""


def _sorted(found: Iterable[CodeWriter]) -> list[CodeWriter]:
    """The lost ones first, then by place."""
    return sorted(found, key=lambda one: (_WORST[one.fate], one.where.path, one.where.line))
