"""What a function is while it is followed, what is reported of it, and the steps that lead from one part to another."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from trueup.lint.columns import Column
from trueup.lint.flow.state import State
from trueup.lint.flow.values import NOTHING, FuncRef, Inst, Values
from trueup.lint.project import Class, File
from trueup.lint.source import Function

#: What has a body to follow.
Body = Function | ast.Lambda


@dataclass(eq=False, kw_only=True)
class Frame:
    """A function that is being followed: how it was called, and how it ended so far."""

    file: File
    node: ast.AST
    owner: Class | None = None
    call: ast.AST | None = None
    names: dict[str, Values] = field(default_factory=dict)
    exits: list[State] = field(default_factory=list)
    raised: list[State] = field(default_factory=list)
    values: Values = NOTHING
    breaks: list[list[State]] = field(default_factory=list)
    nexts: list[list[State]] = field(default_factory=list)
    yields: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change inside a JSON value, at the place to be reported."""

    file: File
    node: ast.AST
    function: ast.AST
    column: Column
    field: str
    source: str
    how: str
    nested: bool
    helper: str


# an expression holds calls, a call is followed into statements, and those hold expressions: the parts are handed these
#: What an expression may stand for.
Evaluate = Callable[[ast.expr | None, State], Values]
#: Follow a call of a function of the project, with its arguments, from a node.
Call = Callable[[FuncRef, list[Values], dict[str, Values], ast.AST, State], Values]
#: Follow a body with these variables, from the node that calls it; returns what it returns.
Inline = Callable[[File, Body, Class | None, dict[str, Values], ast.AST, State], Values]
#: Be told that `object.attribute` was set at a node.
Observe = Callable[[Inst, str, ast.AST, State], None]
