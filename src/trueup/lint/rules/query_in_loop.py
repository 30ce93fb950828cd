"""One query for each row of a loop."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.local import Local, scopes
from trueup.lint.project import Class, File, Func
from trueup.lint.rule import Index, Rule
from trueup.lint.source import dotted, last, own_nodes

_RUNS = {
    *("get", "first", "last", "count", "exists", "aggregate", "earliest", "latest", "all", "filter", "exclude"),
    *(
        "one",
        "one_or_none",
        "scalar",
        "scalars",
        "scalar_one",
        "scalar_one_or_none",
        "filter_by",
        "values_list",
        "values",
    ),
    *("get_or_404", "first_or_404", "aget", "afirst", "acount", "aexists"),
}
_SESSION = re.compile(r"(^|[._])(session|db|dbsession|s|sess)$")
_EAGER = re.compile(
    r"select_related|prefetch_related|joinedload|selectinload|subqueryload|contains_eager|immediateload"
)
#: Loops that do not go through rows: over chunks, pages and attempts.
_NOT_ROWS = re.compile(r"chunk|batch|page|attempt|retr|offset|start|step|shard|model|table|^_$", re.IGNORECASE)
_DEPTH = 3


class QueryInLoop(Rule):
    """A query for each row of a loop: one for the list, and then one more for every entry.

    With ten rows nobody notices. With ten thousand the page takes a minute, and the database spends it answering the
    same small question. It hides best behind an attribute that loads what it points to, or behind a helper function.

    **Bad**

    ```python
    from django.db import models

    class Author(models.Model):
        name = models.CharField(max_length=100)

    class Book(models.Model):
        author = models.ForeignKey(Author, on_delete=models.CASCADE)

    def names():
        return [book.author.name for book in Book.objects.all()]

    def books(authors):
        found = []
        for author in authors:
            found.extend(Book.objects.filter(author=author))
        return found
    ```

    **Bad**

    ```python
    from sqlalchemy import Column, ForeignKey, Integer, select
    from sqlalchemy.orm import declarative_base, relationship

    Base = declarative_base()

    class Author(Base):
        __tablename__ = "authors"
        id = Column(Integer, primary_key=True)

    class Book(Base):
        __tablename__ = "books"
        id = Column(Integer, primary_key=True)
        author_id = Column(ForeignKey("authors.id"))

    def author_of(session, book):
        return session.get(Author, book.author_id)

    def authors(session):
        return [author_of(session, book) for book in session.scalars(select(Book))]
    ```

    **Good**: ask once.

    ```python
    from django.db import models

    class Author(models.Model):
        name = models.CharField(max_length=100)

    class Book(models.Model):
        author = models.ForeignKey(Author, on_delete=models.CASCADE)

    def names():
        return [book.author.name for book in Book.objects.select_related("author")]

    def books(authors):
        return list(Book.objects.filter(author__in=authors))
    ```
    """

    name: ClassVar[str] = "query-in-loop"
    needles: ClassVar[tuple[bytes, ...]] = (b"for ",)
    scope: ClassVar[Literal["file", "project"]] = "project"

    def wants(self, data: bytes) -> bool:
        """A file with a loop, and something that may be a query or a row."""
        return b"for " in data and re.search(rb"objects|session|query|select\(|models|db\.", data) is not None

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Queries, lazy attributes and helpers that query, in loops and comprehensions."""
        if re.search(r"(^|[/\\])(migrations|tests?)([/\\]|$)", file.module.path) or not index.has_models:
            return
        seen: set[int] = set()
        for scope in scopes(index, file):
            for names, source, body in _loops(scope):
                if any(_NOT_ROWS.search(name) for name in names) or _counts(source):
                    continue
                for node in body:
                    message = _verdict(node, names, source, scope)
                    if message and node.lineno not in seen:  # type: ignore[attr-defined]
                        seen.add(node.lineno)  # type: ignore[attr-defined]
                        yield self.finding(file, node, message, _hint(node))


def _hint(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return "load it with the rows: select_related or prefetch_related, joinedload or selectinload"
    return "collect the keys, ask once with IN, and look the answers up"


def _loops(scope: Local) -> Iterator[tuple[set[str], ast.expr, list[ast.AST]]]:
    """Each loop: the names it binds, what it goes through, and the nodes that run once a turn."""
    for node in scope.nodes:
        if isinstance(node, ast.For | ast.AsyncFor):
            if _leaves_at_once(node.body):
                continue
            body = [inner for statement in node.body for inner in (statement, *own_nodes(statement))]
            names = _bound(node.target) | _derived(body, _bound(node.target))
            yield names, node.iter, body
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            first = node.generators[0]
            parts: list[ast.AST] = [
                *([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]),
                *first.ifs,
            ]
            parts += [generator.iter for generator in node.generators[1:]]
            yield _bound(first.target), first.iter, [inner for part in parts for inner in ast.walk(part)]


def _bound(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _derived(body: list[ast.AST], names: set[str]) -> set[str]:
    """Names that are made from those of the loop."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Assign) and _uses(node.value, names | found):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.add(target.id)
    return found


def _leaves_at_once(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Return | ast.Break | ast.Raise)


def _counts(source: ast.expr) -> bool:
    """`range(...)`, a list written out: not as many turns as there are rows."""
    return (isinstance(source, ast.Call) and last(source) in ("range", "batched", "count")) or isinstance(
        source, ast.List | ast.Tuple | ast.Set
    )


def _uses(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))


def _verdict(node: ast.AST, names: set[str], source: ast.expr, scope: Local) -> str:
    if isinstance(node, ast.Call):
        target = _queried(node, scope)
        if target and _uses(node, names) and not _inside_call(node, scope):
            return f"one query on {target} for each turn of the loop"
        helper = _helper(node, scope) if _uses(node, names) else None
        if helper is not None:
            return f"{last(node)}() queries {helper}, once for each turn of the loop"
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
        return _lazy(node, source, scope)
    return ""


def _inside_call(node: ast.Call, scope: Local) -> bool:
    """Whether a longer chain of calls around this one tells the same."""
    parent = scope.file.module.parents.get(node)
    above = scope.file.module.parents.get(parent) if isinstance(parent, ast.Attribute) else None
    return isinstance(above, ast.Call) and above.func is parent and bool(_queried(above, scope))


def _queried(node: ast.Call, scope: Local) -> str:
    """The model, if the call sends a query, or makes one that the loop will send."""
    name = last(node)
    if not isinstance(node.func, ast.Attribute):
        if name in ("get_object_or_404", "get_list_or_404") and node.args:
            cls = scope.mapped(node.args[0])
            return cls.name if cls is not None else ""
        return ""
    receiver = node.func.value
    if (
        name in ("get", "get_one", "query", "scalars", "scalar", "execute", "exec")
        and node.args
        and _SESSION.search(dotted(receiver) or "-")
    ):
        cls = scope.mapped(node.args[0]) or scope.rows(node.args[0])
        writes = isinstance(node.args[0], ast.Call) and last(_head(node.args[0])) in ("insert", "update", "delete")
        return cls.name if cls is not None and not writes else ""
    if name in _RUNS:
        head = receiver
        while isinstance(head, ast.Call | ast.Attribute):
            if isinstance(head, ast.Attribute) and head.attr in ("objects", "query"):
                cls = scope.mapped(head.value)
                return cls.name if cls is not None else ""
            if isinstance(head, ast.Call) and last(head) == "query" and head.args:
                cls = scope.mapped(head.args[0])
                return cls.name if cls is not None else ""
            head = head.func if isinstance(head, ast.Call) else head.value
    return ""


def _head(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Call | ast.Attribute):
        inner = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Call) and not isinstance(inner, ast.Attribute):
            return node
        node = inner
    return node


def _helper(node: ast.Call, scope: Local) -> str | None:
    """The model that a function of the project queries when it is called."""
    func = _function(node, scope)
    return _queries(func, scope.index, 0) if func is not None else None


def _function(node: ast.Call, scope: Local) -> Func | None:
    name = dotted(node.func)
    meaning = scope.index.project.resolve(scope.file, name) if name else None
    if isinstance(meaning, Func):
        return meaning
    if isinstance(node.func, ast.Attribute):
        cls: Class | None = scope.owner if dotted(node.func.value) == "self" else scope.model(node.func.value)
        return scope.index.project.method(cls, node.func.attr) if cls is not None else None
    return None


def _queries(func: Func, index: Index, depth: int) -> str | None:
    key = (func.file.module.path, func.facts.line)
    if key in index.queries:
        return index.queries[key]
    index.queries[key] = None  # a function that calls itself
    tree = index.project.function(func)
    if tree is None or depth >= _DEPTH or any("cache" in one for one in func.facts.decorators):
        return None
    scope = Local(index, func.file, tree, func.owner)
    for node in scope.nodes:
        if isinstance(node, ast.Call):
            found = _queried(node, scope)
            if not found:
                inner = _function(node, scope)
                found = (_queries(inner, index, depth + 1) if inner is not None else "") or ""
            if found:
                index.queries[key] = found
                break
    return index.queries[key]


def _lazy(node: ast.Attribute, source: ast.expr, scope: Local) -> str:
    """An attribute of a row that loads another row when it is read."""
    text = ast.unparse(source)
    values = [text, *(ast.unparse(value) for value in scope.assigned.get(text.partition(".")[0], ()))]
    if any(_EAGER.search(value) for value in values):
        return ""
    cls = scope.rows(source)
    relation = scope.index.columns.relation(cls, node.attr) if cls is not None else None
    if cls is None or relation is None or not isinstance(node.ctx, ast.Load):
        return ""
    parent = scope.file.module.parents.get(node)
    if not isinstance(parent, ast.Attribute) or parent.attr in ("id", "pk", "append", "add"):
        return ""
    declared = next(
        (one.facts.values[node.attr] for one in scope.index.project.mro(cls) if node.attr in one.facts.values), ""
    )
    if re.search(r"lazy=['\"](joined|selectin|subquery|immediate|dynamic|write_only|raise)", declared):
        return ""
    return f'"{node.attr}" of each {cls.name} is loaded by a query of its own'
