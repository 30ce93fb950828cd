"""Which attributes of which classes are columns that hold JSON, and which lead to other classes."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from trueup.lint.coltypes import COLUMN, Holds, Tracked, Types, alternatives, elements, expression, spelled
from trueup.lint.project import Class, File, Given, Project
from trueup.lint.source import dotted, keyword, last

_RELATION = {"relationship", "Relationship", "relation", "dynamic_loader", "backref"}
_DJANGO = {"ForeignKey", "OneToOneField", "ManyToManyField"}


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


class Columns(Types):
    """The columns of a project."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self._own: dict[Class, dict[str, Column]] = {}
        self._shared: dict[str, bool] = {}

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

    def shared(self, name: str) -> bool:
        """Whether a class that is no model has an attribute of this name, be it in a file that is not read."""
        if name not in self._shared:
            attribute = re.compile(
                rb"\bself\.%(name)s[ \t]*(?::[^=\n]*)?=(?!=)|^    %(name)s[ \t]*:[^\n,()]*$" % {b"name": name.encode()},
                re.MULTILINE,
            )
            self._shared[name] = name in self.other_attributes or any(
                "facts" not in vars(file) and attribute.search(file.module.data) for file in self.project.files.values()
            )
        return self._shared[name]

    def declared_in(self, file: File) -> bool:
        """Whether a file writes a JSON column of SQLAlchemy: in a class, a table, an alias or a function."""
        facts = file.facts
        sources = [*facts.values.values()]
        functions = [*facts.functions.values()]
        for cls in facts.classes.values():
            sources += [*cls.values.values(), *cls.notes.values()]
            functions += cls.methods.values()
            mapping = expression(cls.values.get("type_annotation_map", ""))
            if isinstance(mapping, ast.Dict) and any(self._json(file, kind) for kind in mapping.values):
                return True
        sources += [source for function in functions for source in function.returned]
        return any(
            isinstance(node, ast.Call) and last(node) in {*COLUMN, "Field", "partial"} and self._json(file, node)
            for source in sources
            if "olumn" in source or "sa_type" in source
            for node in ast.walk(expression(source) or ast.Pass())
        )

    def _json(self, file: File, node: ast.expr) -> bool:
        holds = self.any_of(file, node)
        return holds is not None and holds.json

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
            if any(last(expression(source)) in COLUMN | _RELATION for source in one.facts.values.values()):
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
            if source and last(expression(source)) == "JSONField":
                found[name] = Column(cls, name, "", "django")
                continue
            holds = self._attribute(cls, source, note)
            if holds is not None and holds.json:
                found[name] = Column(cls, name, holds.tracked)
        for name, method in cls.facts.methods.items():
            if any("declared_attr" in decorator.split(".") for decorator in method.decorators):
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
                call = expression(source)
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
        call = expression(source)
        found: dict[str, Holds] = {}
        if isinstance(call, ast.Call) and last(call) == "Table":
            for arg in call.args:
                if isinstance(arg, ast.Call) and last(arg) == "Column" and arg.args:
                    holds = self.made_by(file, arg)
                    if holds is not None and holds.json and isinstance(arg.args[0], ast.Constant):
                        found[str(arg.args[0].value)] = holds
        return found

    def _attribute(self, cls: Class, source: str, note: str) -> Holds | None:
        value = expression(source) if source else None
        if isinstance(value, ast.Call):
            holds = self.made_by(cls.file, value)
            if holds is not None:
                return holds
            if last(value) not in {*COLUMN, "Field"}:
                return None
        if note and ("Mapped" in note or "Annotated" in note or "Field(" in source or "Column(" in source.lower()):
            return self._annotated(cls, note)
        return None

    def _annotated(self, cls: Class, note: str) -> Holds | None:
        """`Mapped[dict]` through `type_annotation_map`, `Mapped[Annotated[dict, mapped_column(JSON)]]`, aliases."""
        inner = expression(note)
        if isinstance(inner, ast.Subscript) and last(inner.value) == "Mapped":
            inner = inner.slice
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            inner = expression(inner.value)
        if inner is None:
            return None
        for part in alternatives(inner):
            if isinstance(part, ast.Subscript) and last(part.value) == "Annotated":
                return next(filter(None, (self.any_of(cls.file, arg) for arg in elements(part.slice)[1:])), None)
            name = dotted(part)
            meaning = self.project.resolve(cls.file, name) if name else None
            if isinstance(meaning, Given):
                alias = expression(meaning.source)
                if isinstance(alias, ast.Subscript) and last(alias.value) == "Annotated":
                    args = elements(alias.slice)[1:]
                    return next(filter(None, (self.any_of(meaning.file, arg) for arg in args)), None)
            for one in self.project.mro(cls):
                mapping = expression(one.facts.values.get("type_annotation_map", ""))
                if isinstance(mapping, ast.Dict):
                    for key, kind in zip(mapping.keys, mapping.values, strict=True):
                        if key is not None and spelled(key) == spelled(part):
                            return self.type_of(one.file, kind)
        return None

    def relation(self, cls: Class, name: str) -> Relation | None:
        """The relationship `name` of a class, of its bases, or made by a backref to it."""
        for one in self.project.mro(cls):
            source, note = one.facts.values.get(name, ""), one.facts.notes.get(name, "")
            value = expression(source) if source else None
            called = isinstance(value, ast.Call) and last(value) in _RELATION | _DJANGO
            if called or ("Mapped[" in note and not source):
                target, many = self._target(value if isinstance(value, ast.Call) else None, note)
                if target:
                    return Relation(target, many, one.file)
        return self._backrefs.get((cls, name))

    @cached_property
    def relations(self) -> frozenset[str]:
        """The names of all attributes that lead to other models."""
        names = {
            name
            for cls in self.project.all_classes()
            for name, source in cls.facts.values.items()
            if last(expression(source)) in _RELATION | _DJANGO
        }
        return frozenset(names | {name for _, name in self._backrefs})

    def _target(self, call: ast.Call | None, note: str) -> tuple[str, bool]:
        target, many = "", False
        if note:
            inner = expression(note)
            if isinstance(inner, ast.Subscript) and last(inner.value) == "Mapped":
                inner = inner.slice
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                inner = expression(inner.value)
            for part in alternatives(inner) if inner is not None else ():
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
        """Attributes that a relation of another class makes: `backref` of SQLAlchemy, `related_name` of Django."""
        found: dict[tuple[Class, str], Relation] = {}
        for cls in list(self.project.all_classes()):
            for source in cls.facts.values.values():
                if "backref" not in source and not any(word in source for word in _DJANGO):
                    continue
                call = expression(source)
                if not isinstance(call, ast.Call):
                    continue
                target = self.class_named(self._target(call, "")[0], cls.file)
                if target is None:
                    continue
                if last(call) in _DJANGO:
                    one = last(call) == "OneToOneField"
                    name = self._reverse(call, cls.name.lower() if one else f"{cls.name.lower()}_set")
                    many = not one
                else:
                    value = keyword(call, "backref")
                    if isinstance(value, ast.Call) and value.args:
                        value = value.args[0]
                    name, many = str(value.value) if isinstance(value, ast.Constant) else "", True
                if name:
                    found[target, name] = Relation(cls.name, many, cls.file)
        return found

    @staticmethod
    def _reverse(call: ast.Call, usual: str) -> str:
        """The name that a field of Django gives to the way back; empty when there is none, or it is not written out."""
        name = keyword(call, "related_name")
        if name is None:
            return usual
        text = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""
        return "" if text.endswith("+") or "%(" in text else text

    def reverse_named(self, name: str) -> Class | None:
        """The class of the rows behind an attribute such as `book_set`, if one relation alone has that name."""
        found = {relation.target: relation for (_, attr), relation in self._backrefs.items() if attr == name}
        if len(found) != 1:
            return None
        (relation,) = found.values()
        return self.class_named(relation.target, relation.file)

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
