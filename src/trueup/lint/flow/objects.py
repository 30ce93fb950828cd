"""Objects: what an attribute of one holds, and what a loop over many gives."""

from __future__ import annotations

import ast
import re
from functools import cache, cached_property

from trueup.lint.columns import Column
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
)
from trueup.lint.flow.words import ANY_ROW, COMMON
from trueup.lint.project import Class


@cache
def words(name: str) -> frozenset[str]:
    """The words of an identifier, in lower case, plurals made singular."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return frozenset(part.lower().removesuffix("s") if len(part) > 3 else part.lower() for part in parts)


class Objects(Names):
    """What attributes stand for."""

    def called(
        self, func: FuncRef, args: list[Values], keywords: dict[str, Values], call: ast.AST, state: State
    ) -> Values:
        """Follow a call of a function of the project."""
        raise NotImplementedError(type(self))

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
                    return only(Rows(self.place(node), (cls,)))
                method = self.project.method(cls, attr)
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
        file = self.project.find(name, self.file)
        if file is not None:
            meaning = self.project.resolve(file, attr)
            if meaning is not None:
                return self.meant(meaning, attr)
        return only(Outside(f"{name}.{attr}"))

    def _names_a_model(self, attr: str) -> bool:
        return not self._of_models.isdisjoint(words(attr))

    @cached_property
    def _of_models(self) -> set[str]:
        """The words of the names of all classes that have a JSON column."""
        return {word for columns in self.columns.by_name.values() for one in columns for word in words(one.cls.name)}

    def _known(self, value: Inst, cls: Class, node: ast.Attribute, state: State) -> Values:
        attr = node.attr
        relation = self.columns.relation(cls, attr)
        if relation is not None:
            target = self.columns.class_named(relation.target, relation.file)
            if target is None:
                return only(Foreign(attr))
            token = ("at", value.token, attr)
            return only(Rows(token, (target,)) if relation.many else Inst(token, target, attr))
        if attr == cls.name:
            return only(value)
        method = self.project.method(cls, attr)
        if method is not None:
            func = FuncRef(method, value)
            if any(
                one.rpartition(".")[2] in ("property", "cached_property", "hybrid_property")
                for one in method.facts.decorators
            ):
                return self.called(func, [], {}, node, state) or only(Foreign(attr))
            return only(func)
        for one in self.project.mro(cls):
            note = one.facts.notes.get(attr) or one.facts.made.get(attr)
            if note:
                known = self.annotated(one.file, note, ("at", value.token, attr), attr)
                return known or only(Inst(("at", value.token, attr), None, attr))
            if attr in one.facts.values:
                return only(Foreign(attr))
        return NOTHING

    def column(self, value: Inst, attr: str) -> tuple[Column | None, bool]:
        """The JSON column an attribute is, and whether that is certain."""
        if value.cls is not None:
            column = self.columns.column(value.cls, attr)
            return (column, True) if column is not None and column.orm == "sqlalchemy" else (None, False)
        columns = self.columns.by_name.get(attr, [])
        candidates = [one for one in columns if one.orm == "sqlalchemy" and self.columns.is_table(one.cls)]
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
        telling = attr not in COMMON and len(attr) > 3 and not self.columns.shared(attr)
        if hint & ANY_ROW:
            return column, not self.columns.shared(attr)
        return column, telling

    def _knows(self, cls: Class) -> bool:
        """Whether the file that is followed has to do with a model: defines it, imports it, or uses its module."""
        facts = self.file.facts
        names = {cls.name, *(one.name for one in self.project.subclasses(cls))}
        return (
            self.file is cls.file or not names.isdisjoint(facts.imports) or cls.file.module.parts[-1] in facts.imports
        )

    def _fits(self, hint: frozenset[str], cls: Class) -> bool:
        """Whether a name may be that of an object of a class, or of one of its subclasses."""
        for one in (cls, *self.project.subclasses(cls)):
            mine = words(one.name) - {"model", "table", "db", "base", "mixin", "orm", "entity"}
            if hint & mine and (len(mine) == 1 or mine <= hint or words(one.name.rstrip("s")[-12:]) & hint):
                return True
            initials = "".join(re.findall("[A-Z]", one.name)).lower()
            if hint == {initials}:
                return True
        return False

    def read(self, column: Column, slot: Slot, state: State, *, sure: bool, source: str) -> Values:
        """The value that a column holds now."""
        self.effects += 1
        self.held[slot] = column
        if source:
            self.sources.setdefault((slot, self.frames[-1].node), source)
        if not sure:
            self.guessed[slot] = False
        return frozenset(Data(now) for _, now in state.read(slot, column.tracked))

    # elements

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
                    found.append(only(Inst(("elem", token), cls if cls and self.columns.is_model(cls) else None, hint)))
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

    @staticmethod
    def constant(values: Values) -> str | None:
        """The only text that `values` may be."""
        texts = [value.value for value in values if isinstance(value, Const) and isinstance(value.value, str)]
        return texts[0] if len(texts) == 1 and len(values) == 1 else None
