"""Calls: which functions one may mean, and what these do; those of the project are followed."""

from __future__ import annotations

import ast
import re

from trueup.lint.flow.again import again, signature
from trueup.lint.flow.builtin import Builtins
from trueup.lint.flow.changes import Changes
from trueup.lint.flow.containers import Containers
from trueup.lint.flow.context import Context
from trueup.lint.flow.frame import Body, Evaluate, Inline
from trueup.lint.flow.names import Names
from trueup.lint.flow.objects import Objects, constant
from trueup.lint.flow.orm import Orm
from trueup.lint.flow.state import State
from trueup.lint.flow.values import (
    NOTHING,
    ClassRef,
    Const,
    Data,
    Foreign,
    FuncRef,
    Inst,
    Local,
    Outside,
    Rows,
    Token,
    Tup,
    Value,
    Values,
    join,
    only,
)
from trueup.lint.source import Function, dotted

_SETTLES = re.compile(r"flag_|_flag|dirty|modified|mark_.*(json|chang)|touch_json")
_STORES = re.compile(r"^_?(save|update|store|persist|write|set|upsert|put|patch)(_|$)")
#: Methods of dicts and lists of objects that give these objects.
_OF_OBJECTS = {"values", "items", "copy", "get", "pop", "popleft", "setdefault"}
#: How deep calls are followed.
DEPTH = 4


class Calls:
    """What a call does to columns, and what it returns. `evaluate` tells its arguments, `inline` follows a body."""

    def __init__(self, context: Context, evaluate: Evaluate, inline: Inline) -> None:
        self.context = context
        self.evaluate = evaluate
        self.inline = inline
        self.changes = Changes(context)
        self.names = Names(context)
        self.objects = Objects(context, self.names, self.called)
        self.containers = Containers(context, self.changes)
        self.builtins = Builtins(context, self.objects, self.containers, self.changes, evaluate)
        self.orm = Orm(context, self.objects)
        #: Calls without effects, by function and arguments: how far away they were followed from, what they return.
        self._inert: dict[tuple[object, ...], tuple[int, Values]] = {}

    def call(self, node: ast.Call, state: State) -> Values:
        """Follow a call."""
        evaluate = self.evaluate
        receiver = evaluate(node.func.value, state) if isinstance(node.func, ast.Attribute) else NOTHING
        args = [evaluate(arg.value if isinstance(arg, ast.Starred) else arg, state) for arg in node.args]
        keywords = {item.arg or "**": evaluate(item.value, state) for item in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
        if not name:
            return self._any_of(evaluate(node.func, state), node, args, keywords, state)
        origin = self.context.file.module.origin(node.func) if dotted(node.func) else name
        done = self.orm.function(name, origin, node, args, state)
        if done is None:
            done = self.builtins.call(name, origin, node, args, state)
        if done is not None:
            return done
        if isinstance(node.func, ast.Attribute):
            done = self.orm.method(name, node, receiver, args, state)
            if done is not None:
                return done
            data = frozenset(value for value in receiver if isinstance(value, Data))
            if data:
                return self.containers.of_data(name, data, node, args, state)
            held = [item for value in receiver if isinstance(value, Tup) for item in value.items]
            if held and name in _OF_OBJECTS:
                return _within(name, join(*held))
            func = self.objects.attribute(receiver, node.func, state)
        else:
            func = evaluate(node.func, state)
        return self._any_of(func, node, args, keywords, state, name)

    def _any_of(
        self,
        func: Values,
        node: ast.Call,
        args: list[Values],
        keywords: dict[str, Values],
        state: State,
        name: str = "",
    ) -> Values:
        """One of these is called, and it is not known which."""
        if not func:
            return self._unknown(node, name, args, keywords, state)
        before = state.copy() if len(func) > 1 else state
        first, *others = sorted(func, key=repr) if len(func) > 1 else func
        found = [self._function(first, node, args, keywords, state, name)]
        for value in others:
            path = before.copy()
            found.append(self._function(value, node, args, keywords, path, name))
            state.meet(path)
        return join(*found)

    def _function(
        self, func: Value, node: ast.Call, args: list[Values], keywords: dict[str, Values], state: State, name: str
    ) -> Values:
        """A call of what is known to be this."""
        match func:
            case ClassRef(cls=cls):
                return self.objects.construct(cls, node, keywords, state)
            case FuncRef():
                return self.called(func, args, keywords, node, state)
            case Local(node=inner) if isinstance(inner, Body):
                return self._inner(func, inner, node, args, keywords, state)
            case Outside(name=origin):
                word = origin.rpartition(".")[2]
                classes = [one.cls for arg in args for one in arg if isinstance(one, ClassRef)]
                if word in ("select", "query", "aliased", "with_polymorphic") and classes:
                    return only(Rows(self.context.place(node), tuple(classes)))
                return self._unknown(node, word, args, keywords, state)
            case Inst(cls=None, hint=hint):
                return self._unknown(node, hint, args, keywords, state)
            case Inst(cls=cls) if cls is not None:
                method = self.context.project.method(cls, "__call__")
                if method is not None:
                    return self.called(FuncRef(method, func), args, keywords, node, state)
            case Foreign(name=hint):
                return self._unknown(node, hint or name, args, keywords, state)
            case _:
                pass
        return NOTHING

    def _inner(
        self, func: Local, body: Body, node: ast.Call, args: list[Values], keywords: dict[str, Values], state: State
    ) -> Values:
        """A function or a lambda inside another: it sees the variables of that one."""
        frames = self.context.frames
        around = self.context.within_frame.get(body)
        seen = around.names if around is not None and around in frames[:-1] else state.names
        names = {**seen, **_bind(body, args, keywords, None)}
        if len(frames) > DEPTH or any(frame.node is body for frame in frames):
            return NOTHING
        return self.inline(func.file, body, None, names, node, state)

    def _unknown(
        self, node: ast.Call, name: str, args: list[Values], keywords: dict[str, Values], state: State
    ) -> Values:
        """A function whose source is not there: its name tells whether it may write what it is given."""
        if _SETTLES.search(name):
            self.context.effects += 1
            texts = [text for arg in args if (text := constant(arg))]
            for slot in list(state.slots):
                if slot[1] in texts or not texts:
                    state.save(slot)
        fields = {arg for arg in keywords if arg != "**"}
        for arg in [*node.args, *(item.value for item in node.keywords)]:
            if isinstance(arg, ast.Dict):
                fields |= {
                    key.value for key in arg.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                }
        stores = _STORES.match(name) is not None
        self.context.effects += not fields.isdisjoint(self.context.columns.by_name)
        for slot, pairs in list(state.slots.items()):
            given = any(
                isinstance(value, Data) and any(now == value.token for _, now in pairs)
                for arg in [*args, *keywords.values()]
                for value in arg
            )
            if (slot[1] in fields and not isinstance(node.func, ast.Name)) or (stores and given):
                state.save(slot)
        if re.match(r"_*[A-Z][A-Za-z0-9]*[a-z]", name):
            return only(Foreign(name))  # a new object of a class that is not there: nothing that was loaded
        hint = re.sub(r"^(get|find|fetch|load|create|make|require|first|lookup|_)+_?", "", name)
        return only(Inst(("call", self.context.place(node)), None, hint))

    def called(
        self, func: FuncRef, args: list[Values], keywords: dict[str, Values], call: ast.AST, state: State
    ) -> Values:
        """Follow a function of the project into its body, unless that is too far or it is already followed."""
        node = self.context.project.function(func.func)
        token: Token = ("call", self.context.place(call))
        hint = re.sub(r"^(get|find|fetch|load|create|make|_)+_?", "", func.func.facts.name)
        noted = self.names.annotated(func.func.file, func.func.facts.returns, token, hint)
        if func.func.owner is not None and func.func.facts.returns.strip("\"'") in ("Self", "typing.Self"):
            noted = only(Inst(token, func.func.owner, hint))
        if (
            node is None
            or len(self.context.frames) > DEPTH
            or self.context.budget < 0
            or any(frame.node is node for frame in self.context.frames)
        ):
            return noted or only(Inst(token, None, hint))
        names = self._variables(func, node, args, keywords, call)
        returned = self._followed(func, node, names, call, state)
        sure = [value for value in returned if not (isinstance(value, Inst) and value.cls is None)]
        if sure:
            return frozenset(sure)
        return noted or returned or only(Inst(token, None, hint))

    def _variables(
        self, func: FuncRef, node: Function, args: list[Values], keywords: dict[str, Values], call: ast.AST
    ) -> dict[str, Values]:
        """The parameters of a function as a call gives them; where that does not tell the class, as annotated."""
        static = any(one == "staticmethod" for one in func.func.facts.decorators)
        names = _bind(node, args, keywords, None if static else func.bound)
        for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            values = names.get(arg.arg, NOTHING)
            known = any(not isinstance(value, Inst) or value.cls is not None for value in values)
            if not known:
                param: Token = ("param", self.context.place(call), arg.arg)
                given = self.names.annotated(func.func.file, arg.annotation, param, arg.arg)
                mine = next((value for value in values if isinstance(value, Inst)), None)
                if mine is not None and given:
                    one = next(iter(given))
                    names[arg.arg] = only(Inst(mine.token, one.cls, arg.arg)) if isinstance(one, Inst) else given
                elif not values:
                    names[arg.arg] = given or only(Inst(param, None, arg.arg))
        return names

    def _followed(self, func: FuncRef, node: Function, names: dict[str, Values], call: ast.AST, state: State) -> Values:
        """What a function returns; one that is known to do nothing is not followed again, nor from further away."""
        kind = signature(names, self.context.columns.is_model)
        key = (func.func.file.module.path, node.lineno, func.func.owner, kind)
        depth, kept = self._inert.get(key, (DEPTH + 2, NOTHING))
        if depth <= len(self.context.frames):
            return frozenset(again(value, ("call", self.context.place(call))) for value in kept)
        before = self.context.effects
        returned = self.inline(func.func.file, node, func.func.owner, names, call, state)
        given = {one.token for values in names.values() for one in values if isinstance(one, Inst)}
        own = any(isinstance(one, Inst) and one.token in given for one in returned)
        if kind is not None and before == self.context.effects and self.context.budget >= 0 and not own:
            self._inert[key] = (len(self.context.frames), returned)
        return returned


def _within(name: str, held: Values) -> Values:
    """What a method of a dict or list of objects gives."""
    if name == "items":
        return only(Tup((only(Tup((NOTHING, held))),)))
    return only(Tup((held,))) if name in ("values", "copy") else held


def _bind(
    node: Body, args: list[Values], keywords: dict[str, Values], bound: Inst | ClassRef | None
) -> dict[str, Values]:
    """Parameters and the values a call gives them."""
    positional = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
    given = ([only(bound)] if bound is not None else []) + args
    names = dict(zip(positional, given, strict=False))
    defaults = dict(zip(positional[len(positional) - len(node.args.defaults) :], node.args.defaults, strict=True))
    for name, default in defaults.items():
        if name not in names and isinstance(default, ast.Constant):
            names[name] = only(Const(default.value))
    every = {*positional, *(arg.arg for arg in node.args.kwonlyargs)}
    names.update({name: values for name, values in keywords.items() if name in every})
    return names
