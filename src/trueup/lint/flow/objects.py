"""Objects: what class a name or an annotation means, what an attribute of it holds."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from trueup.lint.columns import Column, Columns
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
from trueup.lint.flow.words import ANY_ROW, COMMON, MANY, PLAIN
from trueup.lint.project import Class, File, Func, Given, Meaning, Project
from trueup.lint.source import Function, dotted, last

if TYPE_CHECKING:
    from trueup.lint.flow.follow import Frame


def words(name: str) -> set[str]:
    """The words of an identifier, in lower case, plurals made singular."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return {part.lower().removesuffix("s") if len(part) > 3 else part.lower() for part in parts}


class Objects:
    """What names, annotations and attributes stand for."""

    frames: list[Frame]

    def __init__(self, project: Project, columns: Columns) -> None:
        self.project = project
        self.columns = columns
        self.budget = 0
        self.here: ast.AST | None = None
        #: Columns whose object is known by its name only, and whether that is enough.
        self.guessed: dict[Slot, bool] = {}
        self.held: dict[Slot, Column] = {}
        #: How a function (its tree) calls the object of a column.
        self.sources: dict[tuple[Slot, ast.AST], str] = {}
        self._annotations: dict[tuple[str, str], tuple[str, tuple[Class, ...]] | None] = {}

    @property
    def file(self) -> File:
        """The file of the function that is followed."""
        return self.frames[-1].file

    def place(self, node: ast.AST, *more: object) -> Token:
        """A place in the code, with the calls that led there."""
        calls = tuple(
            (frame.file.module.path, getattr(frame.call, "lineno", 0), getattr(frame.call, "col_offset", 0))
            for frame in self.frames[1:]
        )
        return (self.file.module.path, getattr(node, "lineno", 0), getattr(node, "col_offset", 0), calls, *more)

    def called(
        self, func: FuncRef, args: list[Values], keywords: dict[str, Values], call: ast.AST, state: State
    ) -> Values:
        """Follow a call of a function of the project."""
        raise NotImplementedError(type(self))

    # names and annotations

    def named(self, name: str) -> Values:
        """What a name stands for that no variable has."""
        return self.meant(self.project.resolve(self.file, name), name)

    def meant(self, meaning: Meaning | None, name: str) -> Values:
        """The value of a name's meaning."""
        match meaning:
            case Class():
                return only(ClassRef(meaning))
            case Func():
                bound = ClassRef(meaning.owner) if meaning.owner else None
                return only(FuncRef(meaning, bound))
            case str():
                return only(Outside(meaning))
            case File():
                return only(Outside(".".join(meaning.module.parts)))
            case Given():
                return self._given(meaning, name)
        return only(Outside(name))

    def _given(self, given: Given, name: str) -> Values:
        """A variable of a module: an object of a class of the project, or something else."""
        match = re.match(r"\s*([A-Za-z_][\w.]*)\(", given.source)
        if match:
            meaning = self.project.resolve(given.file, match[1])
            if isinstance(meaning, Class) and not self.columns.is_model(meaning):
                return only(Inst(("module", given.file.module.path, name), meaning))
        return only(Outside(name))

    def annotated(self, file: File, note: ast.expr | str | None, token: Token, hint: str = "") -> Values:
        """What a name with this annotation stands for; nothing when the annotation does not say."""
        if isinstance(note, ast.expr):
            note = ast.unparse(note)
        if not note:
            return NOTHING
        key = (file.module.path, note)
        if key not in self._annotations:
            self._annotations[key] = self._kind(file, note)
        kind = self._annotations[key]
        if kind is None:
            return NOTHING
        word, classes = kind
        if word == "many":
            return only(Rows(token, classes))
        if word == "tuple":
            return only(Tup(tuple(only(Inst((*token, at), cls)) for at, cls in enumerate(classes))))
        if word == "class":
            return only(ClassRef(classes[0]))
        if word == "data":
            return only(Data(("new", "given", *token)))
        if word == "foreign":
            return only(Foreign(hint))
        return join(
            *(only(Inst((*token, cls.facts.name) if len(classes) > 1 else token, cls, hint)) for cls in classes)
        )

    def _kind(self, file: File, note: str) -> tuple[str, tuple[Class, ...]] | None:
        try:
            node = ast.parse(note.strip(), mode="eval").body
        except SyntaxError:
            return None
        return self._kind_of(file, node, 0)

    def _kind_of(self, file: File, node: ast.expr, depth: int) -> tuple[str, tuple[Class, ...]] | None:  # noqa: C901
        if depth > 6:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._kind(file, node.value)
        if isinstance(node, ast.BinOp):
            return self._first(file, [node.left, node.right], depth)
        if isinstance(node, ast.Subscript):
            word = last(node.value)
            inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
            if word in ("Optional", "Union"):
                return self._first(file, inner, depth)
            if word in ("Annotated", "Mapped", "Awaitable", "Coroutine", "Final", "ClassVar", "Depends"):
                return self._kind_of(file, inner[-1] if word == "Coroutine" else inner[0], depth + 1)
            if word in ("Type", "type"):
                kind = self._kind_of(file, inner[0], depth + 1)
                return ("class", kind[1]) if kind and kind[0] == "one" else None
            if word in MANY:
                kinds = [self._kind_of(file, one, depth + 1) for one in inner]
                found = [kind[1][0] for kind in kinds if kind and kind[0] == "one"]
                if word in ("tuple", "Tuple") and len(found) == len(inner) and len(inner) > 1:
                    return ("tuple", tuple(found))
                if found:
                    return ("many", (found[0],))
                return ("data", ()) if word in ("list", "List") else None
            if word in ("dict", "Dict", "Mapping", "MutableMapping", "defaultdict"):
                kind = self._kind_of(file, inner[-1], depth + 1)
                return ("many", kind[1]) if kind and kind[0] == "one" else ("data", ())
            return self._kind_of(file, node.value, depth + 1)
        name = dotted(node)
        if not name or name in ("None", "Any", "object", "T"):
            return None
        meaning = self.project.resolve(file, name)
        if isinstance(meaning, Class):
            return ("one", (meaning,))
        if isinstance(meaning, Given):
            if "TypeVar(" in meaning.source:
                return None
            try:
                return self._kind_of(meaning.file, ast.parse(meaning.source, mode="eval").body, depth + 1)
            except SyntaxError:
                return None
        if name in PLAIN:
            return ("data", ()) if name.lower() in ("dict", "list", "mapping", "mutablemapping") else ("foreign", ())
        if isinstance(meaning, str):
            return None if meaning.startswith("typing") else ("foreign", ())
        return None

    def _first(self, file: File, nodes: list[ast.expr], depth: int) -> tuple[str, tuple[Class, ...]] | None:
        kinds = [kind for kind in (self._kind_of(file, one, depth + 1) for one in nodes) if kind]
        for word in ("one", "many", "tuple", "class", "data", "foreign"):
            chosen = [kind for kind in kinds if kind[0] == word]
            if chosen:
                return (word, tuple(dict.fromkeys(cls for kind in chosen for cls in kind[1])))
        return None

    def parameters(self, file: File, node: Function, owner: Class | None, state: State) -> None:
        """Give the parameters of a function that nobody calls the values that their annotations allow."""
        args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        first = args[0].arg if args else ""
        defaults = [*node.args.posonlyargs, *node.args.args][len(node.args.args) - len(node.args.defaults) :]
        given = {arg.arg: value for arg, value in zip(defaults, node.args.defaults, strict=False)}
        for arg in args:
            token: Token = ("param", file.module.path, node.lineno, arg.arg)
            state.names[arg.arg] = self.parameter(file, arg, given.get(arg.arg), token)
        if owner is not None and first and not any(last(one) == "staticmethod" for one in node.decorator_list):
            if first == "cls" or any(last(one) == "classmethod" for one in node.decorator_list):
                state.names[first] = only(ClassRef(owner))
            else:
                token = ("param", file.module.path, node.lineno, first)
                state.names[first] = only(Inst(token, owner, "self"))
                if node.name in ("__init__", "__new__"):
                    state.pending |= {token}

    def parameter(self, file: File, arg: ast.arg, default: ast.expr | None, token: Token) -> Values:
        """One parameter: by its annotation, by what its dependency returns, or by its name only."""
        known = self.annotated(file, arg.annotation, token, arg.arg)
        if known:
            return known
        if isinstance(default, ast.Call) and last(default) in ("Depends", "Security") and default.args:
            func = self.project.resolve(file, dotted(default.args[0]))
            if isinstance(func, Func):
                known = self.annotated(func.file, func.facts.returns, token, arg.arg)
                if known:
                    return known
        return only(Inst(token, None, arg.arg))

    # attributes

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
        return any(
            words(attr) & words(column.cls.name) for columns in self.columns.by_name.values() for column in columns
        )

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
        column = min(candidates, key=lambda one: len(one.tracked))
        telling = attr not in COMMON and attr not in self.columns.other_attributes and len(attr) > 3
        if hint & ANY_ROW:
            return column, attr not in self.columns.other_attributes
        return column, telling

    def _knows(self, cls: Class) -> bool:
        """Whether the file that is followed has to do with a model: defines it, imports it, or uses its module."""
        facts = self.file.facts
        names = {cls.name, *(one.name for one in self.project.subclasses(cls))}
        return (
            self.file is cls.file or not names.isdisjoint(facts.imports) or cls.file.module.parts[-1] in facts.imports
        )

    def _fits(self, hint: set[str], cls: Class) -> bool:
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
