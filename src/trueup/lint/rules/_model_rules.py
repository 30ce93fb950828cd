"""The rules that a model of Django keeps in its own methods."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from trueup.lint.index import Index
from trueup.lint.project import Class, Func
from trueup.lint.source import Function, dotted, last

#: Methods of a model that hold rules.
METHODS = ("save", "clean", "full_clean")
_CHECKS = {"full_clean", "clean", "clean_fields", "validate", "validate_unique", "validate_constraints"}
#: What a method of a model is called that refuses values.
_REFUSING = re.compile(r"^_?(clean|valid|check|verify|ensure|assert|enforce|require)")
_DEPTH = 2


@dataclass(frozen=True)
class Ruled:
    """The `fields` that rules are about, the `method` that holds them, and whether new rows have to keep them."""

    fields: frozenset[str] = frozenset()
    method: str = ""
    for_new: bool = False


def rules_of(cls: Class, index: Index) -> Ruled:
    """The rules in `save`, `clean` and `full_clean` of a model and of its bases in the project."""
    fields: set[str] = set()
    where, for_new = "", False
    for name in METHODS:
        method = index.project.method(cls, name)
        if method is None or method.owner is None:
            continue
        reasons = list(_reasons(method, cls, index, 0))
        if reasons:
            where = where or name
            for_new = for_new or any(new for _, new in reasons)
            fields = fields.union(*(named for named, _ in reasons))
    return Ruled(frozenset(fields), where, for_new)


def _reasons(method: Func, cls: Class, index: Index, depth: int) -> Iterator[tuple[set[str], bool]]:
    """Each refusal in a method: the fields that it depends on, and whether a new row may meet it."""
    tree = index.project.function(method)
    if tree is None or depth > _DEPTH:
        return
    around = method.file.module.parents
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and _refuses(node, method, depth):
            yield _depends(node, tree, around)
        elif isinstance(node, ast.Call) and not _is_super(node):
            if last(node) in _CHECKS and last(node) != method.facts.name and dotted(node.func).startswith("self."):
                yield _with_validators(cls, index), True
            elif dotted(node.func).startswith("self.") and last(node) not in METHODS:
                helper = index.project.method(cls, last(node))
                if helper is not None:
                    yield from _reasons(helper, cls, index, depth + 1)
            elif last(node).startswith("validate"):
                yield _own(node), True


def _refuses(node: ast.Raise, method: Func, depth: int) -> bool:
    """Whether a method refuses a value; one that is called on the way, and is no check, may fail for other reasons."""
    made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    name = last(made)
    if depth and not _REFUSING.search(method.facts.name):
        return depth == 1 and "Valid" in name
    return name not in ("", "NotImplementedError", "StopIteration")


def _depends(raised: ast.Raise, tree: Function, around: dict[ast.AST, ast.AST]) -> tuple[set[str], bool]:
    """The fields in the conditions around a refusal, also through local names; and whether a new row may meet it."""
    tests: list[ast.AST] = [raised]
    for_new = True
    node: ast.AST = raised
    while node is not tree:
        outer = around[node]
        if isinstance(outer, ast.If):
            tests.append(outer.test)
            for_new = for_new and not (node in outer.body and _about_old(outer.test))
        elif isinstance(outer, ast.For):
            tests.append(outer.iter)
        elif isinstance(outer, ast.Try):
            tests.extend(outer.body)
        node = outer
    fields = set().union(*(_own(test) for test in tests))
    names = {inner.id for test in tests for inner in ast.walk(test) if isinstance(inner, ast.Name)} - {"self"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id in names for target in node.targets
        ):
            fields |= _own(node.value)
    return fields, for_new


def _about_old(test: ast.expr) -> bool:
    """`self.pk`, `self.id is not None`, `not self._state.adding`: the row is there already."""
    return ast.unparse(test).partition(" and ")[0] in (
        *("self.pk", "self.id", "self.pk is not None", "self.id is not None", "not self._state.adding"),
        *("self.pk != None", "self.id != None", "bool(self.pk)"),
    )


def _own(node: ast.AST) -> set[str]:
    """The attributes of `self` in an expression, with and without the `_id` of a key."""
    found = {
        inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute) and dotted(inner.value) == "self"
    }
    return found | {name.removesuffix("_id") for name in found}


def _with_validators(cls: Class, index: Index) -> set[str]:
    """Fields with validators: `full_clean` runs them."""
    return {
        name for one in index.project.mro(cls) for name, source in one.facts.values.items() if "validators=" in source
    }


def _is_super(node: ast.Call) -> bool:
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
    return isinstance(receiver, ast.Call) and last(receiver) == "super"
