"""What sends a query: a call, an attribute that loads, a function that does either."""

from __future__ import annotations

import ast
import re

from trueup.lint.index import Index
from trueup.lint.local import FunctionNames
from trueup.lint.project import Class, Func, Given
from trueup.lint.rules._eager import at_once, eager
from trueup.lint.rules._turns import WRITES, keeps, written
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
#: Functions that write an object: what they look up besides is not the mistake this rule is about.
_WRITERS = {"save", "delete", "asave", "adelete", "full_clean", "clean"}
_SESSION = re.compile(r"(^|[._])(a?session_?|db|dbsession|s|sess|conn|connection|cursor|cur)$", re.IGNORECASE)
_LOOKS_UP = re.compile(r"^_*(a?get|find|fetch|load|look_?up|count|query|search|resolve|list|read|has|is|exists)(_|$)")
_SELECT = re.compile(r"\s*(?:SELECT|WITH)\b.*?\bFROM\s+[\"'`\[]?([\w.]+)", re.IGNORECASE | re.DOTALL)
_MANAGERS = {"objects", "query", "_default_manager", "_base_manager"}
_DEPTH = 3


def queried(node: ast.Call, scope: FunctionNames) -> str:
    """The model, if the call sends a query, or makes one that the loop will send."""
    name = last(node)
    if not isinstance(node.func, ast.Attribute):
        if name in ("get_object_or_404", "get_list_or_404") and node.args:
            return _model(node.args[0], scope)
        return ""
    receiver = node.func.value
    if name in ("execute", "exec", "scalar", "scalars", "fetch", "fetchrow") and (table := _selected(node, receiver)):
        return table
    if (
        name in ("get", "get_one", "query", "scalars", "scalar", "execute", "exec")
        and node.args
        and _SESSION.search(dotted(receiver) or "-")
    ):
        first = node.args[0]
        if isinstance(first, ast.Call) and (last(_head(first)) in ("insert", "update", "delete") or _writes(first)):
            return ""
        rows = scope.mapped(first) or scope.rows(first)
        return rows.name if rows is not None else _named(first, scope)
    return _chained(receiver, scope) if name in _RUNS and not _writes(node) and not _outer(node) else ""


def _writes(node: ast.expr) -> bool:
    """Whether a chain of calls writes or locks."""
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Call) and last(node) in WRITES:
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def _outer(node: ast.Call) -> bool:
    """Whether a query is only a part of another: it speaks of the rows of the outer one."""
    return any(isinstance(inner, ast.Call) and last(inner) == "OuterRef" for inner in ast.walk(node))


def _selected(node: ast.Call, receiver: ast.expr) -> str:
    """The table that a SELECT in plain SQL reads, when it is sent."""
    if not node.args or not _SESSION.search(dotted(receiver) or "-"):
        return ""
    statement = node.args[0]
    if isinstance(statement, ast.Call) and last(statement) == "text" and statement.args:
        statement = statement.args[0]
    if isinstance(statement, ast.JoinedStr) and statement.values:
        statement = statement.values[0]
    if not isinstance(statement, ast.Constant) or not isinstance(statement.value, str):
        return ""
    match = _SELECT.match(statement.value)
    return match[1] if match else ""


def _chained(head: ast.expr, scope: FunctionNames) -> str:
    """The model of a chain of calls that begins with a manager, a query, or the rows related to an object."""
    while isinstance(head, ast.Call | ast.Attribute):
        if isinstance(head, ast.Attribute):
            cls = scope.mapped(head.value)
            if cls is not None:
                return cls.name if scope.manager(cls, head.attr) else ""
            if head.attr in _MANAGERS and (name := _model(head.value, scope)):
                return name
            cls = related(head, scope)
            if cls is not None:
                return cls.name
        elif last(head) == "query" and head.args:
            return _named(head.args[0], scope)
        head = head.func if isinstance(head, ast.Call) else head.value
    return ""


def related(node: ast.Attribute, scope: FunctionNames) -> Class | None:
    """The model of `author.book_set`, `self.tags`: many rows of Django, by the object or by the telling name."""
    columns = scope.index.columns
    if node.attr.endswith("_set"):
        return columns.reverse_named(node.attr)
    if dotted(node.value) != "self" or scope.owner is None or not columns.is_django(scope.owner):
        return None
    relation = columns.relation(scope.owner, node.attr)
    return columns.class_named(relation.target, relation.file) if relation and relation.many else None


def _named(statement: ast.expr, scope: FunctionNames) -> str:
    """The first model that a statement names: that of `select(func.count()).select_from(Book)`."""
    inner = list(ast.walk(statement))
    made = {node.func for node in inner if isinstance(node, ast.Call)}  # `DropTable(books)` is no model
    nodes = [node for node in inner if isinstance(node, ast.Name | ast.Attribute) and node not in made]
    return next(filter(None, (_model(node, scope) for node in nodes)), "")


def _model(node: ast.expr, scope: FunctionNames) -> str:
    """The name of a model: of the project, or of what a file that is not there defines, by its capital letter."""
    cls = scope.mapped(node)
    if cls is not None:
        return cls.name
    name = dotted(node)
    word = name.rpartition(".")[2]
    if not word[:1].isupper() or word.isupper():
        return ""
    meaning = scope.index.project.resolve(scope.file, name)
    return word if meaning is None or isinstance(meaning, str | Given) else ""


def _head(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Call | ast.Attribute):
        inner = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Call) and not isinstance(inner, ast.Attribute):
            return node
        node = inner
    return node


def helper(node: ast.Call, scope: FunctionNames) -> str | None:
    """The model that a function of the project queries when it is called."""
    if last(node) in _WRITERS:
        return None
    func = _function(node, scope)
    return within(func, scope.index, 0) if func is not None else None


def _function(node: ast.Call, scope: FunctionNames) -> Func | None:
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
    scope = FunctionNames(index, func.file, tree, func.owner)
    for node in scope.nodes:
        if isinstance(node, ast.Call) and last(node) not in _WRITERS and not _perhaps(node, tree, func):
            found = "" if written(node, scope) else queried(node, scope)
            if not found:
                inner = _function(node, scope)
                found = (within(inner, index, depth + 1) if inner is not None else "") or ""
            if found:
                index.queries[key] = found
                break
    return index.queries[key]


def _perhaps(node: ast.AST, tree: ast.AST, func: Func) -> bool:
    """Whether a function comes to a node in some cases only: not for each row of a loop, as far as one can tell.

    One that is there to look something up is taken at its name, unless it keeps what it found.
    """
    parents = func.file.module.parents
    looks_up = _LOOKS_UP.search(func.facts.name) is not None
    while node is not tree:
        around = parents[node]
        if isinstance(around, ast.If) and node in around.body and keeps(around):
            return True
        if isinstance(around, ast.ExceptHandler):
            return True
        if not looks_up:
            if isinstance(around, ast.If | ast.IfExp) and node is not around.test:
                return True
            if isinstance(around, ast.BoolOp) and node is not around.values[0]:
                return True
        node = around
    return False


def loads(node: ast.Attribute, cls: Class, source: ast.expr, scope: FunctionNames) -> str:
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
    if at_once(cls, node.attr, relation, scope.index):
        return ""
    if (not manager or word in _FROM_LOADED) and eager(node.attr, cls, source, scope):
        return ""
    return f'"{node.attr}" of each {cls.name} is loaded by a query of its own'


def _gone_through(node: ast.Attribute, parent: ast.AST | None) -> bool:
    """Whether a list of related rows is looped over or counted."""
    if isinstance(parent, ast.For | ast.AsyncFor | ast.comprehension):
        return parent.iter is node
    return isinstance(parent, ast.Call) and last(parent) in ("len", "list", "sorted", "sum", "any", "all", "set", "max")
