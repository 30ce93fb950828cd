"""Expressions, and what is assigned to what."""

from __future__ import annotations

import ast

from trueup.lint.flow.calls import Calls
from trueup.lint.flow.state import Slot, State
from trueup.lint.flow.values import (
    NOTHING,
    ClassRef,
    Const,
    Data,
    FuncRef,
    Inst,
    Local,
    Token,
    Tup,
    Values,
    inside,
    join,
    only,
    telling,
)
from trueup.lint.project import Func
from trueup.lint.source import dotted


class Evaluate(Calls):
    """What an expression may stand for at one point."""

    def ev(self, node: ast.expr | None, state: State) -> Values:  # noqa: C901 - one case a kind of expression
        """What an expression may stand for; what it does on the way is done."""
        match node:
            case None:
                return NOTHING
            case ast.Name(id=name):
                return state.names[name] if name in state.names else self.named(name)
            case ast.Constant(value=value):
                return only(Const(value))
            case ast.Attribute(value=value):
                return self.attribute(self.ev(value, state), node, state)
            case ast.Call():
                return self.call(node, state)
            case ast.Subscript(value=value, slice=key):
                return self._subscript(self.ev(value, state), key, node, state)
            case ast.Await(value=value):
                return self.ev(value, state)
            case ast.BoolOp(op=ast.Or(), values=values):
                return join(*(self.ev(value, state) for value in values))
            case ast.BoolOp(values=values):
                return [self.ev(value, state) for value in values][-1]
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.ev(test, state)
                return join(self.ev(body, state), self.ev(orelse, state))
            case ast.NamedExpr(target=target, value=value):
                held = self.ev(value, state)
                self.assign(target, held, state, value)
                return state.names[target.id]
            case ast.BinOp(left=left, right=right, op=op):
                first, second = self.ev(left, state), self.ev(right, state)
                data = frozenset(value for value in first if isinstance(value, Data))
                if data and isinstance(op, ast.BitOr | ast.Add):
                    return self.copied(data, node, state, "copy", differs=True)
                if isinstance(op, ast.BitOr) and any(isinstance(value, Data) for value in second):
                    return self.copied(second, node, state, "copy", differs=True)
                return NOTHING
            case ast.Dict():
                return self._dict(node, state)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return self._items(node, items, state)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, state)
            case ast.Lambda():
                self.within_frame[node] = self.frames[-1]
                return only(Local(self.file, node))
            case ast.Starred(value=value) | ast.FormattedValue(value=value):
                return self.ev(value, state)
            case ast.Yield(value=value) | ast.YieldFrom(value=value):
                frame = self.frames[-1]
                frame.yields = True
                held = self.ev(value, state) if value is not None else NOTHING
                frame.values = join(
                    frame.values, held if isinstance(node, ast.Yield) else self.elements(held, node, state)
                )
                return NOTHING
            case ast.Compare(left=left, comparators=others):
                for part in (left, *others):
                    self.ev(part, state)
                return NOTHING
            case ast.UnaryOp(operand=operand):
                self.ev(operand, state)
                return NOTHING
            case ast.JoinedStr(values=values):
                for part in values:
                    self.ev(part, state)
                return NOTHING
        return NOTHING

    def entered(self, values: Values, node: ast.expr) -> Values:
        """What `with ... as` gives: what a context manager yields, else the object itself."""
        return join(*(join(*one.items) if isinstance(one, Tup) and one.items else only(one) for one in values))

    def _subscript(self, held: Values, key: ast.expr, node: ast.Subscript, state: State) -> Values:
        if not isinstance(key, ast.Slice):
            self.ev(key, state)
        found: list[Values] = []
        for value in held:
            match value:
                case Data():
                    if isinstance(key, ast.Slice):
                        whole = key.lower is None and key.upper is None
                        found.append(self.copied(only(value), node, state, "copy", differs=not whole))
                    else:
                        found.append(self.within(only(value), node, state, key))
                case Tup(items=items) if (
                    isinstance(key, ast.Constant)
                    and isinstance(key.value, int)
                    and -len(items) <= key.value < len(items)
                ):
                    found.append(items[key.value])
                case Tup(items=items):
                    found.extend(items)
                case Inst(cls=cls) if cls is not None and self.columns.is_model(cls):
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
                    found.append(self.elements(only(value), node, state))
        return join(*found) if found else NOTHING

    def _dict(self, node: ast.Dict, state: State) -> Values:
        spread: list[Values] = []
        kept: dict[object, Values] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            held = self.ev(value, state)
            if key is None:
                spread.append(frozenset(one for one in held if isinstance(one, Data)))
            elif isinstance(key, ast.Constant):
                kept[key.value] = held
            else:
                self.ev(key, state)
        spread = [held for held in spread if held]
        if not spread:
            result = self.made(node, state)
        else:
            result = self.copied(join(*spread), node, state, "copy", differs=len(node.keys) > 1)
        for one in result:
            if isinstance(one, Data):
                state.keys.update({(one.token, key): held for key, held in kept.items()})
        return result

    def _items(self, node: ast.List | ast.Tuple | ast.Set, items: list[ast.expr], state: State) -> Values:
        held = [self.ev(item, state) for item in items]
        stars = [one for item, one in zip(items, held, strict=True) if isinstance(item, ast.Starred)]
        data = frozenset(value for one in stars for value in one if isinstance(value, Data))
        if data:
            return self.copied(data, node, state, "copy", differs=len(items) > 1)
        if isinstance(node, ast.Tuple) or any(isinstance(value, Inst) for one in held for value in one):
            return only(Tup(tuple(held)))
        made = self.made(node, state)
        state.rebuilt.update({one.token: () for one in made if isinstance(one, Data) and items})
        return made

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, state: State
    ) -> Values:
        saved = dict(state.names)
        source: Values = NOTHING
        for generator in node.generators:
            source = self.ev(generator.iter, state)
            element = self.elements(source, generator.iter, state)
            self.assign(generator.target, element, state, generator.iter)
            for test in generator.ifs:
                self.ev(test, state)
        if isinstance(node, ast.DictComp):
            self.ev(node.key, state)
            result = self.ev(node.value, state)
        else:
            result = self.ev(node.elt, state)
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
                return self.copied(base, node, state, "copy", differs=not plain)
            return self.made(node, state)
        if any(isinstance(value, Inst | Tup) for value in result):
            return only(Tup((result,)))
        return self.made(node, state)

    def _iterated(self, node: ast.expr, state: State) -> Values:
        """The dict or list that a comprehension goes through, of `x`, `x.items()`."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "items":
            node = node.func.value
        held = self.ev(node, state) if isinstance(node, ast.Name | ast.Attribute) else NOTHING
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
                held = self.ev(value, state)
                self.changed(held, target, state, "same" if _own(given, held) else "item")
                if isinstance(key, ast.Constant):
                    for one in held:
                        if isinstance(one, Data):
                            state.keys[one.token, key.value] = given
            case ast.Attribute(value=value, attr=attr):
                for one in self.ev(value, state):
                    if isinstance(one, Inst):
                        self.put(one, attr, given, target, state)
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

    def put(self, value: Inst, attr: str, given: Values, node: ast.AST, state: State) -> None:
        """`value.attr = given`: a column is set, a setter is followed, anything else is remembered."""
        setter = self._setter(value, attr)
        if setter is not None:
            self.called(setter, [given], {}, node, state)
            return
        column, sure = self.column(value, attr)
        if column is None:
            state.attributes[value.token, attr] = given
            self.effects += any(telling(one) for one in given)
            return
        slot = (value.token, attr)
        source = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
        held = self.read(column, slot, state, sure=sure, source=source)
        tokens: list[Token] = []
        for one in given:
            if isinstance(one, Data):
                token = one.token
                if column.tracked and one not in held and token[0] != "new":
                    token = ("copy", self.place(node, "coerced"), token)
                    state.copies |= {token}
                tokens.append(token)
            elif isinstance(one, Inst) and one.cls is None and one.token[0] == "param":
                tokens.append(("new", one.token))
            else:
                tokens.append(("new", self.place(node, "set")))
        state.set(slot, tokens or [("new", self.place(node, "set"))])

    def _setter(self, value: Inst, attr: str) -> FuncRef | None:
        if value.cls is None:
            return None
        for one in self.project.mro(value.cls):
            method = one.facts.methods.get(attr)
            if method is None:
                continue
            for node in one.file.defined.values():
                if node.name == attr and any(dotted(dec) == f"{attr}.setter" for dec in node.decorator_list):
                    facts = type(method)(name=attr, line=node.lineno)
                    return FuncRef(Func(one.file, facts, one), value)
            return None
        return None

    # changes

    def changed(self, values: Values, node: ast.AST, state: State, how: str) -> None:
        """Each of `values` was changed in place; a column that holds one is no longer what was loaded."""
        tokens = sorted((value.token for value in values if isinstance(value, Data)), key=repr)
        nested = any(token[0] == "in" for token in tokens)
        told = "item" if how == "same" else how
        state.change(tokens, how, lambda slot: self.report(slot, node, told, state, nested=nested))

    def report(self, slot: Slot, node: ast.AST, how: str, state: State, *, nested: bool) -> Token:
        """Write down a change at the place that is to be mended; returns the place."""
        raise NotImplementedError(type(self))


def _own(given: Values, held: Values) -> bool:
    """Whether `given` is what lies in one of `held` already, or is new where there is nothing."""
    tokens = {value.token for value in given if isinstance(value, Data)}
    mine = {inside(value.token) for value in held if isinstance(value, Data) and value.token[0] == "copy"}
    return not tokens.isdisjoint(mine) and all(token in mine or token[0] == "new" for token in tokens)
