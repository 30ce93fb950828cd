"""Expressions: what one may stand for at a point of a function, and what is assigned to what."""

from __future__ import annotations

import ast

from trueup.lint.flow.calls import Calls
from trueup.lint.flow.context import Context
from trueup.lint.flow.frame import Inline
from trueup.lint.flow.state import State
from trueup.lint.flow.values import NOTHING, ClassRef, Const, Data, Inst, Local, Tup, Values, inside, join, only

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


class Evaluator:
    """What expressions may stand for. `inline` follows the body of a function that one calls."""

    def __init__(self, context: Context, inline: Inline) -> None:
        self.context = context
        self.calls = Calls(context, self.evaluate, inline)
        self.objects = self.calls.objects
        self.containers = self.calls.containers
        self.changes = self.calls.changes

    def evaluate(self, node: ast.expr | None, state: State) -> Values:
        """What an expression may stand for; what it does on the way is done."""
        match node:
            case ast.Name(id=name):
                return state.names[name] if name in state.names else self.calls.names.named(name)
            case ast.Constant(value=value):
                return only(Const(value))
            case ast.Attribute(value=value):
                return self.objects.attribute(self.evaluate(value, state), node, state)
            case ast.Call():
                return self.calls.call(node, state)
            case ast.Subscript(value=value, slice=key):
                return self._subscript(self.evaluate(value, state), key, node, state)
            case ast.Await(value=value) | ast.Starred(value=value) | ast.FormattedValue(value=value):
                return self.evaluate(value, state)
            case ast.BoolOp(op=op, values=values):
                held = [self.evaluate(value, state) for value in values]
                return join(*held) if isinstance(op, ast.Or) else held[-1]
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.evaluate(test, state)
                return join(self.evaluate(body, state), self.evaluate(orelse, state))
            case ast.NamedExpr(target=target, value=value):
                self.assign(target, self.evaluate(value, state), state, value)
                return state.names[target.id]
            case ast.BinOp(left=left, right=right):
                return self._joined(node, self.evaluate(left, state), self.evaluate(right, state), state)
            case ast.UnaryOp(operand=operand):
                self.evaluate(operand, state)
                return NOTHING
        return self._written(node, state)

    def _written(self, node: ast.expr | None, state: State) -> Values:
        """What an expression with many parts stands for."""
        match node:
            case ast.Dict():
                return self._dict(node, state)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return self._items(node, items, state)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, state)
            case ast.Lambda():
                self.context.within_frame[node] = self.context.frames[-1]
                return only(Local(self.context.file, node))
            case ast.Yield() | ast.YieldFrom():
                self._yielded(node, state)
            case ast.Compare(left=left, comparators=others):
                for part in (left, *others):
                    self.evaluate(part, state)
            case ast.JoinedStr(values=parts):
                for part in parts:
                    self.evaluate(part, state)
        return NOTHING

    def _joined(self, node: ast.BinOp, first: Values, second: Values, state: State) -> Values:
        """`left | right`, `left + right` is a new dict or list."""
        data = frozenset(value for value in first if isinstance(value, Data))
        if data and isinstance(node.op, ast.BitOr | ast.Add):
            return self.containers.copied(data, node, state, "copy", differs=True)
        if isinstance(node.op, ast.BitOr) and any(isinstance(value, Data) for value in second):
            return self.containers.copied(second, node, state, "copy", differs=True)
        return NOTHING

    def _yielded(self, node: ast.Yield | ast.YieldFrom, state: State) -> None:
        frame = self.context.frames[-1]
        frame.yields = True
        held = self.evaluate(node.value, state)
        if isinstance(node, ast.YieldFrom):
            held = self.objects.elements(held, node, state)
        frame.values = join(frame.values, held)

    def _subscript(self, held: Values, key: ast.expr, node: ast.Subscript, state: State) -> Values:
        if not isinstance(key, ast.Slice):
            self.evaluate(key, state)
        found: list[Values] = []
        for value in held:
            match value:
                case Data():
                    if isinstance(key, ast.Slice):
                        whole = key.lower is None and key.upper is None
                        found.append(self.containers.copied(only(value), node, state, "copy", differs=not whole))
                    else:
                        found.append(self.containers.within(only(value), node, state, key))
                case Tup(items=items) if (
                    isinstance(key, ast.Constant)
                    and isinstance(key.value, int)
                    and -len(items) <= key.value < len(items)
                ):
                    found.append(items[key.value])
                case Tup(items=items):
                    found.extend(items)
                case Inst(cls=cls) if cls is not None and self.context.columns.is_model(cls):
                    found.append(only(value))
                case Inst(token=token, hint=hint):
                    text = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
                    found.append(
                        only(Inst(("at", token, f"[{ast.unparse(key)}]"), None, text or hint.removesuffix("s")))
                    )
                case ClassRef():
                    found.append(only(value))
                case _ if isinstance(key, ast.Slice):
                    found.append(only(value))
                case _:
                    found.append(self.objects.elements(only(value), node, state))
        return join(*found) if found else NOTHING

    def _dict(self, node: ast.Dict, state: State) -> Values:
        spread: list[Values] = []
        kept: dict[object, Values] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            held = self.evaluate(value, state)
            if key is None:
                spread.append(frozenset(one for one in held if isinstance(one, Data)))
            elif isinstance(key, ast.Constant):
                kept[key.value] = held
            else:
                self.evaluate(key, state)
        spread = [held for held in spread if held]
        if not spread:
            result = self.containers.made(node)
        else:
            result = self.containers.copied(join(*spread), node, state, "copy", differs=len(node.keys) > 1)
        for one in result:
            if isinstance(one, Data):
                state.keys.update({(one.token, key): held for key, held in kept.items()})
        return result

    def _items(self, node: ast.List | ast.Tuple | ast.Set, items: list[ast.expr], state: State) -> Values:
        held = [self.evaluate(item, state) for item in items]
        stars = [one for item, one in zip(items, held, strict=True) if isinstance(item, ast.Starred)]
        data = frozenset(value for one in stars for value in one if isinstance(value, Data))
        if data:
            return self.containers.copied(data, node, state, "copy", differs=len(items) > 1)
        if isinstance(node, ast.Tuple) or any(isinstance(value, Inst) for one in held for value in one):
            return only(Tup(tuple(held)))
        made = self.containers.made(node)
        state.rebuilt.update({one.token: () for one in made if isinstance(one, Data) and items})
        return made

    def _comprehension(self, node: _Comprehension, state: State) -> Values:
        saved = dict(state.names)
        source: Values = NOTHING
        for generator in node.generators:
            source = self.evaluate(generator.iter, state)
            element = self.objects.elements(source, generator.iter, state)
            self.assign(generator.target, element, state, generator.iter)
            for test in generator.ifs:
                self.evaluate(test, state)
        if isinstance(node, ast.DictComp):
            self.evaluate(node.key, state)
            result = self.evaluate(node.value, state)
        else:
            result = self.evaluate(node.elt, state)
        state.names = saved
        first = node.generators[0]
        base = self._iterated(first.iter, state)
        if base:
            part = node.value if isinstance(node, ast.DictComp) else node.elt
            plain = isinstance(part, ast.Name) and not first.ifs and len(node.generators) == 1
            if plain or (
                isinstance(part, ast.Name)
                and part.id in {n.id for n in ast.walk(first.target) if isinstance(n, ast.Name)}
            ):
                return self.containers.copied(base, node, state, "copy", differs=not plain)
            return self.containers.made(node)
        if any(isinstance(value, Inst | Tup) for value in result):
            return only(Tup((result,)))
        return self.containers.made(node)

    def _iterated(self, node: ast.expr, state: State) -> Values:
        """The dict or list that a comprehension goes through, of `x`, `x.items()`."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "items":
            node = node.func.value
        held = self.evaluate(node, state) if isinstance(node, ast.Name | ast.Attribute) else NOTHING
        return frozenset(value for value in held if isinstance(value, Data))

    # what is assigned

    def assign(self, target: ast.expr, given: Values, state: State, node: ast.expr) -> None:
        """`target = given`."""
        match target:
            case ast.Name(id=name):
                state.names[name] = frozenset(
                    Inst(value.token, None, name)
                    if isinstance(value, Inst) and value.cls is None and value.token[0] not in ("param", "at")
                    else value
                    for value in given
                )
            case ast.Tuple(elts=items) | ast.List(elts=items):
                self._unpack(items, given, state, node)
            case ast.Starred(value=value):
                self.assign(value, given, state, node)
            case ast.Subscript(value=value, slice=key):
                held = self.evaluate(value, state)
                self.changes.changed(held, target, state, "same" if _own(given, held) else "item")
                if isinstance(key, ast.Constant):
                    for one in held:
                        if isinstance(one, Data):
                            state.keys[one.token, key.value] = given
            case ast.Attribute(value=value, attr=attr):
                for one in self.evaluate(value, state):
                    if isinstance(one, Inst):
                        self.objects.put(one, attr, given, target, state)
            case _:
                pass

    def _unpack(self, items: list[ast.expr], given: Values, state: State, node: ast.expr) -> None:
        parts: list[list[Values]] = [[] for _ in items]
        for value in given:
            match value:
                case Tup(items=held) if len(held) == len(items):
                    for part, one in zip(parts, held, strict=True):
                        part.append(one)
                case Data(token=token) if token[0] != "new":
                    for part in parts:
                        part.append(only(Data(inside(token))))
                case Inst(token=token, cls=cls):
                    for at, part in enumerate(parts):
                        part.append(only(value if cls is not None and at == 0 else Inst(("at", token, at))))
                case _:
                    pass
        for item, part in zip(items, parts, strict=True):
            self.assign(item, join(*part) if part else NOTHING, state, node)


def _own(given: Values, held: Values) -> bool:
    """Whether `given` is what lies in one of `held` already, or is new where there is nothing."""
    tokens = {value.token for value in given if isinstance(value, Data)}
    mine = {inside(value.token) for value in held if isinstance(value, Data) and value.token[0] == "copy"}
    return not tokens.isdisjoint(mine) and all(token in mine or token[0] == "new" for token in tokens)


def entered(values: Values) -> Values:
    """What `with ... as` gives: what a context manager yields, else the object itself."""
    return join(*(join(*one.items) if isinstance(one, Tup) and one.items else only(one) for one in values))
