"""Calls: of SQLAlchemy, of dicts and lists, and of functions of the project, which are followed."""

from __future__ import annotations

import ast
import re

from trueup.lint.flow.again import again, signature
from trueup.lint.flow.objects import words
from trueup.lint.flow.plain import Plain, named_column
from trueup.lint.flow.state import MAYBE, OPEN, State
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
    Values,
    join,
    only,
)
from trueup.lint.flow.words import ONE
from trueup.lint.project import Class
from trueup.lint.source import Function, dotted

_SETTLES = re.compile(r"flag_|_flag|dirty|modified|mark_.*(json|chang)|touch_json")
_STORES = re.compile(r"^_?(save|update|store|persist|write|set|upsert|put|patch)(_|$)")
_CREATES = re.compile(r"^_?(create|ingest|register|import|new|upload|enqueue|submit)(_|$)")
_ADDS = re.compile(r"_?(?:add|insert|save|store|persist)_?(\w*)")
_FINDS = re.compile(r"^(get|find|first|create|fetch|load|by|lookup|one|find_by|filter)(_|$)")
#: Methods of dicts and lists of objects that give these objects.
_OF_OBJECTS = {"values", "items", "copy", "get", "pop", "popleft", "setdefault"}
#: Methods of SQLModel that make a new object of what they are given.
_MADE = {"model_validate", "from_orm", "parse_obj", "model_construct", "construct", "validate"}
#: How deep calls are followed.
DEPTH = 4
#: Methods that a session, or what is in it, shows.
_SEEN = {
    *("commit", "flush", "rollback", "refresh", "expire", "expire_all", "expunge", "expunge_all", "make_transient"),
    *("add", "add_all", "persist", "merge", "values", "update", "on_conflict_do_update"),
}


class Calls(Plain):
    """What a call does to columns, and what it returns."""

    def call(self, node: ast.Call, state: State) -> Values:
        """Follow a call."""
        receiver = self.ev(node.func.value, state) if isinstance(node.func, ast.Attribute) else NOTHING
        args = [self.ev(arg.value if isinstance(arg, ast.Starred) else arg, state) for arg in node.args]
        keywords = {item.arg or "**": self.ev(item.value, state) for item in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
        if not name:
            func = self.ev(node.func, state)
            return self._function(func, node, args, keywords, state)
        origin = self.file.module.origin(node.func) if dotted(node.func) else name
        done = self.builtin(name, origin, node, args, state)
        if done is not None:
            return done
        if isinstance(node.func, ast.Attribute):
            done = self._orm(name, node, receiver, args, keywords, state)
            if done is not None:
                return done
            data = frozenset(value for value in receiver if isinstance(value, Data))
            if data:
                return self.of_data(name, data, node, args, state)
            held = [item for value in receiver if isinstance(value, Tup) for item in value.items]
            if held and name in _OF_OBJECTS:
                return _within(name, join(*held))
            func = self.attribute(receiver, node.func, state)
        else:
            func = self.ev(node.func, state)
        return self._function(func, node, args, keywords, state, name)

    def _orm(  # noqa: C901 - one case a word of SQLAlchemy
        self, name: str, node: ast.Call, receiver: Values, args: list[Values], keywords: dict[str, Values], state: State
    ) -> Values | None:
        assert isinstance(node.func, ast.Attribute)
        text = dotted(node.func.value)
        word = text.rpartition(".")[2].lower() or _called_word(node.func.value)
        session = "sess" in word or word in ("db", "s", "self", "uow", "tx", "conn", "ctx", "dbs", "store")
        rows = next((value for value in receiver if isinstance(value, Rows)), None)
        classes = [value.cls for arg in args for value in arg if isinstance(value, ClassRef)]
        if any(isinstance(value, Data) for value in receiver):
            return None
        if any(
            isinstance(value, Inst) and value.cls is not None and self.project.method(value.cls, name)
            for value in receiver
        ):
            return None
        self.effects += name in _SEEN
        match name:
            case "commit":
                state.flush(commit=True)
                return NOTHING
            case "flush" if session:
                state.flush(commit=False)
                return NOTHING
            case "rollback" | "expire_all":
                state.forget()
                return NOTHING
            case "refresh" | "expire" | "expunge" | "make_transient" if args:
                tokens = {value.token for value in args[0] if isinstance(value, Inst)}
                if name == "expunge":
                    state.loose |= tokens
                if name in ("refresh", "expire"):
                    state.slots = {slot: kept for slot, kept in state.slots.items() if slot[0] not in tokens}
                return NOTHING
            case "expunge_all":
                state.loose |= frozenset(slot[0] for slot in state.slots)
                return NOTHING
            case "add" | "add_all" | "persist" if args and session:
                tokens = {value.token for value in args[0] if isinstance(value, Inst)}
                for value in args[0]:
                    if isinstance(value, Tup):
                        tokens |= {one.token for item in value.items for one in item if isinstance(one, Inst)}
                state.added |= tokens
                for (place, slot), fate in list(state.fates.items()):
                    if fate == OPEN and slot[0] in tokens and self._creates(slot[0]):
                        state.fates[place, slot] = MAYBE
                return NOTHING
            case "merge" if args and any(isinstance(value, Inst) for value in args[0]):
                self._merge(text, args[0], state)
                return args[0]
            case "values" | "update" | "on_conflict_do_update" if not args or rows or text == "" or "User" in text:
                self._updated(node, state)
            case "get" | "get_one" if len(classes) == 1 and len(args) >= 2:
                return self.one(self.place(node), (classes[0],), state, "got", text)
            case "query" | "select" if classes:
                return only(Rows(self.place(node), tuple(classes)))
            case "get_or_404" | "first_or_404" | "one_or_404" | "get_or_create" if classes:
                return self.one(self.place(node), (classes[0],), state, "got", text)
            case "execute" | "scalars" | "stream" | "stream_scalars" | "exec" | "run_sync" if args:
                queries = frozenset(value for value in args[0] if isinstance(value, Rows))
                return queries or None
            case "scalar" | "scalar_one" | "scalar_one_or_none" | "first" if args:
                found = [self.one(v.token, v.classes, state, "got", text) for v in args[0] if isinstance(v, Rows)]
                if found:
                    return join(*found)
            case _:
                pass
        if rows is not None:
            if name in ONE:
                return self.one((rows.token, self.place(node)), rows.classes, state, "got", _session(node.func))
            if name in ("join", "outerjoin"):
                return only(rows)
            return only(rows)
        cls = next((value.cls for value in receiver if isinstance(value, ClassRef)), None)
        if cls is not None and name in _MADE and self.columns.is_model(cls):
            return self._construct(cls, node, {}, state)
        if (
            cls is not None
            and self.columns.is_model(cls)
            and self.project.method(cls, name) is None
            and _FINDS.match(name)
        ):
            return self.one(self.place(node), (cls,), state, "got", "")
        return None

    def _creates(self, token: Token) -> bool:
        """Whether a parameter may be a new object: the function is there to add one, and writes its changes too."""
        name = str(getattr(self.frames[0].node, "name", ""))
        given = str(token[-1])
        if token[0] != "param" or given in ("self", "cls"):
            return False
        what = _ADDS.fullmatch(name)
        return bool(_CREATES.match(name)) or (what is not None and words(what[1]) <= words(given))

    def _merge(self, session: str, objects: Values, state: State) -> None:
        """An object of another session is copied by `merge`, and compared with what the database holds."""
        for value in objects:
            if not isinstance(value, Inst):
                continue
            loaded_by = state.sessions.get(value.token)
            given = value.token[0] in ("param", "at")
            own_session = session in state.names and not any(
                isinstance(one, Inst) and one.token[0] == "param" for one in state.names[session]
            )
            other = loaded_by is not None and loaded_by not in (session, "")
            if other or (given and own_session) or value.token in state.loose:
                for slot in list(state.slots):
                    if slot[0] == value.token:
                        state.save(slot)

    def _updated(self, node: ast.Call, state: State) -> None:
        """`update(User).values(settings=...)`, `.update({User.settings: ...})`: a statement writes the column."""
        fields = {item.arg for item in node.keywords if item.arg}
        for arg in [*node.args, *(item.value for item in node.keywords)]:
            if isinstance(arg, ast.Dict):
                for key in arg.keys:
                    fields |= {key.value} if isinstance(key, ast.Constant) else {named_column(key)}  # type: ignore[arg-type]
        for slot in state.slots:
            if slot[1] in fields:
                state.save(slot)

    # functions

    def _function(  # noqa: C901 - one case a kind of function
        self,
        func: Values,
        node: ast.Call,
        args: list[Values],
        keywords: dict[str, Values],
        state: State,
        name: str = "",
    ) -> Values:
        found = []
        before = state.copy() if len(func) > 1 else state
        for at, value in enumerate(sorted(func, key=repr) if len(func) > 1 else func):
            if at:
                # one of them is called, and it is not known which
                other = before.copy()
                found.append(self._function(only(value), node, args, keywords, other, name))
                state.meet(other)
                continue
            match value:
                case ClassRef(cls=cls):
                    found.append(self._construct(cls, node, keywords, state))
                case FuncRef():
                    found.append(self.called(value, args, keywords, node, state))
                case Local(file=file, node=inner) if isinstance(inner, Function | ast.Lambda):
                    around = self.within_frame.get(inner)
                    seen = around.names if around in self.frames[:-1] else state.names
                    names = {**seen, **_bind(inner, args, keywords, None)}
                    if len(self.frames) <= DEPTH and all(frame.node is not inner for frame in self.frames):
                        found.append(self.inlined(file, inner, None, names, node, state))
                case Outside(name=origin):
                    word = origin.rpartition(".")[2]
                    classes = [one.cls for arg in args for one in arg if isinstance(one, ClassRef)]
                    if word in ("select", "query", "aliased", "with_polymorphic") and classes:
                        found.append(only(Rows(self.place(node), tuple(classes))))
                    else:
                        found.append(self._unknown(node, word, args, keywords, state))
                case Inst(cls=None, hint=hint):
                    found.append(self._unknown(node, hint, args, keywords, state))
                case Inst(cls=cls) if cls is not None:
                    method = self.project.method(cls, "__call__")
                    if method is not None:
                        found.append(self.called(FuncRef(method, value), args, keywords, node, state))
                case Foreign(name=hint):
                    found.append(self._unknown(node, hint or name, args, keywords, state))
                case _:
                    pass
        if not func:
            found.append(self._unknown(node, name, args, keywords, state))
        return join(*found) if found else NOTHING

    def _construct(self, cls: Class, node: ast.Call, keywords: dict[str, Values], state: State) -> Values:
        token: Token = ("made", self.place(node))
        inst = Inst(token, cls)
        if self.columns.is_model(cls):
            state.pending |= {token}
            state.added -= {token}
            for attr, given in keywords.items():
                if attr != "**":
                    self.put(inst, attr, given, node, state)
        else:
            for attr, given in keywords.items():
                state.attributes[token, attr] = given
        return only(inst)

    def _unknown(
        self, node: ast.Call, name: str, args: list[Values], keywords: dict[str, Values], state: State
    ) -> Values:
        """A function whose source is not there: its name tells whether it may write what it is given."""
        if _SETTLES.search(name):
            self.effects += 1
            texts = [text for arg in args if (text := self.constant(arg))]
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
        self.effects += not fields.isdisjoint(self.columns.by_name)
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
        return only(Inst(("call", self.place(node)), None, hint))

    def called(
        self, func: FuncRef, args: list[Values], keywords: dict[str, Values], call: ast.AST, state: State
    ) -> Values:
        """Follow a function of the project into its body, unless that is too far or it is already followed."""
        node = self.project.function(func.func)
        token: Token = ("call", self.place(call))
        hint = re.sub(r"^(get|find|fetch|load|create|make|_)+_?", "", func.func.facts.name)
        noted = self.annotated(func.func.file, func.func.facts.returns, token, hint)
        if func.func.owner is not None and func.func.facts.returns.strip("\"'") in ("Self", "typing.Self"):
            noted = only(Inst(token, func.func.owner, hint))
        if (
            node is None
            or len(self.frames) > DEPTH
            or self.budget < 0
            or any(frame.node is node for frame in self.frames)
        ):
            return noted or only(Inst(token, None, hint))
        bound = func.bound
        static = any(one == "staticmethod" for one in func.func.facts.decorators)
        names = _bind(node, args, keywords, None if static else bound)
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for arg in every:
            values = names.get(arg.arg, NOTHING)
            known = any(not isinstance(value, Inst) or value.cls is not None for value in values)
            if not known:
                given = self.annotated(func.func.file, arg.annotation, ("param", self.place(call), arg.arg), arg.arg)
                mine = next((value for value in values if isinstance(value, Inst)), None)
                if mine is not None and given:
                    one = next(iter(given))
                    names[arg.arg] = only(Inst(mine.token, one.cls, arg.arg)) if isinstance(one, Inst) else given
                elif not values:
                    names[arg.arg] = given or only(Inst(("param", self.place(call), arg.arg), None, arg.arg))
        returned = self._followed(func, node, names, call, state)
        sure = [value for value in returned if not (isinstance(value, Inst) and value.cls is None)]
        if sure:
            return frozenset(sure)
        return noted or returned or only(Inst(token, None, hint))

    def _followed(self, func: FuncRef, node: Function, names: dict[str, Values], call: ast.AST, state: State) -> Values:
        """What a function returns; one that is known to do nothing is not followed again, nor from further away."""
        kind = signature(names, self.columns.is_model)
        key = (func.func.file.module.path, node.lineno, func.func.owner, kind)
        depth, kept = self.inert.get(key, (DEPTH + 2, NOTHING))
        if depth <= len(self.frames):
            return frozenset(again(value, ("call", self.place(call))) for value in kept)
        before = self.effects
        returned = self.inlined(func.func.file, node, func.func.owner, names, call, state)
        given = {one.token for values in names.values() for one in values if isinstance(one, Inst)}
        own = any(isinstance(one, Inst) and one.token in given for one in returned)
        if kind is not None and before == self.effects and self.budget >= 0 and not own:
            self.inert[key] = (len(self.frames), returned)
        return returned


def _within(name: str, held: Values) -> Values:
    """What a method of a dict or list of objects gives."""
    if name == "items":
        return only(Tup((only(Tup((NOTHING, held))),)))
    return only(Tup((held,))) if name in ("values", "copy") else held


def _bind(
    node: Function | ast.Lambda, args: list[Values], keywords: dict[str, Values], bound: Inst | ClassRef | None
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


def _called_word(node: ast.expr) -> str:
    """The word of `get_session()` in `get_session().flush()`."""
    return dotted(node.func).rpartition(".")[2].lower() if isinstance(node, ast.Call) else ""


def _session(node: ast.expr) -> str:
    """The session at the head of a chain: `db.session` of `db.session.query(User).first`."""
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Attribute) and node.attr in ("query", "execute", "scalars", "scalar", "exec"):
            return dotted(node.value)
        node = node.func if isinstance(node, ast.Call) else node.value
    return ""
