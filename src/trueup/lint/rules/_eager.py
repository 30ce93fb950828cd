"""What comes along with the rows of a query: `select_related`, `joinedload` and their like."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

from trueup.lint.columns import Relation
from trueup.lint.index import Index
from trueup.lint.local import FunctionNames
from trueup.lint.project import Class
from trueup.lint.source import Function, dotted, last

_EAGER = {
    *("select_related", "prefetch_related", "joinedload", "selectinload", "subqueryload", "contains_eager"),
    *("immediateload", "Prefetch", "prefetch_related_objects", "eagerload", "joinedload_all", "subqueryload_all"),
}
_BROUGHT = re.compile(rb"\b(?:select_related|prefetch_related|joinedload|selectinload|subqueryload|contains_eager)\(")
#: A quoted path, or an attribute of a class, among what is given to one of those; how far it is looked for.
_NAMED = re.compile(rb"['\"]([\w.]+)['\"]|\b[A-Z]\w*\.(\w+)")
_GIVEN = 400
_DEF = re.compile(rb"^[ \t]*(?:async )?def (\w+)\(", re.MULTILINE)
_USUAL = {
    "get_queryset",
    "get",
    "filter",
    "all",
    "list",
    "get_context_data",
    "handle",
    "queryset",
    "post",
    "run",
    "main",
}
_DEPTH = 4
_AT_ONCE = re.compile(
    r"['\"]?lazy['\"]?\s*[=:]\s*(?:['\"](?:joined|selectin|subquery|immediate|dynamic|write_only|raise|noload|raise_on_sql)|False)"
)


def at_once(cls: Class, attr: str, relation: Relation, index: Index) -> bool:
    """Whether a relation is declared to come with each object, or to be a query by itself."""
    for one in index.project.mro(cls):
        if attr in one.facts.values:
            return _AT_ONCE.search(one.facts.values[attr]) is not None
    # made by a backref: what it says stands in the other class
    other = index.columns.class_named(relation.target, relation.file)
    quoted = re.compile(rf"backref\(\s*['\"]{re.escape(attr)}['\"](.*)", re.DOTALL)
    sources = other.facts.values.values() if other is not None else ()
    return any(_AT_ONCE.search(match[1]) for source in sources if (match := quoted.search(source)))


def eager(attr: str, cls: Class, source: ast.expr, scope: FunctionNames) -> bool:
    """Whether the rows of `cls` that `source` gives come with what `attr` leads to."""
    if attr in _names(scope.index) and _from_elsewhere(source, scope):
        return True  # the query that the rows come from is not here, and one of the project brings it along
    origins, names = [source], set[str]()
    for origin in origins:  # grows while it is gone through
        for node in ast.walk(origin):
            name = dotted(node).partition(".")[0] if isinstance(node, ast.Name) else ""
            if name and name not in names:
                names.add(name)
                origins.extend(scope.assigned.get(name, ()))
            if isinstance(node, ast.Call):
                word = last(node)
                if (word in _EAGER and (not node.args or any(_covers(arg, attr) for arg in node.args))) or (
                    word in _makers(scope.index) or (word == "options" and _unread(node))
                ):
                    return True
    return _of_manager(cls, attr, scope.index) or any(
        isinstance(node, ast.Call)
        and last(node) == "prefetch_related_objects"
        and node.args
        and names & {inner.id for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Name)}
        for node in scope.nodes
    )


def _from_elsewhere(source: ast.expr, scope: FunctionNames, depth: int = 0) -> bool:
    """Whether rows come from a parameter, or from an object that was loaded before, such as `self`."""
    node: ast.AST = source
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Call):
            plain = isinstance(node.func, ast.Name) and node.args
            node = node.args[0] if plain else node.func
        else:
            node = node.value
    if not isinstance(node, ast.Name) or depth > _DEPTH:
        return False
    values = scope.assigned.get(node.id, [])
    if values:
        return all(_from_elsewhere(value, scope, depth + 1) for value in values)
    if node.id in scope.looped:
        return _from_elsewhere(scope.looped[node.id], scope, depth + 1)
    given = scope.node.args if isinstance(scope.node, Function) else None
    return given is not None and node.id in {arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)}


def _unread(node: ast.Call) -> bool:
    """`options(*given)`: what it loads stands elsewhere."""
    return any(isinstance(arg, ast.Starred | ast.Name) for arg in node.args)


def _of_manager(cls: Class, attr: str, index: Index) -> bool:
    """Whether the manager of a model of Django brings an attribute along by itself."""
    for one in index.project.mro(cls):
        for source in one.facts.values.values():
            if "(" not in source or source.startswith(("models.", "_(")):
                continue
            manager = index.project.resolve(one.file, re.split(r"[(.]", source)[0])
            method = index.project.method(manager, "get_queryset") if isinstance(manager, Class) else None
            tree = index.project.function(method) if method is not None else None
            for node in ast.walk(tree) if tree is not None else ():
                if isinstance(node, ast.Call) and last(node) in _EAGER and any(_covers(arg, attr) for arg in node.args):
                    return True
    return False


def _covers(arg: ast.expr, attr: str) -> bool:
    """Whether an argument of `select_related`, `joinedload` is about an attribute; what cannot be read may be."""
    if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
        return re.split(r"__|\.", arg.value)[0] in (attr, "*")
    if isinstance(arg, ast.Attribute):
        return arg.attr == attr
    return not isinstance(arg, ast.Call)  # `Prefetch(...)` is looked at itself


@lru_cache(maxsize=1)  # of the project at hand
def _makers(index: Index) -> frozenset[str]:
    """The names of functions that say what is to be loaded with the rows of a query; usual names say nothing."""
    found: set[str] = set()
    for file in index.project.files.values():
        if _BROUGHT.search(file.module.data):
            parts = _DEF.split(file.module.data)
            found |= {
                name.decode() for name, body in zip(parts[1::2], parts[2::2], strict=True) if _BROUGHT.search(body)
            }
    return frozenset(found - _USUAL)


@lru_cache(maxsize=1)
def _names(index: Index) -> frozenset[str]:
    """The attributes that some query of the project loads with its rows."""
    found: set[bytes] = set()
    for file in index.project.files.values():
        for match in _BROUGHT.finditer(file.module.data):
            given = file.module.data[match.end() : match.end() + _GIVEN].split(b"\n\n")[0]
            for text, attr in _NAMED.findall(given.split(b").")[0]):
                found.update(re.split(rb"__|\.", text) if text else [attr])
    return frozenset(name.decode("ascii", "ignore") for name in found)
