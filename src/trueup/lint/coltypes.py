"""Which column types hold JSON, and whether changes inside what they hold are noticed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from trueup.lint.project import Class, File, Func, Given, Project
from trueup.lint.source import dotted, keyword, last

#: How much of a change inside a value is noticed: nothing, the top level, all of it, or the top level by these methods.
Tracked = Literal["", "top", "nested"] | frozenset[str]

_JSON = {
    *("JSON", "JSONB", "JSONType", "JSONBType", "PickleType", "ARRAY", "HSTORE", "JSONEncodedDict", "JSONEncodedList"),
    *("JsonEncodedDict", "JSONText", "BJSON", "SuperJSON", "JSONPickleType", "MSSQLJSON", "VARIANT", "SUPER"),
}
_TOP = {"MutableDict", "MutableList", "MutableSet", "Mutable", "MutableMultiDict"}
_NESTED = {"NestedMutable", "NestedMutableDict", "NestedMutableList", "TrackedDict", "TrackedList"}
#: The bases of a Mutable that is written by hand, and the methods it has to think of.
_PLAIN = {"Mutable", "dict", "list", "set", "Generic", "Dict", "List"}
_METHODS = {"update", "setdefault", "pop", "popitem", "clear", "append", "extend", "insert", "remove", "sort", "add"}
_READY: dict[str, Tracked] = {"MutableJson": "top", "NestedMutableJson": "nested", "nested_json": "nested"}
#: Names without one of which no type holds JSON, but for types that a project defines.
JSON_TYPES = _JSON | set(_READY) | {"as_mutable", "mutable_json_type"}
COLUMN = {"Column", "mapped_column", "MappedColumn"}
_WRAPS = {"deferred", "column_property", "Field", "with_variant", "Annotated", "partial"}


@dataclass(frozen=True)
class Holds:
    """What a column type holds."""

    json: bool
    tracked: Tracked = ""


class Types:
    """The column types of a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._types: dict[tuple[str, str], Holds | None] = {}

    @cached_property
    def associated(self) -> dict[str, Tracked]:
        """Types that `associate_with` made tracked everywhere, by the name they are called."""
        found: dict[str, Tracked] = {}
        for file in self.project.files.values():
            for source in file.facts.statements if "facts" in vars(file) else ():
                call = expression(source)
                if isinstance(call, ast.Call) and last(call) in ("associate_with", "as_mutable") and call.args:
                    assert isinstance(call.func, ast.Attribute)
                    found[last(call.args[0])] = self._wrapper(file, call.func.value)
        return found

    def any_of(self, file: File, node: ast.expr) -> Holds | None:
        """What a call that makes a column, or a type, holds."""
        return self.made_by(file, node) if isinstance(node, ast.Call) else self.type_of(file, node)

    def made_by(self, file: File, call: ast.Call) -> Holds | None:
        """What a call that makes a column holds; None when it makes none, or one whose type is not told."""
        name = last(call)
        if name in COLUMN:
            given = [*call.args[:3], *filter(None, [keyword(call, "type_")])]
            return next(filter(None, (self.type_of(file, arg) for arg in given)), None)
        if name in _WRAPS:
            return self._wrapped(file, call)
        meaning = self.project.resolve(file, dotted(call.func))
        sources = meaning.facts.returned if isinstance(meaning, Func) else []
        if isinstance(meaning, Given) and "partial(" in meaning.source:
            sources = [meaning.source]
        for source in sources:
            inner = expression(source)
            if isinstance(inner, ast.Call) and last(inner) in COLUMN | _WRAPS:
                assert isinstance(meaning, Func | Given)
                return self.made_by(meaning.file, inner)
        return None

    def _wrapped(self, file: File, call: ast.Call) -> Holds | None:
        """Of a call that is given a column or its type: `Field(sa_type=JSON)`, `partial(Column, JSON)`."""
        for key in ("sa_column", "sa_type"):
            value = keyword(call, key)
            if value is not None:
                return self.any_of(file, value)
        for arg in call.args:
            if isinstance(arg, ast.Call):
                return self.made_by(file, arg)
        if last(call) != "partial":
            return None
        return next(filter(None, (self.type_of(file, arg) for arg in call.args[1:])), None)

    def type_of(self, file: File, node: ast.expr, depth: int = 0) -> Holds | None:
        """What a column type holds; None when the expression is no type that is known."""
        if depth > 8:
            return None
        if isinstance(node, ast.IfExp):
            return self.type_of(file, node.body, depth + 1) or self.type_of(file, node.orelse, depth + 1)
        if isinstance(node, ast.Call):
            return self._type_call(file, node, depth)
        name = dotted(node)
        if not name:
            return None
        key = (file.module.path, name)
        if key not in self._types:
            self._types[key] = None
            self._types[key] = self._named(file, name, depth)
        return self._types[key]

    def _type_call(self, file: File, call: ast.Call, depth: int) -> Holds | None:
        name = last(call)
        if name == "as_mutable" and isinstance(call.func, ast.Attribute) and call.args:
            return Holds(json=True, tracked=self._wrapper(file, call.func.value))
        if name == "mutable_json_type":
            nested = keyword(call, "nested")
            return Holds(json=True, tracked="nested" if getattr(nested, "value", False) else "top")
        if name == "with_variant" and isinstance(call.func, ast.Attribute):
            return self.type_of(file, call.func.value, depth + 1)
        if name in ("cast", "Computed", "ForeignKey"):
            return None
        holds = self.type_of(file, call.func, depth + 1)
        if holds is None:
            meaning = self.project.resolve(file, dotted(call.func))
            for source in meaning.facts.returned if isinstance(meaning, Func) else ():
                returned = expression(source)
                if returned is not None:
                    assert isinstance(meaning, Func)
                    holds = holds or self.type_of(meaning.file, returned, depth + 1)
        return holds

    def _named(self, file: File, name: str, depth: int) -> Holds | None:
        meaning = self.project.resolve(file, name)
        word = name.rpartition(".")[2]
        if isinstance(meaning, Class):
            return self._own_type(meaning)
        if isinstance(meaning, Given):
            value = expression(meaning.source)
            holds = self.type_of(meaning.file, value, depth + 1) if value is not None else None
            return self._raised(word, holds)
        if isinstance(meaning, Func):
            return None
        if isinstance(meaning, str):
            word = meaning.rpartition(".")[2]
        if word in _READY:
            return Holds(json=True, tracked=_READY[word])
        if word in _JSON:
            return Holds(json=True, tracked=self.associated.get(word, ""))
        if "json" in word.lower() and isinstance(meaning, str):
            # a type of a file that is not there, or of some other distribution: its name tells
            watches = any(one in word.lower() for one in ("mutable", "nested", "tracked"))
            return Holds(json=True, tracked="nested" if watches else self.associated.get(word, ""))
        return None

    def _own_type(self, cls: Class) -> Holds | None:
        """A type of the project: a subclass of a JSON type, or a TypeDecorator over JSON or over encoded text."""
        outside = [name.rpartition(".")[2] for name in self.project.outside(cls)]
        json = any(name in _JSON for name in outside)
        if "TypeDecorator" in outside or "UserDefinedType" in outside:
            for one in self.project.mro(cls):
                impl = expression(one.facts.values.get("impl", ""))
                holds = self.type_of(one.file, impl) if impl is not None else None
                json = json or one.facts.encodes or (holds is not None and holds.json)
        return self._raised(cls.name, Holds(json=True)) if json else None

    def _raised(self, word: str, holds: Holds | None) -> Holds | None:
        if holds is not None and not holds.tracked and word in self.associated:
            return Holds(json=True, tracked=self.associated[word])
        return holds

    def _wrapper(self, file: File, node: ast.expr) -> Tracked:
        """How much a subclass of Mutable notices."""
        name = dotted(node)
        meaning = self.project.resolve(file, name)
        if isinstance(meaning, Class):
            names = {*(one.rpartition(".")[2] for one in self.project.outside(meaning)), meaning.name}
            nested = names & _NESTED or any("nested" in word.lower() for word in names)
            # a Mutable that wraps what it hands out, or hooks the children it is given, follows them too
            wraps = any(
                {"__getitem__", "convert", "_convert", "_wrap", "wrap"} & set(one.facts.methods)
                for one in self.project.mro(meaning)
            )
            return "nested" if nested or wraps else self._by_hand(meaning)
        word = (meaning if isinstance(meaning, str) else name).rpartition(".")[2]
        return "nested" if word in _NESTED or "nested" in word.lower() else "top"

    def _by_hand(self, cls: Class) -> Tracked:
        """What a subclass of `Mutable` and `dict` or `list` notices: the methods that it writes out, and no others."""
        outside = {name.rpartition(".")[2] for name in self.project.outside(cls)}
        written: set[str] = set()
        for one in self.project.mro(cls):
            written |= {*one.facts.methods, *one.facts.values}
            if one.facts.decorators:
                return "top"  # the decorator may add the rest
        changes = written & {*_METHODS, "__setitem__", "__delitem__", "__ior__", "__iadd__"}
        return frozenset(changes) if outside <= _PLAIN and "__getattribute__" not in written and changes else "top"


_PARSED: dict[str, ast.expr | None] = {}


def expression(source: str) -> ast.expr | None:
    """The tree of a source; None when it is none."""
    if source not in _PARSED:
        try:
            _PARSED[source] = ast.parse(f"({source}\n)", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            _PARSED[source] = None
    return _PARSED[source]


def elements(node: ast.expr) -> list[ast.expr]:
    """The items of a tuple, or the expression alone."""
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def alternatives(node: ast.expr) -> list[ast.expr]:
    """The parts of `A | B`, `Optional[A]`, `Union[A, B]` without None."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*alternatives(node.left), *alternatives(node.right)]
    if isinstance(node, ast.Subscript) and last(node.value) in ("Optional", "Union"):
        return [part for one in elements(node.slice) for part in alternatives(one)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        inner = expression(node.value)
        return alternatives(inner) if inner is not None and not isinstance(inner, ast.Constant) else [node]
    return [] if isinstance(node, ast.Constant) and node.value is None else [node]


def spelled(node: ast.expr) -> str:
    """A type in one spelling: `typing.Dict[str, Any]` is `dict[str, Any]`."""
    text = ast.unparse(node).replace("typing.", "").replace("t.", "")
    return text.replace("Dict", "dict").replace("List", "list").replace(" ", "")
