"""Which attributes of which classes are columns that hold JSON, and whether changes inside them are noticed."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from trueup.lint.project import Class, File, Func, Given, Project
from trueup.lint.source import dotted, keyword, last

#: How much of a change inside a value is noticed: nothing, the top level, all of it.
Tracked = Literal["", "top", "nested"]

_JSON = {
    *("JSON", "JSONB", "JSONType", "JSONBType", "PickleType", "ARRAY", "HSTORE", "JSONEncodedDict", "JSONEncodedList"),
    *("JsonEncodedDict", "JSONText", "BJSON", "SuperJSON", "JSONPickleType", "MSSQLJSON", "VARIANT", "SUPER"),
}
_TOP = {"MutableDict", "MutableList", "MutableSet", "Mutable", "MutableMultiDict"}
_NESTED = {"NestedMutable", "NestedMutableDict", "NestedMutableList", "TrackedDict", "TrackedList"}
_READY: dict[str, Tracked] = {"MutableJson": "top", "NestedMutableJson": "nested"}
_COLUMN = {"Column", "mapped_column", "MappedColumn"}
_WRAPS = {"deferred", "column_property", "Field", "with_variant", "Annotated", "partial"}
_RELATION = {"relationship", "Relationship", "relation", "dynamic_loader", "backref"}
_DJANGO = {"ForeignKey", "OneToOneField", "ManyToManyField"}


@dataclass(frozen=True)
class Holds:
    """What a column type holds."""

    json: bool
    tracked: Tracked = ""


@dataclass(frozen=True)
class Column:
    """A JSON column of a class: `name` is the attribute, `cls` where it is written down."""

    cls: Class
    name: str
    tracked: Tracked
    orm: Literal["sqlalchemy", "django"] = "sqlalchemy"


@dataclass(frozen=True)
class Relation:
    """An attribute that holds an object of another class, or many."""

    target: str
    many: bool
    file: File


class Columns:
    """The columns of a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._own: dict[Class, dict[str, Column]] = {}
        self._types: dict[tuple[str, str], Holds | None] = {}

    @cached_property
    def associated(self) -> dict[str, Tracked]:
        """Types that `associate_with` made tracked everywhere, by the name they are called."""
        found: dict[str, Tracked] = {}
        for file in self.project.files.values():
            for source in file.facts.statements if "facts" in vars(file) else ():
                call = _expression(source)
                if isinstance(call, ast.Call) and last(call) in ("associate_with", "as_mutable") and call.args:
                    assert isinstance(call.func, ast.Attribute)
                    found[last(call.args[0])] = self._wrapper(file, call.func.value)
        return found

    @cached_property
    def tables(self) -> dict[tuple[str, str], dict[str, Holds]]:
        """JSON columns of Core tables: (path of the file, name of the variable) to column name to what it holds."""
        found: dict[tuple[str, str], dict[str, Holds]] = {}
        for file in self.project.files.values():
            for name, source in file.facts.values.items() if "facts" in vars(file) else ():
                if "Table(" in source:
                    found[file.module.path, name] = self._table(file, source)
        return found

    @cached_property
    def by_name(self) -> dict[str, list[Column]]:
        """Attribute name to the JSON columns of that name, in all classes."""
        found: dict[str, list[Column]] = defaultdict(list)
        for cls in list(self.project.all_classes()):
            for name, column in self.own(cls).items():
                found[name].append(column)
        return dict(found)

    @cached_property
    def other_attributes(self) -> set[str]:
        """Attributes that some class has and that are no JSON columns: a name alone does not tell them apart."""
        names: set[str] = set()
        for cls in self.project.all_classes():
            own = self.own(cls)
            names |= (
                {name for name in {*cls.facts.values, *cls.facts.notes, *cls.facts.made} if name not in own}
                if not self.is_model(cls)
                else set()
            )
        return names

    def column(self, cls: Class, name: str) -> Column | None:
        """The JSON column `name` of a class, its bases and mixins; of its subclasses where it only uses it."""
        for one in self.project.mro(cls):
            own = self.own(one)
            if name in own:
                return own[name] if self.is_table(cls) else None
            if name in one.facts.values or name in one.facts.methods:
                return None
        for one in self.project.subclasses(cls):
            if name in self.own(one) and self.is_table(one):
                return self.own(one)[name]
        return None

    def is_table(self, cls: Class) -> bool:
        """Whether objects of the class are rows: a SQLModel without `table=True` is a plain model of pydantic."""
        if any(name.endswith("SQLModel") for name in self.project.outside(cls)):
            return any(one.facts.keywords.get("table") == "True" for one in self.project.mro(cls)) or any(
                one.facts.keywords.get("table") == "True" for one in self.project.subclasses(cls)
            )
        return True

    def is_model(self, cls: Class) -> bool:
        """Whether the class is mapped to a table, by SQLAlchemy or Django."""
        for one in self.project.mro(cls):
            if "__tablename__" in one.facts.values or "__table__" in one.facts.values or self.own(one):
                return True
            if any(last(_expression(source)) in _COLUMN | _RELATION for source in one.facts.values.values()):
                return True
        return self.is_django(cls) or any(
            name.rpartition(".")[2] in ("DeclarativeBase", "SQLModel")
            or name.endswith((".Model", "declarative_base()"))
            for name in self.project.outside(cls)
        )

    def is_django(self, cls: Class) -> bool:
        """Whether the class is a model of Django."""
        if any(
            name in ("django.db.models.Model", "models.Model")
            or (name.startswith("django.contrib.") and "Abstract" in name)
            for name in self.project.outside(cls)
        ):
            return True
        # a base of another distribution: the fields tell
        return any(
            source.startswith("models.") and "Field(" in source
            for one in self.project.mro(cls)
            for source in one.facts.values.values()
        )

    def own(self, cls: Class) -> dict[str, Column]:
        """The JSON columns written down in this class itself."""
        if cls not in self._own:
            self._own[cls] = {}
            self._own[cls] = self._read(cls)
        return self._own[cls]

    def _read(self, cls: Class) -> dict[str, Column]:
        found: dict[str, Column] = {}
        for name in {**cls.facts.values, **cls.facts.notes}:
            source = cls.facts.values.get(name, "")
            note = cls.facts.notes.get(name, "")
            if source and last(_expression(source)) == "JSONField":
                found[name] = Column(cls, name, "", "django")
                continue
            holds = self._attribute(cls, source, note)
            if holds is not None and holds.json:
                found[name] = Column(cls, name, holds.tracked)
        for name, method in cls.facts.methods.items():
            if any(decorator.rpartition(".")[2] == "declared_attr" for decorator in method.decorators):
                for source in method.returned:
                    holds = self._attribute(cls, source, "")
                    if holds is not None and holds.json:
                        found[name] = Column(cls, name, holds.tracked)
        table = cls.facts.values.get("__table__", "")
        if table:
            for name, holds in self._mapped(cls.file, table).items():
                found.setdefault(name, Column(cls, name, holds.tracked))
        for name, holds in self._imperative.get(cls, {}).items():
            found.setdefault(name, Column(cls, name, holds.tracked))
        return found

    @cached_property
    def _imperative(self) -> dict[Class, dict[str, Holds]]:
        """Classes mapped by a call: `registry.map_imperatively(User, users)`, `mapper(User, users)`."""
        found: dict[Class, dict[str, Holds]] = {}
        for file in self.project.files.values():
            for source in file.facts.statements if "facts" in vars(file) else ():
                call = _expression(source)
                if isinstance(call, ast.Call) and last(call) in ("map_imperatively", "mapper") and len(call.args) > 1:
                    cls = self.project.resolve(file, dotted(call.args[0]))
                    if isinstance(cls, Class):
                        found[cls] = self._mapped(file, dotted(call.args[1]))
        return found

    def _mapped(self, file: File, source: str) -> dict[str, Holds]:
        if "Table(" in source:
            return self._table(file, source)
        meaning = self.project.resolve(file, source)
        return self._table(meaning.file, meaning.source) if isinstance(meaning, Given) else {}

    def _table(self, file: File, source: str) -> dict[str, Holds]:
        call = _expression(source)
        found: dict[str, Holds] = {}
        if isinstance(call, ast.Call) and last(call) == "Table":
            for arg in call.args:
                if isinstance(arg, ast.Call) and last(arg) == "Column" and arg.args:
                    holds = self._call(file, arg)
                    if holds is not None and holds.json and isinstance(arg.args[0], ast.Constant):
                        found[str(arg.args[0].value)] = holds
        return found

    def _attribute(self, cls: Class, source: str, note: str) -> Holds | None:
        value = _expression(source) if source else None
        if isinstance(value, ast.Call):
            holds = self._call(cls.file, value)
            if holds is not None:
                return holds
            if last(value) not in {*_COLUMN, "Field"}:
                return None
        if note and ("Mapped" in note or "Annotated" in note or "Field(" in source or "Column(" in source.lower()):
            return self._annotated(cls, note)
        return None

    def _annotated(self, cls: Class, note: str) -> Holds | None:
        """`Mapped[dict]` through `type_annotation_map`, `Mapped[Annotated[dict, mapped_column(JSON)]]`, aliases."""
        inner = _expression(note)
        if isinstance(inner, ast.Subscript) and last(inner.value) == "Mapped":
            inner = inner.slice
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            inner = _expression(inner.value)
        if inner is None:
            return None
        for part in _alternatives(inner):
            if isinstance(part, ast.Subscript) and last(part.value) == "Annotated":
                return next(filter(None, (self._any(cls.file, arg) for arg in _elements(part.slice)[1:])), None)
            name = dotted(part)
            meaning = self.project.resolve(cls.file, name) if name else None
            if isinstance(meaning, Given):
                alias = _expression(meaning.source)
                if isinstance(alias, ast.Subscript) and last(alias.value) == "Annotated":
                    args = _elements(alias.slice)[1:]
                    return next(filter(None, (self._any(meaning.file, arg) for arg in args)), None)
            for one in self.project.mro(cls):
                mapping = _expression(one.facts.values.get("type_annotation_map", ""))
                if isinstance(mapping, ast.Dict):
                    for key, kind in zip(mapping.keys, mapping.values, strict=True):
                        if key is not None and _spelled(key) == _spelled(part):
                            return self.type_of(one.file, kind)
        return None

    def _any(self, file: File, node: ast.expr) -> Holds | None:
        return self._call(file, node) if isinstance(node, ast.Call) else self.type_of(file, node)

    def _call(self, file: File, call: ast.Call) -> Holds | None:  # noqa: C901 - one case a way to write a column
        """What a call that makes a column holds; None when it makes none, or one whose type is not told."""
        name = last(call)
        if name in _COLUMN:
            for arg in [*call.args[:3], *filter(None, [keyword(call, "type_")])]:
                holds = self.type_of(file, arg)
                if holds is not None:
                    return holds
            return None
        if name in _WRAPS:
            for key in ("sa_column", "sa_type"):
                value = keyword(call, key)
                if value is not None:
                    return self._any(file, value)
            for arg in call.args:
                if isinstance(arg, ast.Call):
                    return self._call(file, arg)
            if name == "partial":
                return next(filter(None, (self.type_of(file, arg) for arg in call.args[1:])), None)
            return None
        meaning = self.project.resolve(file, dotted(call.func))
        sources = meaning.facts.returned if isinstance(meaning, Func) else []
        if isinstance(meaning, Given) and "partial(" in meaning.source:
            sources = [meaning.source]
        for source in sources:
            inner = _expression(source)
            if isinstance(inner, ast.Call) and last(inner) in _COLUMN | _WRAPS:
                assert isinstance(meaning, Func | Given)
                return self._call(meaning.file, inner)
        return None

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
                returned = _expression(source)
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
            value = _expression(meaning.source)
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
        return None

    def _own_type(self, cls: Class) -> Holds | None:
        """A type of the project: a subclass of a JSON type, or a TypeDecorator over JSON or over encoded text."""
        outside = [name.rpartition(".")[2] for name in self.project.outside(cls)]
        json = any(name in _JSON for name in outside)
        if "TypeDecorator" in outside or "UserDefinedType" in outside:
            for one in self.project.mro(cls):
                impl = _expression(one.facts.values.get("impl", ""))
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
            return "nested" if nested or wraps else "top"
        word = (meaning if isinstance(meaning, str) else name).rpartition(".")[2]
        return "nested" if word in _NESTED or "nested" in word.lower() else "top"

    def relation(self, cls: Class, name: str) -> Relation | None:
        """The relationship `name` of a class, of its bases, or made by a backref to it."""
        for one in self.project.mro(cls):
            source, note = one.facts.values.get(name, ""), one.facts.notes.get(name, "")
            value = _expression(source) if source else None
            called = isinstance(value, ast.Call) and last(value) in _RELATION | _DJANGO
            if called or ("Mapped[" in note and not source):
                target, many = self._target(value if isinstance(value, ast.Call) else None, note)
                if target:
                    return Relation(target, many, one.file)
        return self._backrefs.get((cls, name))

    def _target(self, call: ast.Call | None, note: str) -> tuple[str, bool]:
        target, many = "", False
        if note:
            inner = _expression(note)
            if isinstance(inner, ast.Subscript) and last(inner.value) == "Mapped":
                inner = inner.slice
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                inner = _expression(inner.value)
            for part in _alternatives(inner) if inner is not None else ():
                if isinstance(part, ast.Subscript) and last(part.value) in ("list", "List", "set", "Set", "Sequence"):
                    many, part = True, part.slice  # noqa: PLW2901 - the element is what we are after
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    target = part.value
                elif dotted(part) and last(part) != "None":
                    target = dotted(part)
        many = many or last(call) == "ManyToManyField"
        if call is not None and call.args and not target:
            first = call.args[0]
            if isinstance(first, ast.Lambda):
                first = first.body
            target = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else dotted(first)
        if call is not None:
            uselist = keyword(call, "uselist")
            if isinstance(uselist, ast.Constant):
                many = bool(uselist.value)
        return target.rpartition(".")[2] if target else "", many

    @cached_property
    def _backrefs(self) -> dict[tuple[Class, str], Relation]:
        found: dict[tuple[Class, str], Relation] = {}
        for cls in list(self.project.all_classes()):
            for source in cls.facts.values.values():
                if "backref" not in source:
                    continue
                call = _expression(source)
                if not isinstance(call, ast.Call):
                    continue
                value = keyword(call, "backref")
                if isinstance(value, ast.Call) and value.args:
                    value = value.args[0]
                target = self.class_named(self._target(call, "")[0], cls.file)
                if target is not None and isinstance(value, ast.Constant):
                    found[target, str(value.value)] = Relation(cls.name, True, cls.file)
        return found

    def class_named(self, name: str, near: File) -> Class | None:
        """The class that a name in a relationship means: as the file sees it, or the only model of that name."""
        meaning = self.project.resolve(near, name)
        if isinstance(meaning, Class):
            return meaning
        models = [cls for cls in self._by_class_name.get(name, []) if self.is_model(cls)]
        return models[0] if len(models) == 1 else None

    @cached_property
    def _by_class_name(self) -> dict[str, list[Class]]:
        found: dict[str, list[Class]] = defaultdict(list)
        for cls in self.project.all_classes():
            found[cls.name].append(cls)
        return dict(found)


_PARSED: dict[str, ast.expr | None] = {}


def _expression(source: str) -> ast.expr | None:
    if source not in _PARSED:
        try:
            _PARSED[source] = ast.parse(f"({source}\n)", mode="eval").body
        except (SyntaxError, ValueError):
            _PARSED[source] = None
    return _PARSED[source]


def _elements(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def _alternatives(node: ast.expr) -> list[ast.expr]:
    """The parts of `A | B`, `Optional[A]`, `Union[A, B]` without None."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_alternatives(node.left), *_alternatives(node.right)]
    if isinstance(node, ast.Subscript) and last(node.value) in ("Optional", "Union"):
        return [part for one in _elements(node.slice) for part in _alternatives(one)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        inner = _expression(node.value)
        return _alternatives(inner) if inner is not None and not isinstance(inner, ast.Constant) else [node]
    return [] if isinstance(node, ast.Constant) and node.value is None else [node]


def _spelled(node: ast.expr) -> str:
    """A type in one spelling: `typing.Dict[str, Any]` is `dict[str, Any]`."""
    text = ast.unparse(node).replace("typing.", "").replace("t.", "")
    return text.replace("Dict", "dict").replace("List", "list").replace(" ", "")
