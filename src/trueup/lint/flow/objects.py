"""Objects: what an attribute of one holds, what setting one does, and what a loop over many gives."""

from __future__ import annotations

import ast
import re
from functools import cached_property

from trueup.lint.columns import Column
from trueup.lint.flow.context import Context
from trueup.lint.flow.frame import Call, Observe
from trueup.lint.flow.names import Names
from trueup.lint.flow.state import Slot, State
from trueup.lint.flow.values import (
    NOTHING,
    ClassRef,
    Const,
    Data,
    Foreign,
    FuncRef,
    Inst,
    Outside,
    Rows,
    Token,
    Tup,
    Value,
    Values,
    inside,
    join,
    only,
    telling,
)
from trueup.lint.flow.words import ANY_ROW, COMMON, words
from trueup.lint.project import Class, Func
from trueup.lint.source import dotted


class Objects:
    """What attributes stand for. `call` follows a property or a setter."""

    def __init__(self, context: Context, names: Names, call: Call) -> None:
        self.context = context
        self.names = names
        self.call = call
        #: Told of each attribute that is set.
        self.observe: Observe | None = None

    def attribute(self, values: Values, node: ast.Attribute, state: State) -> Values:
        """What `values.attr` stands for."""
        found = [self._attribute(value, node, state) for value in values]
        return join(*found) if found else NOTHING

    def _attribute(self, value: Value, node: ast.Attribute, state: State) -> Values:
        attr = node.attr
        match value:
            case Inst(token=token, cls=cls):
                if (token, attr) in state.attributes:
                    return state.attributes[token, attr]
                column, sure = self.column(value, attr)
                known = self._known(value, cls, node, state) if cls is not None else NOTHING
                if column is not None:
                    return self.read(column, (token, attr), state, sure=sure, source=ast.unparse(node.value))
                return known or only(Inst(("at", token, attr), None, attr))
            case ClassRef(cls=cls):
                if attr in ("query", "objects", "select"):
                    return only(Rows(self.context.place(node), (cls,)))
                method = self.context.project.method(cls, attr)
                if method is not None:
                    return only(FuncRef(method, value))
                return only(Outside(f"{cls.name}.{attr}"))
            case Outside(name=name):
                hint = name.rpartition(".")[2]
                inst = Inst(("out", name), None, hint)
                column, sure = self.column(inst, attr)
                if column is not None and sure and words(hint) & words(column.cls.name):
                    return self.read(column, (inst.token, attr), state, sure=sure, source=ast.unparse(node.value))
                return self._of_module(name, attr)
            case Foreign():
                inst = Inst(("foreign", value.name, attr), None, attr)
                return only(inst if self._names_a_model(attr) else Foreign(attr))
            case Rows(classes=classes) if len(classes) == 1 and attr == classes[0].name:
                return only(Inst(("row", value.token), classes[0]))
            case Data(token=token) if attr in ("value", "copy"):
                return NOTHING
        return NOTHING

    def _of_module(self, name: str, attr: str) -> Values:
        file = self.context.project.find(name, self.context.file)
        if file is not None:
            meaning = self.context.project.resolve(file, attr)
            if meaning is not None:
                return self.names.meant(meaning, attr)
        return only(Outside(f"{name}.{attr}"))

    def _names_a_model(self, attr: str) -> bool:
        return not self._of_models.isdisjoint(words(attr))

    @cached_property
    def _of_models(self) -> set[str]:
        """The words of the names of all classes that have a JSON column."""
        by_name = self.context.columns.by_name
        return {word for columns in by_name.values() for one in columns for word in words(one.cls.name)}

    def _known(self, value: Inst, cls: Class, node: ast.Attribute, state: State) -> Values:
        attr = node.attr
        relation = self.context.columns.relation(cls, attr)
        if relation is not None:
            target = self.context.columns.class_named(relation.target, relation.file)
            if target is None:
                return only(Foreign(attr))
            token = ("at", value.token, attr)
            return only(Rows(token, (target,)) if relation.many else Inst(token, target, attr))
        if attr == cls.name:
            return only(value)
        method = self.context.project.method(cls, attr)
        if method is not None:
            func = FuncRef(method, value)
            if any(
                one.rpartition(".")[2] in ("property", "cached_property", "hybrid_property")
                for one in method.facts.decorators
            ):
                return self.call(func, [], {}, node, state) or only(Foreign(attr))
            return only(func)
        for one in self.context.project.mro(cls):
            note = one.facts.notes.get(attr) or one.facts.made.get(attr)
            if note:
                known = self.names.annotated(one.file, note, ("at", value.token, attr), attr)
                return known or only(Inst(("at", value.token, attr), None, attr))
            if attr in one.facts.values:
                return only(Foreign(attr))
        return NOTHING

    def column(self, value: Inst, attr: str) -> tuple[Column | None, bool]:
        """The JSON column an attribute is, and whether that is certain."""
        if value.cls is not None:
            column = self.context.columns.column(value.cls, attr)
            return (column, True) if column is not None and column.orm == "sqlalchemy" else (None, False)
        columns = self.context.columns.by_name.get(attr, [])
        candidates = [one for one in columns if one.orm == "sqlalchemy" and self.context.columns.is_table(one.cls)]
        if not candidates or len(candidates) < len(columns):
            return None, False
        hint = words(value.hint) - {"id", "data", "dict", "form", "schema", "dto", "in", "out", "config"}
        for one in candidates:
            if self._fits(hint, one.cls):
                # `message.content` is a row's column here and an answer of some service there
                return one, attr not in COMMON or self._knows(one.cls)
        if re.search(
            r"form|schema|request|req$|resp|payload|dto|_in$|_out$|config|settings|self|args", value.hint.lower()
        ):
            return None, False
        # the least watchful of them: what one of them loses may be lost
        column = min(candidates, key=lambda one: len(one.tracked) if isinstance(one.tracked, str) else 1)
        telling = attr not in COMMON and len(attr) > 3 and not self.context.columns.shared(attr)
        if hint & ANY_ROW:
            return column, not self.context.columns.shared(attr)
        return column, telling

    def _knows(self, cls: Class) -> bool:
        """Whether the file that is followed has to do with a model: defines it, imports it, or uses its module."""
        file = self.context.file
        facts = file.facts
        names = {cls.name, *(one.name for one in self.context.project.subclasses(cls))}
        return file is cls.file or not names.isdisjoint(facts.imports) or cls.file.module.parts[-1] in facts.imports

    def _fits(self, hint: frozenset[str], cls: Class) -> bool:
        """Whether a name may be that of an object of a class, or of one of its subclasses."""
        for one in (cls, *self.context.project.subclasses(cls)):
            mine = words(one.name) - {"model", "table", "db", "base", "mixin", "orm", "entity"}
            if hint & mine and (len(mine) == 1 or mine <= hint or words(one.name.rstrip("s")[-12:]) & hint):
                return True
            initials = "".join(re.findall("[A-Z]", one.name)).lower()
            if hint == {initials}:
                return True
        return False

    def read(self, column: Column, slot: Slot, state: State, *, sure: bool, source: str) -> Values:
        """The value that a column holds now."""
        self.context.effects += 1
        self.context.held[slot] = column
        if source:
            self.context.sources.setdefault((slot, self.context.frames[-1].node), source)
        if not sure:
            self.context.guessed.add(slot)
        return frozenset(Data(now) for _, now in state.read(slot, column.tracked))

    # what many give

    def elements(self, values: Values, node: ast.AST, state: State) -> Values:
        """What a loop over `values` gives."""
        found = []
        for value in values:
            match value:
                case Rows(token=token, classes=classes):
                    found.append(self.one(token, classes, state, "elem"))
                case Tup(items=items):
                    found.extend(items)
                case Data(token=token):
                    if token[0] != "new":
                        found.append(only(Data(inside(token))))
                    else:
                        found.extend(kept for (held, _), kept in state.keys.items() if held == token)
                case Inst(token=token, cls=cls, hint=hint):
                    row = cls if cls and self.context.columns.is_model(cls) else None
                    found.append(only(Inst(("elem", token), row, hint)))
                case Foreign() | Outside():
                    found.append(only(Foreign()))
                case _:
                    pass
        return join(*found) if found else NOTHING

    def one(self, token: Token, classes: tuple[Class, ...], state: State, how: str, session: str = "") -> Values:
        """One row: an object, or a tuple of objects."""
        made = [Inst((how, token, cls.facts.name), cls) for cls in classes]
        if session:
            state.sessions.update({inst.token: session for inst in made})
        if len(made) == 1:
            return only(made[0])
        return only(Tup(tuple(only(inst) for inst in made)))

    # what is set

    def put(self, value: Inst, attr: str, given: Values, node: ast.AST, state: State) -> None:
        """`value.attr = given`: a column is set, a setter is followed, anything else is remembered."""
        self._put(value, attr, given, node, state)
        if self.observe is not None:
            self.observe(value, attr, node, state)

    def _put(self, value: Inst, attr: str, given: Values, node: ast.AST, state: State) -> None:
        setter = self._setter(value, attr)
        if setter is not None:
            self.call(setter, [given], {}, node, state)
            return
        column, sure = self.column(value, attr)
        if column is None:
            state.attributes[value.token, attr] = given
            self.context.effects += any(telling(one) for one in given)
            return
        slot = (value.token, attr)
        source = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
        held = self.read(column, slot, state, sure=sure, source=source)
        tokens: list[Token] = []
        for one in given:
            if isinstance(one, Data):
                token = one.token
                if column.tracked and one not in held and token[0] != "new":
                    token = ("copy", self.context.place(node, "coerced"), token)
                    state.copies |= {token}
                tokens.append(token)
            elif isinstance(one, Inst) and one.cls is None and one.token[0] == "param":
                tokens.append(("new", one.token))
            else:
                tokens.append(("new", self.context.place(node, "set")))
        state.set(slot, tokens or [("new", self.context.place(node, "set"))])

    def _setter(self, value: Inst, attr: str) -> FuncRef | None:
        if value.cls is None:
            return None
        for one in self.context.project.mro(value.cls):
            method = one.facts.methods.get(attr)
            if method is None:
                continue
            for node in one.file.defined.values():
                if node.name == attr and any(dotted(dec) == f"{attr}.setter" for dec in node.decorator_list):
                    facts = type(method)(name=attr, line=node.lineno)
                    return FuncRef(Func(one.file, facts, one), value)
            return None
        return None

    def construct(self, cls: Class, node: ast.Call, keywords: dict[str, Values], state: State) -> Values:
        """A new object of a class of the project."""
        token: Token = ("made", self.context.place(node))
        inst = Inst(token, cls)
        if self.context.columns.is_model(cls):
            state.pending |= {token}
            state.added -= {token}
            for attr, given in keywords.items():
                if attr != "**":
                    self.put(inst, attr, given, node, state)
        else:
            for attr, given in keywords.items():
                state.attributes[token, attr] = given
        return only(inst)


def constant(values: Values) -> str | None:
    """The only text that `values` may be."""
    texts = [value.value for value in values if isinstance(value, Const) and isinstance(value.value, str)]
    return texts[0] if len(texts) == 1 and len(values) == 1 else None
