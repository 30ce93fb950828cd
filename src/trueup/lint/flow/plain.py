"""Plain Python: what copies, changes and reaches into dicts and lists; and what flags or sets an attribute."""

from __future__ import annotations

import ast
import re
from typing import Any

from trueup.lint.flow.objects import Objects
from trueup.lint.flow.state import OPEN, State
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
from trueup.lint.flow.words import COPIES, MUTATORS, TAKES
from trueup.lint.project import Class, File
from trueup.lint.source import dotted

_SHALLOW = re.compile(r"(^|\.)copy$")


class Plain(Objects):
    """What plain calls do to JSON values."""

    def ev(self, node: ast.expr | None, state: State) -> Values:
        """What an expression may stand for."""
        raise NotImplementedError(type(self))

    def changed(self, values: Values, node: ast.AST, state: State, how: str) -> None:
        """Each of `values` was changed in place by `node`."""
        raise NotImplementedError(type(self))

    def put(self, value: Inst, attr: str, given: Values, node: ast.AST, state: State) -> None:
        """`value.attr = given`."""
        raise NotImplementedError(type(self))

    def inlined(
        self, file: File, node: Any, owner: Class | None, names: dict[str, Values], call: ast.AST, state: State
    ) -> Values:
        """Follow a function with these arguments."""
        raise NotImplementedError(type(self))

    def builtin(self, name: str, origin: str, node: ast.Call, args: list[Values], state: State) -> Values | None:  # noqa: C901 - one case a function
        """A call of a function that is known by name; None when it is not."""
        first = args[0] if args else NOTHING
        if origin.endswith(("flag_modified", "set_attribute")) or name in ("setattr", "text"):
            self.effects += 1
        if origin.endswith("flag_modified") and len(args) >= 2:
            self._flag(args[0], self.constant(args[1]) or named_column(node.args[1]), state)
            return NOTHING
        if origin.endswith("attributes.set_attribute") or name == "setattr":
            self._setattr(args, node, state)
            return NOTHING
        if name == "getattr" and len(args) >= 2:
            attr = self.constant(args[1])
            if attr is None:
                return NOTHING
            fake = ast.copy_location(ast.Attribute(value=node.args[0], attr=attr, ctx=ast.Load()), node)
            return join(self.attribute(first, fake, state), args[2] if len(args) > 2 else NOTHING)
        if origin in ("copy.deepcopy", "deepcopy") or origin.endswith(".deepcopy"):
            return self.copied(first, node, state, "deepcopy")
        if origin in ("json.loads", "orjson.loads", "loads") and node.args and isinstance(node.args[0], ast.Call):
            inner = node.args[0]
            if self.file.module.origin(inner.func).endswith("dumps") and inner.args:
                return self.copied(self.ev(inner.args[0], state), node, state, "deepcopy")
        if (
            (origin in COPIES or _SHALLOW.search(origin)) and not isinstance(node.func, ast.Attribute)
        ) or origin == "copy.copy":
            if not args:
                return self.made(node, state, node.keywords)
            return self.copied(first, node, state, "copy", differs=bool(node.keywords) or name == "sorted")
        if name in ("cast", "typing.cast") and len(args) == 2:
            return (
                args[1]
                if any(isinstance(value, Data) for value in args[1])
                else (self.annotated(self.file, node.args[0], self.place(node)) or args[1])
            )
        if name in ("max", "min") and len(args) == 1 and isinstance(node.func, ast.Name):
            return self.elements(first, node, state)
        if name in ("next", "iter", "reversed", "enumerate", "zip", "filter", "list", "tuple") and first:
            if name == "next":
                return self.elements(first, node, state)
            if name == "enumerate":
                return only(Tup((only(Tup((NOTHING, self.elements(first, node, state)))),)))
            if name == "zip":
                return only(Tup((only(Tup(tuple(self.elements(arg, node, state) for arg in args))),)))
            return args[-1] if name == "filter" else first
        if name in TAKES and args:
            self.changed(first, node, state, name)
            return NOTHING
        if name == "super":
            return state.names.get("self", NOTHING)
        if name in ("text", "sa.text") and (sql := self.constant(first)) and "update" in sql.lower():
            for slot in state.slots:
                if re.search(rf"\b{re.escape(slot[1])}\b", sql, re.IGNORECASE):
                    state.save(slot)
        return None

    def made(self, node: ast.AST, state: State, keywords: list[ast.keyword] | None = None) -> Values:
        """A new dict or list."""
        token: Token = ("new", self.place(node))
        for item in keywords or ():
            if item.arg:
                state.keys[token, item.arg] = self.ev(item.value, state)
        return only(Data(token))

    def copied(self, values: Values, node: ast.AST, state: State, how: str, *, differs: bool = False) -> Values:
        """A copy of each of `values`; with `differs` one that is not equal to it."""
        found: list[Value] = []
        for value in values:
            match value:
                case Data(token=held):
                    token: Token = (how, self.place(node), held)
                    state.copies |= {token}
                    state.diverged -= {token}
                    if differs:
                        state.diverged |= {token}
                    found.append(Data(token))
                case Rows() | Tup():
                    found.append(value)
                case Inst(cls=None):
                    # `dict(unknown)` is something new, whatever it was made of
                    found.append(Data(("new", self.place(node))))
                case _:
                    pass
        return frozenset(found) or only(Data(("new", self.place(node))))

    def of_data(self, name: str, data: Values, node: ast.Call, args: list[Values], state: State) -> Values:
        """A call of a method of a dict or list."""
        if name in MUTATORS:
            before = {value.token: state.rebuilt.get(value.token) for value in data if isinstance(value, Data)}
            self.changed(data, node, state, name)
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

    # SQLAlchemy

    def _flag(self, objects: Values, field: str | None, state: State) -> None:
        """`flag_modified(object, field)`; what cannot be told apart is taken to be flagged."""
        tokens = {value.token for value in objects if isinstance(value, Inst)}
        hit = False
        own = any(fate == OPEN and slot[0] in tokens and slot[1] == field for (_, slot), fate in state.fates.items())
        for value in objects:
            if isinstance(value, Inst) and field is not None and self.column(value, field)[0] is not None:
                state.read((value.token, field), "")
                state.flag((value.token, field))
                hit = True
        if hit and tokens & {slot[0] for slot in self.held} and len(tokens) == 1:
            open_ = [change for change, fate in state.fates.items() if change[1][1] == field and fate == OPEN]
            if own or not open_ or any(change[1][0] in tokens for change in open_):
                return
        for slot in list(state.slots):
            same_object = slot[0] in tokens or not tokens
            if (field is None and (same_object or not hit)) or slot[1] == field:
                if any(change[1] == slot for change in state.fates):
                    state.save(slot)
                if slot[0] in tokens:
                    state.flag(slot)

    def _setattr(self, args: list[Values], node: ast.Call, state: State) -> None:
        if len(args) < 3:
            return
        attr = self.constant(args[1])
        for value in args[0]:
            if not isinstance(value, Inst):
                continue
            if attr is not None:
                self.put(value, attr, args[2], node, state)
            else:
                # any attribute may have been set: what was changed before may be written now
                for slot in state.slots:
                    if slot[0] == value.token and not any(isinstance(one, Data) for one in args[2]):
                        state.save(slot)


def named_column(node: ast.expr | None) -> str | None:
    """`User.settings`, `User.settings.key`, `User.settings.name` as a field."""
    parts = dotted(node).split(".")
    if parts[-1] in ("key", "name"):
        parts.pop()
    return parts[-1] if len(parts) > 1 else None
