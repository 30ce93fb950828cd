"""Dicts and lists: what copies them, what changes them, and what lies inside them."""

from __future__ import annotations

import ast

from trueup.lint.flow.changes import Changes
from trueup.lint.flow.context import Context
from trueup.lint.flow.state import State
from trueup.lint.flow.values import (
    NOTHING,
    Data,
    FuncRef,
    Inst,
    Local,
    Rows,
    Token,
    Tup,
    Value,
    Values,
    inside,
    join,
    only,
)
from trueup.lint.flow.words import MUTATORS


class Containers:
    """What dicts and lists do."""

    def __init__(self, context: Context, changes: Changes) -> None:
        self.context = context
        self.changes = changes

    def made(self, node: ast.AST) -> Values:
        """A new dict or list."""
        return only(Data(("new", self.context.place(node))))

    def copied(self, values: Values, node: ast.AST, state: State, how: str, *, differs: bool = False) -> Values:
        """A copy of each of `values`; with `differs` one that is not equal to it."""
        found: list[Value] = []
        for value in values:
            match value:
                case Data(token=held):
                    token: Token = (how, self.context.place(node), held)
                    state.copies |= {token}
                    state.diverged -= {token}
                    if differs:
                        state.diverged |= {token}
                    found.append(Data(token))
                case Rows() | Tup():
                    found.append(value)
                case Inst(cls=None):
                    # `dict(unknown)` is something new, whatever it was made of
                    found.append(Data(("new", self.context.place(node))))
                case _:
                    pass
        return frozenset(found) or only(Data(("new", self.context.place(node))))

    def of_data(self, name: str, data: Values, node: ast.Call, args: list[Values], state: State) -> Values:
        """A call of a method of a dict or list."""
        if name in MUTATORS:
            before = {value.token: state.rebuilt.get(value.token) for value in data if isinstance(value, Data)}
            self.changes.changed(data, node, state, name)
            if name == "append" and args:
                elements = {value.token if isinstance(value, Data) else () for value in args[0]}
                for token, so_far in before.items():
                    state.appended(token, elements, so_far)
            if name == "setdefault":
                return join(self.within(data, node, state), args[1] if len(args) > 1 else NOTHING)
            return self.within(data, node, state) if name in ("pop", "popitem") else NOTHING
        if name == "copy":
            return self.copied(data, node, state, "copy")
        if name == "changed":
            for value in data:
                assert isinstance(value, Data)
                for slot, pairs in list(state.slots.items()):
                    if any(now == value.token for _, now in pairs):
                        state.flag(slot)
            return NOTHING
        if name == "get":
            key = node.args[0] if node.args else None
            return join(self.within(data, node, state, key), args[1] if len(args) > 1 else NOTHING)
        if name in ("values", "items", "keys"):
            kept = [held for (token, _), held in state.keys.items() if Data(token) in data]
            inner = join(self.within(data, node, state), *kept)
            return inner if name != "items" else only(Tup((only(Tup((NOTHING, inner))),)))
        return NOTHING

    def within(self, data: Values, node: ast.AST, state: State, key: ast.expr | None = None) -> Values:
        """What lies inside dicts or lists, at a key when it is constant."""
        found: list[Values] = []
        for value in data:
            if not isinstance(value, Data):
                continue
            if isinstance(key, ast.Constant) and (value.token, key.value) in state.keys:
                found.append(state.keys[value.token, key.value])
            elif value.token[0] != "new":
                found.append(only(Data(inside(value.token))))
            elif key is not None and not isinstance(key, ast.Constant):
                # a table of functions: which of them is not known
                kept = [one for (token, _), held in state.keys.items() if token == value.token for one in held]
                found.append(frozenset(one for one in kept if isinstance(one, FuncRef | Local)))
        return join(*found) if found else NOTHING
