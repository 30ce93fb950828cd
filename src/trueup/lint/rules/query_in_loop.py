"""One query for each row of a loop."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.index import Index
from trueup.lint.local import FunctionNames, scopes
from trueup.lint.project import Class, File
from trueup.lint.rule import Rule, is_migration, is_test
from trueup.lint.rules._queries import helper, loads, queried, related
from trueup.lint.rules._turns import part_of_another, remembered
from trueup.lint.source import Function, last, own_nodes

#: Loops that do not go through rows: over chunks, pages and attempts.
_NOT_ROWS = re.compile(r"chunk|batch|page|attempt|retr|offset|start|step|shard|model|table|^_$", re.IGNORECASE)


#: What a file does that asks a database, with models that are defined elsewhere.
_SENDS = re.compile(
    rb"[A-Z]\w*\.objects\.|[A-Z]\w*\.query\.|\.query\([A-Za-z.]*[A-Z]|select\([A-Za-z.]*[A-Z]|session\.get\("
)
#: Classes whose members are written out.
_FIXED = re.compile(r"Enum$|Choices$|ChoiceSet$")


class QueryInLoop(Rule):
    """A query for each row of a loop: one for the list, and then one more for every entry.

    Known as "N+1 queries". With ten rows nobody notices. With ten thousand the page takes a minute, and the database
    spends it answering the same small question. It hides best behind an attribute that loads what it points to, a
    property, or a helper function, and all of those are followed.

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

    **What it leaves alone.** What `select_related`, `prefetch_related`, `joinedload` and their like bring along; the
    key itself (`book.author_id`); loops over pages, chunks and a few things written out; a query after which the loop
    ends; an answer that is kept for the next turn; a query that is a part of another; writes, and reads that lock;
    a helper that is cached, or that queries in some cases only; tests and migrations. Templates and serializers are
    not followed.
    """

    name: ClassVar[str] = "query-in-loop"
    needles: ClassVar[tuple[bytes, ...]] = (b"for ",)
    scope: ClassVar[Literal["file", "project"]] = "project"

    def wants(self, data: bytes) -> bool:
        """A file with a loop, and something that may be a query or a row."""
        return b"for " in data and re.search(rb"objects|session|query|select\(|models|db\.", data) is not None

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Queries, lazy attributes and helpers that query, in loops and comprehensions."""
        if is_test(file) or is_migration(file) or not (index.has_models or _SENDS.search(file.module.data)):
            return
        seen: set[int] = set()
        for scope in scopes(index, file):
            for bound, source, body in _loops(scope):
                names = bound | _derived(body, bound)
                rows = scope.rows(source) is not None
                if not rows and (any(_NOT_ROWS.search(name) for name in bound) or _counts(source, scope)):
                    continue
                for node in body:
                    message = _verdict(node, names, bound, source, scope)
                    if not message or node.lineno in seen:  # type: ignore[attr-defined]
                        continue
                    if not (_once(node, scope) or remembered(node, scope) or part_of_another(node, body, scope)):
                        seen.add(node.lineno)  # type: ignore[attr-defined]
                        yield self.finding(file, node, message, _hint(node))


def _hint(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return "load it with the rows: select_related or prefetch_related, joinedload or selectinload"
    return "collect the keys, ask once with IN, and look the answers up"


def _loops(scope: FunctionNames) -> Iterator[tuple[set[str], ast.expr, list[ast.AST]]]:
    """Each loop: the names it binds, what it goes through, and the nodes that run once a turn."""
    for node in scope.nodes:
        if isinstance(node, ast.For | ast.AsyncFor):
            if _leaves_at_once(node.body):
                continue
            body = [inner for statement in node.body for inner in (statement, *own_nodes(statement))]
            yield _bound(node.target), node.iter, body
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


def _counts(source: ast.expr, scope: FunctionNames, depth: int = 0) -> bool:
    """`range(...)`, a list written out, a constant: not as many turns as there are rows."""
    match source:
        case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
            items = source.keys if isinstance(source, ast.Dict) else source.elts
            return bool(items) and not any(item is None or isinstance(item, ast.Starred) for item in items)
        case ast.Call(func=ast.Name(id="enumerate" | "zip" | "sorted" | "reversed" | "list" | "tuple"), args=args):
            return any(_counts(arg, scope, depth) for arg in args)
        case ast.Call(func=ast.Attribute(value=value, attr="items" | "keys" | "values"), args=[]):
            return _counts(value, scope, depth)
        case ast.Call():
            long = any(isinstance(inner, ast.Call) and last(inner) == "len" for inner in ast.walk(source))
            return last(source) in ("range", "batched", "count") and not long
        case ast.Attribute(attr=name) if name.isupper() or name in ("choices", "labels"):
            return True
        case ast.Name(id=name):
            meaning = scope.index.project.resolve(scope.file, name)
            if isinstance(meaning, Class):
                names = [one.name for one in scope.index.project.mro(meaning)]
                return any(_FIXED.search(base) for base in (*scope.index.project.outside(meaning), *names))
            values = scope.assigned.get(name, [])
            return name.isupper() or (len(values) == 1 and depth < 3 and _counts(values[0], scope, depth + 1))
    return False


def _uses(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))


def _verdict(node: ast.AST, names: set[str], bound: set[str], source: ast.expr, scope: FunctionNames) -> str:
    if isinstance(node, ast.Call):
        if not _uses(node, names):
            return ""
        target = queried(node, scope)
        if target and not _inside_call(node, scope):
            return f"one query on {target} for each turn of the loop" if not _on_loaded(node, bound, scope) else ""
        model = helper(node, scope)
        if model is not None:
            return f"{last(node)}() queries {model}, once for each turn of the loop"
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
        cls = scope.rows(source) if isinstance(node.ctx, ast.Load) else None
        return loads(node, cls, source, scope) if cls is not None else ""
    return ""


def _on_loaded(node: ast.Call, bound: set[str], scope: FunctionNames) -> bool:
    """Whether a chain begins with the rows related to the loop's own object: whether those are loaded is told there."""
    head: ast.AST = node
    while isinstance(head, ast.Call | ast.Attribute):
        inner = head.func if isinstance(head, ast.Call) else head.value
        if isinstance(head, ast.Attribute) and isinstance(inner, ast.Name):
            return inner.id in bound and related(head, scope) is not None
        head = inner
    return False


def _inside_call(node: ast.Call, scope: FunctionNames) -> bool:
    """Whether a longer chain of calls around this one tells the same."""
    parent = scope.file.module.parents.get(node)
    above = scope.file.module.parents.get(parent) if isinstance(parent, ast.Attribute) else None
    return isinstance(above, ast.Call) and above.func is parent and bool(queried(above, scope))


def _once(node: ast.AST, scope: FunctionNames) -> bool:
    """Whether the loop ends where the node is: it stands in a branch that returns, breaks or raises."""
    parents = scope.file.module.parents
    while not isinstance(node, ast.For | ast.AsyncFor | ast.Module | ast.Lambda | Function):
        around = parents[node]
        if isinstance(around, ast.If | ast.ExceptHandler | ast.With) and isinstance(node, ast.stmt):
            block = around.orelse if isinstance(around, ast.If) and node in around.orelse else around.body
            if _leaves_at_once(block):
                return True
        node = around
    return False
