"""Functions of Python itself that a call is known to mean: `getattr`, `deepcopy`, `dict`, `next`, `zip`, `shuffle`."""

from __future__ import annotations

import ast
import re

from trueup.lint.flow.changes import Changes
from trueup.lint.flow.containers import Containers
from trueup.lint.flow.context import Context
from trueup.lint.flow.frame import Evaluate
from trueup.lint.flow.objects import Objects, constant
from trueup.lint.flow.state import State
from trueup.lint.flow.values import NOTHING, Data, Token, Tup, Values, join, only
from trueup.lint.flow.words import COPIES, TAKES

_SHALLOW = re.compile(r"(^|\.)copy$")


class Builtins:
    """What plain functions do with JSON values."""

    def __init__(
        self, context: Context, objects: Objects, containers: Containers, changes: Changes, evaluate: Evaluate
    ) -> None:
        self.context = context
        self.objects = objects
        self.containers = containers
        self.changes = changes
        self.evaluate = evaluate

    def call(self, name: str, origin: str, node: ast.Call, args: list[Values], state: State) -> Values | None:
        """A call of a function that is known by name; None when it is not."""
        first = args[0] if args else NOTHING
        if name == "getattr" and len(args) >= 2:
            attr = constant(args[1])
            if attr is None:
                return NOTHING
            fake = ast.copy_location(ast.Attribute(value=node.args[0], attr=attr, ctx=ast.Load()), node)
            return join(self.objects.attribute(first, fake, state), args[2] if len(args) > 2 else NOTHING)
        copied = self._copied(name, origin, node, args, state)
        if copied is not None:
            return copied
        if name in ("cast", "typing.cast") and len(args) == 2:
            if any(isinstance(value, Data) for value in args[1]):
                return args[1]
            place = self.context.place(node)
            return self.objects.names.annotated(self.context.file, node.args[0], place) or args[1]
        taken = self._taken(name, node, args, state)
        if taken is not None:
            return taken
        if name in TAKES and args:
            self.changes.changed(first, node, state, name)
            return NOTHING
        return state.names.get("self", NOTHING) if name == "super" else None

    def _copied(self, name: str, origin: str, node: ast.Call, args: list[Values], state: State) -> Values | None:
        """`deepcopy(d)`, `json.loads(json.dumps(d))`, `dict(d)`."""
        first = args[0] if args else NOTHING
        if origin in ("copy.deepcopy", "deepcopy") or origin.endswith(".deepcopy"):
            return self.containers.copied(first, node, state, "deepcopy")
        if origin in ("json.loads", "orjson.loads", "loads") and node.args and isinstance(node.args[0], ast.Call):
            inner = node.args[0]
            if self.context.file.module.origin(inner.func).endswith("dumps") and inner.args:
                return self.containers.copied(self.evaluate(inner.args[0], state), node, state, "deepcopy")
        shallow = (origin in COPIES or _SHALLOW.search(origin)) and not isinstance(node.func, ast.Attribute)
        if not shallow and origin != "copy.copy":
            return None
        if args:
            return self.containers.copied(first, node, state, "copy", differs=bool(node.keywords) or name == "sorted")
        made: Token = ("new", self.context.place(node))
        for item in node.keywords:
            if item.arg:
                state.keys[made, item.arg] = self.evaluate(item.value, state)
        return only(Data(made))

    def _taken(self, name: str, node: ast.Call, args: list[Values], state: State) -> Values | None:
        """`max(rows)`, `next(rows)`, `enumerate(rows)`, `zip(rows, others)`."""
        first = args[0] if args else NOTHING
        if name in ("max", "min") and len(args) == 1 and isinstance(node.func, ast.Name):
            return self.objects.elements(first, node, state)
        if name not in ("next", "iter", "reversed", "enumerate", "zip", "filter", "list", "tuple") or not first:
            return None
        match name:
            case "next":
                return self.objects.elements(first, node, state)
            case "enumerate":
                return only(Tup((only(Tup((NOTHING, self.objects.elements(first, node, state)))),)))
            case "zip":
                return only(Tup((only(Tup(tuple(self.objects.elements(arg, node, state) for arg in args))),)))
            case "filter":
                return args[-1]
        return first
