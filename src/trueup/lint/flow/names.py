"""Names and annotations: what class they mean, and what the parameters of a function are."""

from __future__ import annotations

import ast
import re

from trueup.lint.flow.context import Context
from trueup.lint.flow.state import State
from trueup.lint.flow.values import (
    NOTHING,
    ClassRef,
    Data,
    Foreign,
    FuncRef,
    Inst,
    Outside,
    Rows,
    Token,
    Tup,
    Values,
    join,
    only,
)
from trueup.lint.flow.words import MANY, PLAIN
from trueup.lint.project import Class, File, Func, Given, Meaning
from trueup.lint.source import Function, dotted, last

#: What an annotation says: how many there are, or what else, and the classes.
_Kind = tuple[str, tuple[Class, ...]]


class Names:
    """What names and annotations stand for."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._annotations: dict[tuple[str, str], _Kind | None] = {}

    def named(self, name: str) -> Values:
        """What a name stands for that no variable has."""
        return self.meant(self.context.project.resolve(self.context.file, name), name)

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
            meaning = self.context.project.resolve(given.file, match[1])
            if isinstance(meaning, Class) and not self.context.columns.is_model(meaning):
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

    def _kind(self, file: File, note: str) -> _Kind | None:
        try:
            node = ast.parse(note.strip(), mode="eval").body
        except SyntaxError:
            return None
        return self._kind_of(file, node, 0)

    def _kind_of(self, file: File, node: ast.expr, depth: int) -> _Kind | None:
        if depth > 6:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._kind(file, node.value)
        if isinstance(node, ast.BinOp):
            return self._first(file, [node.left, node.right], depth)
        if isinstance(node, ast.Subscript):
            return self._kind_inside(file, node, depth)
        name = dotted(node)
        if not name or name in ("None", "Any", "object", "T"):
            return None
        meaning = self.context.project.resolve(file, name)
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

    def _kind_inside(self, file: File, node: ast.Subscript, depth: int) -> _Kind | None:
        """Of `Optional[User]`, `list[User]`, `dict[str, User]`."""
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

    def _first(self, file: File, nodes: list[ast.expr], depth: int) -> _Kind | None:
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
            func = self.context.project.resolve(file, dotted(default.args[0]))
            if isinstance(func, Func):
                known = self.annotated(func.file, func.facts.returns, token, arg.arg)
                if known:
                    return known
        return only(Inst(token, None, arg.arg))
