"""What sends a query: a call, an attribute that loads, a function that does either."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from trueup.lint.local import Local
from trueup.lint.project import Class, Func
from trueup.lint.rule import Index
from trueup.lint.source import dotted, last

_RUNS = {
    *("get", "first", "last", "count", "exists", "aggregate", "earliest", "latest", "all", "filter", "exclude"),
    *("one", "one_or_none", "scalar", "scalars", "scalar_one", "scalar_one_or_none", "filter_by", "values_list"),
    *("values", "get_or_404", "first_or_404", "aget", "afirst", "acount", "aexists", "order_by", "iterator"),
    *("annotate", "in_bulk"),
}
#: Methods of a manager of related rows that are answered from rows that were loaded with the object.
_FROM_LOADED = {"all", "count", "exists", "first", "last"}
#: Those that write, or send nothing.
_NO_QUERY = {
    "add",
    "append",
    "clear",
    "create",
    "remove",
    "set",
    "extend",
    "bulk_create",
    "through",
    "model",
    "id",
    "pk",
}
_SESSION = re.compile(r"(^|[._])(session|db|dbsession|s|sess)$")
_EAGER = {
    *("select_related", "prefetch_related", "joinedload", "selectinload", "subqueryload", "contains_eager"),
    *("immediateload", "Prefetch", "prefetch_related_objects"),
}
_AT_ONCE = re.compile(r"lazy=['\"](joined|selectin|subquery|immediate|dynamic|write_only|raise)")
_DEPTH = 3


def queried(node: ast.Call, scope: Local) -> str:
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
        first = node.args[0]
        if isinstance(first, ast.Call) and last(_head(first)) in ("insert", "update", "delete"):
            return ""
        cls = scope.mapped(first) or scope.rows(first) or _named(first, scope)
        return cls.name if cls is not None else ""
    return _chained(receiver, scope) if name in _RUNS else ""


def _chained(head: ast.expr, scope: Local) -> str:
    """The model of a chain of calls that begins with a manager, a query, or the rows related to an object."""
    while isinstance(head, ast.Call | ast.Attribute):
        if isinstance(head, ast.Attribute):
            cls = scope.mapped(head.value)
            if cls is not None:
                return cls.name if scope.manager(cls, head.attr) else ""
            cls = related(head, scope)
            if cls is not None:
                return cls.name
        elif last(head) == "query" and head.args:
            cls = scope.mapped(head.args[0])
            return cls.name if cls is not None else ""
        head = head.func if isinstance(head, ast.Call) else head.value
    return ""


def related(node: ast.Attribute, scope: Local) -> Class | None:
    """The model of `author.book_set`, `self.tags`: many rows of Django, by the object or by the telling name."""
    columns = scope.index.columns
    if node.attr.endswith("_set"):
        return columns.reverse_named(node.attr)
    if dotted(node.value) != "self" or scope.owner is None or not columns.is_django(scope.owner):
        return None
    relation = columns.relation(scope.owner, node.attr)
    return columns.class_named(relation.target, relation.file) if relation and relation.many else None


def _named(statement: ast.expr, scope: Local) -> Class | None:
    """The first model that a statement names: that of `select(func.count()).select_from(Book)`."""
    found = (scope.mapped(node) for node in ast.walk(statement) if isinstance(node, ast.Name))
    return next((cls for cls in found if cls is not None), None)


def _head(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Call | ast.Attribute):
        inner = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Call) and not isinstance(inner, ast.Attribute):
            return node
        node = inner
    return node


def helper(node: ast.Call, scope: Local) -> str | None:
    """The model that a function of the project queries when it is called."""
    func = _function(node, scope)
    return within(func, scope.index, 0) if func is not None else None


def _function(node: ast.Call, scope: Local) -> Func | None:
    name = dotted(node.func)
    meaning = scope.index.project.resolve(scope.file, name) if name else None
    if isinstance(meaning, Func):
        return meaning
    if isinstance(node.func, ast.Attribute):
        cls: Class | None = scope.owner if dotted(node.func.value) == "self" else scope.model(node.func.value)
        return scope.index.project.method(cls, node.func.attr) if cls is not None else None
    return None


def within(func: Func, index: Index, depth: int = 0) -> str | None:
    """The model that a function queries, itself or through others."""
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
            found = queried(node, scope)
            if not found:
                inner = _function(node, scope)
                found = (within(inner, index, depth + 1) if inner is not None else "") or ""
            if found:
                index.queries[key] = found
                break
    return index.queries[key]


def loads(node: ast.Attribute, cls: Class, source: ast.expr, scope: Local) -> str:
    """What an attribute of a row of `cls` does when it is read; empty when it sends no query."""
    columns, project = scope.index.columns, scope.index.project
    relation = columns.relation(cls, node.attr)
    if relation is None:
        method = project.method(cls, node.attr)
        if method is None or not any(one.rpartition(".")[2] == "property" for one in method.facts.decorators):
            return ""
        model = within(method, scope.index)
        return f'"{node.attr}" of each {cls.name} queries {model}' if model else ""
    parent = scope.file.module.parents.get(node)
    word = parent.attr if isinstance(parent, ast.Attribute) else ""
    if word in _NO_QUERY:
        return ""
    manager = relation.many and columns.is_django(cls)
    if not word and (manager or not _gone_through(node, parent)):
        return ""  # a manager alone sends nothing, and an object may be only passed on
    declared = next((one.facts.values[node.attr] for one in project.mro(cls) if node.attr in one.facts.values), "")
    if _AT_ONCE.search(declared):
        return ""
    if (not manager or word in _FROM_LOADED) and _eager(node.attr, source, scope):
        return ""
    return f'"{node.attr}" of each {cls.name} is loaded by a query of its own'


def _gone_through(node: ast.Attribute, parent: ast.AST | None) -> bool:
    """Whether a list of related rows is looped over or counted."""
    if isinstance(parent, ast.For | ast.AsyncFor | ast.comprehension):
        return parent.iter is node
    return isinstance(parent, ast.Call) and last(parent) in ("len", "list", "sorted", "sum", "any", "all", "set", "max")


def _eager(attr: str, source: ast.expr, scope: Local) -> bool:
    """Whether the rows of `source` come with what `attr` leads to."""
    name = dotted(
        source.func.value if isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) else source
    )
    origins: Iterable[ast.expr] = [source, *scope.assigned.get(name.partition(".")[0], ())]
    for origin in origins:
        for call in ast.walk(origin):
            if isinstance(call, ast.Call) and last(call) in _EAGER and any(_covers(arg, attr) for arg in _given(call)):
                return True
    return False


def _given(call: ast.Call) -> list[ast.expr | None]:
    return [*call.args] if call.args else [None]


def _covers(arg: ast.expr | None, attr: str) -> bool:
    """Whether an argument of `select_related`, `joinedload` is about an attribute; what cannot be read may be."""
    if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
        return arg.value.partition("__")[0] in (attr, "*")
    if isinstance(arg, ast.Attribute):
        return arg.attr == attr
    return not isinstance(arg, ast.Call)  # `Prefetch(...)` is looked at itself
