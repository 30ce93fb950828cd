"""Which queries in the body of a loop are not sent once a turn."""

from __future__ import annotations

import ast

from trueup.lint.local import FunctionNames
from trueup.lint.source import Function, last

_BUILD = {
    *("filter", "exclude", "annotate", "aggregate", "Exists", "Subquery", "Q", "When", "union", "intersection"),
    *("difference", "where", "in_", "not_in", "notin_", "exists", "alias", "join", "filter_by", "select_from", "any_"),
}
#: What ends a chain that writes, or locks row by row on purpose.
WRITES = {"update", "aupdate", "delete", "adelete", "select_for_update", "with_for_update"}
#: What a chain ends with that sends nothing by itself.
_LAZY = {
    *(
        "filter",
        "exclude",
        "all",
        "order_by",
        "values",
        "values_list",
        "annotate",
        "distinct",
        "only",
        "defer",
        "using",
    ),
    *("select_related", "prefetch_related", "filter_by", "with_entities", "subquery", "options", "join", "reverse"),
}


def remembered(node: ast.AST, scope: FunctionNames) -> bool:
    """Whether the answer is kept for other turns: `if key not in known: known[key] = ...`."""
    parents = scope.file.module.parents
    while not isinstance(node, ast.For | ast.AsyncFor | ast.Module | ast.Lambda | Function):
        around = parents[node]
        if isinstance(around, ast.If) and node in around.body and keeps(around):
            return True
        node = around
    return False


def keeps(branch: ast.If) -> bool:
    """Whether a branch is taken while something is not there, and puts it there."""
    asked = {ast.unparse(node) for node in ast.walk(branch.test) if isinstance(node, ast.Name | ast.Attribute)}
    for node in ast.walk(branch.test):
        match node:
            case ast.Call(func=ast.Name(id="hasattr"), args=[owner, ast.Constant(value=str(name))]):
                asked.add(f"{ast.unparse(owner)}.{name}")
            case _:
                pass
    if not any(_misses(node) for node in ast.walk(branch.test)):
        return False
    stored = {
        ast.unparse(node.value if isinstance(node, ast.Subscript) else node)
        for statement in branch.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
    }
    return any("cache" in name for name in asked) or not asked.isdisjoint(stored)


def _misses(node: ast.AST) -> bool:
    """Whether a part of a test is true where something is missing, or is another than before."""
    if isinstance(node, ast.Compare):
        return any(isinstance(op, ast.NotIn | ast.Is | ast.NotEq) for op in node.ops)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def part_of_another(node: ast.AST, body: list[ast.AST], scope: FunctionNames) -> bool:
    """Whether a query is only put into another, as an argument or by a name used for nothing else, or into a write."""
    if _argument(node, scope) or written(node, scope):
        return True
    top = _whole_chain(node, scope)
    around = scope.file.module.parents.get(top)
    if isinstance(around, ast.AugAssign | ast.BinOp) and isinstance(around.op, ast.BitOr | ast.BitAnd):
        return True
    if not isinstance(top, ast.Call) or last(top) not in _LAZY or not isinstance(around, ast.Assign):
        return False
    names = {target.id for target in around.targets if isinstance(target, ast.Name)}
    uses = [one for one in body if isinstance(one, ast.Name) and one.id in names and isinstance(one.ctx, ast.Load)]
    return bool(uses) and all(_argument(use, scope) or _changed(use, scope) for use in uses)


def written(node: ast.AST, scope: FunctionNames) -> bool:
    """Whether a chain of calls goes on to a write: `Book.objects.filter(...).delete()`."""
    parents = scope.file.module.parents
    while isinstance(parents.get(node), ast.Attribute | ast.Call) and _continues(node, parents[node]):
        node = parents[node]
        if isinstance(node, ast.Call) and last(node) in WRITES:
            return True
    return False


def _whole_chain(node: ast.AST, scope: FunctionNames) -> ast.AST:
    parents = scope.file.module.parents
    while isinstance(parents.get(node), ast.Attribute | ast.Call) and _continues(node, parents[node]):
        node = parents[node]
    return node


def _continues(node: ast.AST, around: ast.AST) -> bool:
    """Whether a chain goes on: `node` is what a method is called on."""
    return (isinstance(around, ast.Attribute) and around.value is node) or (
        isinstance(around, ast.Call) and around.func is node
    )


def _argument(node: ast.AST, scope: FunctionNames) -> bool:
    """Whether a node stands among the arguments of what makes a query."""
    parents = scope.file.module.parents
    while not isinstance(node, ast.stmt | ast.Lambda | ast.comprehension):
        around = parents.get(node)
        if around is None:
            return False
        if isinstance(around, ast.Call) and around.func is not node and last(around) in _BUILD:
            return True
        if isinstance(around, ast.Call) and around.func is not node and last(around) not in ("keyword", ""):
            return False  # evaluated by some function before
        node = around
    return False


def _changed(use: ast.Name, scope: FunctionNames) -> bool:
    """Whether a query is only built further: `books = books.filter(...)`."""
    top = _whole_chain(use, scope)
    around = scope.file.module.parents[top]
    return (
        isinstance(around, ast.Assign)
        and isinstance(top, ast.Call)
        and last(top) in _LAZY
        and any(isinstance(target, ast.Name) and target.id == use.id for target in around.targets)
    )
