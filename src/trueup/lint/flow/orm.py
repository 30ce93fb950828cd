"""Calls of SQLAlchemy: what a session writes, forgets and loads, and what flags or sets a column by its name."""

from __future__ import annotations

import ast
import re

from trueup.lint.flow.context import Context
from trueup.lint.flow.objects import Objects, constant
from trueup.lint.flow.state import MAYBE, OPEN, State
from trueup.lint.flow.values import NOTHING, ClassRef, Data, Inst, Rows, Token, Tup, Values, join, only
from trueup.lint.flow.words import ONE, words
from trueup.lint.source import dotted

_CREATES = re.compile(r"^_?(create|ingest|register|import|new|upload|enqueue|submit)(_|$)")
_ADDS = re.compile(r"_?(?:add|insert|save|store|persist)_?(\w*)")
_FINDS = re.compile(r"^(get|find|first|create|fetch|load|by|lookup|one|find_by|filter)(_|$)")
#: Methods of SQLModel that make a new object of what they are given.
_MADE = {"model_validate", "from_orm", "parse_obj", "model_construct", "construct", "validate"}
#: Methods of a session that run a query.
_RUNS = {"execute", "scalars", "stream", "stream_scalars", "exec", "run_sync"}
#: Methods that a session, or what is in it, shows.
_SEEN = {
    *("commit", "flush", "rollback", "refresh", "expire", "expire_all", "expunge", "expunge_all", "make_transient"),
    *("add", "add_all", "persist", "merge", "values", "update", "on_conflict_do_update"),
}


class Orm:
    """What SQLAlchemy does with columns."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self.context = context
        self.objects = objects

    def function(self, name: str, origin: str, node: ast.Call, args: list[Values], state: State) -> Values | None:
        """A call of a function that flags or sets a column, `setattr` among them; None when it is none."""
        if origin.endswith(("flag_modified", "set_attribute")) or name in ("setattr", "text"):
            self.context.effects += 1
        if origin.endswith("flag_modified") and len(args) >= 2:
            self._flag(args[0], constant(args[1]) or named_column(node.args[1]), state)
            return NOTHING
        if origin.endswith("attributes.set_attribute") or name == "setattr":
            self._setattr(args, node, state)
            return NOTHING
        if name in ("text", "sa.text") and (sql := constant(args[0] if args else NOTHING)) and "update" in sql.lower():
            for slot in state.slots:
                if re.search(rf"\b{re.escape(slot[1])}\b", sql, re.IGNORECASE):
                    state.save(slot)
        return None

    def method(self, name: str, node: ast.Call, receiver: Values, args: list[Values], state: State) -> Values | None:
        """A call of a method of a session, a query or a model; None when it is none of these."""
        assert isinstance(node.func, ast.Attribute)
        if any(isinstance(value, Data) for value in receiver):
            return None
        if any(
            isinstance(value, Inst) and value.cls is not None and self.context.project.method(value.cls, name)
            for value in receiver
        ):
            return None
        self.context.effects += name in _SEEN
        text = dotted(node.func.value)
        done = self._of_session(name, node.func.value, args, state)
        if done is not None:
            return done
        rows = next((value for value in receiver if isinstance(value, Rows)), None)
        if name in ("values", "update", "on_conflict_do_update") and (not args or rows or text == "" or "User" in text):
            self._updated(node, state)
        if name in _RUNS and args:
            return frozenset(value for value in args[0] if isinstance(value, Rows)) or None
        done = self._loaded(name, node, text, args, state)
        if done is not None:
            return done
        if rows is None:
            return self._of_class(name, node, receiver, state)
        if name in ONE:
            token = (rows.token, self.context.place(node))
            return self.objects.one(token, rows.classes, state, "got", _session(node.func))
        return only(rows)

    def _of_session(self, name: str, owner: ast.expr, args: list[Values], state: State) -> Values | None:
        """`session.commit()`, `session.add(user)`, `session.merge(user)`."""
        text = dotted(owner)
        word = text.rpartition(".")[2].lower() or _called_word(owner)
        session = "sess" in word or word in ("db", "s", "self", "uow", "tx", "conn", "ctx", "dbs", "store")
        match name:
            case "commit":
                state.flush(commit=True)
            case "flush" if session:
                state.flush(commit=False)
            case "rollback" | "expire_all":
                state.forget()
            case "refresh" | "expire" | "expunge" | "make_transient" if args:
                tokens = {value.token for value in args[0] if isinstance(value, Inst)}
                if name == "expunge":
                    state.loose |= tokens
                if name in ("refresh", "expire"):
                    state.slots = {slot: kept for slot, kept in state.slots.items() if slot[0] not in tokens}
            case "expunge_all":
                state.loose |= frozenset(slot[0] for slot in state.slots)
            case "add" | "add_all" | "persist" if args and session:
                self._added(args[0], state)
            case "merge" if args and any(isinstance(value, Inst) for value in args[0]):
                self._merge(text, args[0], state)
                return args[0]
            case _:
                return None
        return NOTHING

    def _loaded(self, name: str, node: ast.Call, text: str, args: list[Values], state: State) -> Values | None:
        """`session.get(User, 1)`, `select(User)`, `session.scalar(query)`."""
        classes = [value.cls for arg in args for value in arg if isinstance(value, ClassRef)]
        match name:
            case "get" | "get_one" if len(classes) == 1 and len(args) >= 2:
                return self.objects.one(self.context.place(node), (classes[0],), state, "got", text)
            case "query" | "select" if classes:
                return only(Rows(self.context.place(node), tuple(classes)))
            case "get_or_404" | "first_or_404" | "one_or_404" | "get_or_create" if classes:
                return self.objects.one(self.context.place(node), (classes[0],), state, "got", text)
            case "scalar" | "scalar_one" | "scalar_one_or_none" | "first" if args:
                queries = [value for value in args[0] if isinstance(value, Rows)]
                found = [self.objects.one(one.token, one.classes, state, "got", text) for one in queries]
                return join(*found) or None
        return None

    def _of_class(self, name: str, node: ast.Call, receiver: Values, state: State) -> Values | None:
        """`User.model_validate(data)`, `User.find_by_name(name)`, which no class of the project defines."""
        cls = next((value.cls for value in receiver if isinstance(value, ClassRef)), None)
        if cls is None or not self.context.columns.is_model(cls):
            return None
        if name in _MADE:
            return self.objects.construct(cls, node, {}, state)
        if self.context.project.method(cls, name) is None and _FINDS.match(name):
            return self.objects.one(self.context.place(node), (cls,), state, "got", "")
        return None

    def _added(self, objects: Values, state: State) -> None:
        tokens = {value.token for value in objects if isinstance(value, Inst)}
        for value in objects:
            if isinstance(value, Tup):
                tokens |= {one.token for item in value.items for one in item if isinstance(one, Inst)}
        state.added |= tokens
        for (place, slot), fate in list(state.fates.items()):
            if fate == OPEN and slot[0] in tokens and self._creates(slot[0]):
                state.fates[place, slot] = MAYBE

    def _creates(self, token: Token) -> bool:
        """Whether a parameter may be a new object: the function is there to add one, and writes its changes too."""
        name = str(getattr(self.context.frames[0].node, "name", ""))
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

    def _flag(self, objects: Values, field: str | None, state: State) -> None:
        """`flag_modified(object, field)`; what cannot be told apart is taken to be flagged."""
        tokens = {value.token for value in objects if isinstance(value, Inst)}
        hit = False
        own = any(fate == OPEN and slot[0] in tokens and slot[1] == field for (_, slot), fate in state.fates.items())
        for value in objects:
            if isinstance(value, Inst) and field is not None and self.objects.column(value, field)[0] is not None:
                state.read((value.token, field), "")
                state.flag((value.token, field))
                hit = True
        if hit and tokens & {slot[0] for slot in self.context.held} and len(tokens) == 1:
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
        attr = constant(args[1])
        for value in args[0]:
            if not isinstance(value, Inst):
                continue
            if attr is not None:
                self.objects.put(value, attr, args[2], node, state)
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
