"""All files of a project, and what a dotted name in one of them stands for."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from trueup.lint.facts import ClassFacts, Facts, FunctionFacts, facts_of
from trueup.lint.source import TOO_DEEP, Function, Module, Unreadable, dotted

#: How far a name is followed from assignment to assignment.
_DEPTH = 12
#: Distributions whose modules have everyday names: `sqlalchemy.orm` is no `orm.py` of the project.
_OTHERS = sys.stdlib_module_names | {
    *("aiogram", "aiohttp", "celery", "discord", "django", "fastapi", "flask", "flask_login", "flask_sqlalchemy"),
    *("google", "langchain", "langchain_core", "langgraph", "marshmallow", "openai", "pydantic", "rest_framework"),
    *("sqlalchemy", "sqlalchemy_utils", "sqlmodel", "starlette", "telegram", "telethon", "tornado", "werkzeug"),
    "wtforms",
}
#: Modules of classes that share their names with models: what is imported from these is none.
_SHAPES = {
    "schema",
    "schemas",
    "dto",
    "dtos",
    "types",
    "forms",
    "serializers",
    "client",
    "clients",
    "events",
    "graphql",
}


@dataclass(eq=False)
class Class:
    """A class of the project."""

    file: File
    facts: ClassFacts

    @property
    def name(self) -> str:
        """Its own name, without those of classes around it."""
        return self.facts.name.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"Class({self.facts.name})"


@dataclass(eq=False)
class Func:
    """A function of the project, or a method of `owner`."""

    file: File
    facts: FunctionFacts
    owner: Class | None = None

    def __repr__(self) -> str:
        return f"Func({self.facts.name})"


@dataclass(frozen=True)
class Given:
    """A name that a file assigns: the source of its value, to be read in that file."""

    file: File
    source: str


@dataclass(eq=False)
class File:
    """One file of the project; its facts are read when they are asked for."""

    module: Module
    load: Callable[[Module], Facts] = field(repr=False)
    #: Why it could not be read, when it could not.
    problem: str = ""

    @cached_property
    def facts(self) -> Facts:
        """Its facts; those of an unreadable file are empty."""
        try:
            return self.load(self.module)
        except Unreadable as problem:
            self.problem = str(problem)
        except RecursionError:
            self.problem = TOO_DEEP
        return Facts()

    @cached_property
    def classes(self) -> dict[str, Class]:
        """Its classes by name, an inner one as `Outer.Inner`."""
        return {name: Class(self, facts) for name, facts in self.facts.classes.items()}

    @cached_property
    def functions(self) -> dict[str, Func]:
        """Its functions by name."""
        return {name: Func(self, facts) for name, facts in self.facts.functions.items()}

    @cached_property
    def defined(self) -> dict[int, Function]:
        """Functions and methods of the tree by their line."""
        return {node.lineno: node for node, _ in self.module.functions()}

    def forget(self) -> None:
        """Let go of the tree, and of what points into it: read again, it is another tree."""
        self.module.forget()
        self.__dict__.pop("defined", None)


#: What a name stands for; text is the dotted name of something outside the project.
Meaning = Class | Func | Given | File | str


class Project:
    """The files that are looked at, and those that they may import."""

    def __init__(self, modules: Iterable[Module], load: Callable[[Module], Facts] = facts_of) -> None:
        self.files = {module.path: File(module, load) for module in modules}
        self._named: dict[str, list[File]] = {}
        #: The files that are called by a word, or lie in a folder that is.
        self._called: dict[str, list[File]] = {}
        for file in self.files.values():
            parts = (file.module.folder, *file.module.parts)
            for start in range(len(parts)):
                self._named.setdefault(".".join(parts[start:]), []).append(file)
            for part in {*parts[-2:]}:
                self._called.setdefault(part, []).append(file)
        self._mro: dict[Class, list[Class]] = {}
        self._subclasses: dict[Class, list[Class]] | None = None

    def find(self, name: str, near: File) -> File | None:
        """The file that the dotted name of a module means: of several, the one that lies nearest."""
        found = self._named.get(name, [])
        if len(found) < 2:
            return found[0] if found else None
        mine = near.module.parts

        def distance(file: File) -> tuple[int, int]:
            common = 0
            for one, other in zip(mine, file.module.parts, strict=False):
                if one != other:
                    break
                common += 1
            return (-common, len(file.module.parts))

        return min(found, key=distance)

    def resolve(self, file: File, name: str, depth: int = 0) -> Meaning | None:
        """What a dotted name in `file` stands for; None for a name the file does not define or import."""
        if depth > _DEPTH or not name:
            return None
        head, _, rest = name.partition(".")
        meaning = self._local(file, head, depth)
        if meaning is None:
            return None
        return self._inside(meaning, rest, depth) if rest else meaning

    def _local(self, file: File, name: str, depth: int) -> Meaning | None:
        facts = file.facts
        if name in facts.classes:
            return file.classes[name]
        if name in facts.functions:
            return file.functions[name]
        if name in facts.values:
            return self._given(file, facts.values[name], depth)
        if name in facts.imports:
            return self._imported(file, facts.imports[name], depth)
        for star in facts.stars:
            other = self.find(star, file)
            if other is not None and other is not file:
                found = self._local(other, name, depth + 1) if depth < _DEPTH else None
                if found is not None:
                    return found
            elif star.startswith(("sqlalchemy", "sqlmodel")) and name[:1].isupper():
                return f"{star}.{name}"
        return None

    def _given(self, file: File, source: str, depth: int) -> Meaning:
        try:
            node = ast.parse(source, mode="eval").body
        except SyntaxError:
            return Given(file, source)
        name = dotted(node)
        if name:
            meaning = self.resolve(file, name, depth + 1)
            if meaning is not None:
                return meaning
        return Given(file, source)

    def _imported(self, file: File, target: str, depth: int) -> Meaning:
        parts = target.split(".")
        for cut in range(len(parts), 0, -1):
            other = self.find(".".join(parts[:cut]), file)
            if other is None or (other is file and cut == len(parts)):
                continue
            rest = ".".join(parts[cut:])
            if not rest:
                return other
            meaning = self.resolve(other, rest, depth + 1)
            if meaning is not None:
                return meaning
            break
        return self._elsewhere(parts, file) or target

    def _elsewhere(self, parts: list[str], near: File) -> Class | None:
        """A class imported from a module that is not there under that name: only a part of a project is looked at.

        The class has to be in one file alone of those that are called like a part of the module's name, or lie in a
        folder that is: `app.models.user` may be `user.py`, `models.py`, or in `models/`.
        """
        name = parts[-1]
        if len(parts) < 2 or not name[:1].isupper() or parts[0] in _OTHERS:
            return None
        written = f"class {name}".encode()
        for part in reversed(parts[:-1]):
            if part in _SHAPES and not self._called.get(part):
                return None
            found = [
                other
                for other in self._called.get(part, ())
                if other is not near and written in other.module.data and name in other.facts.classes
            ]
            if found:
                return found[0].classes[name] if len(found) == 1 else None
        return None

    def _inside(self, meaning: Meaning, rest: str, depth: int) -> Meaning | None:
        if isinstance(meaning, str):
            return f"{meaning}.{rest}"
        if isinstance(meaning, File):
            found = self.resolve(meaning, rest, depth + 1)
            if found is None and meaning.module.parts[-1:] != ("__init__",):
                found = self.find(".".join((*meaning.module.parts, rest)), meaning)
            return found
        if isinstance(meaning, Class):
            inner = f"{meaning.facts.name}.{rest}"
            if inner in meaning.file.classes:
                return meaning.file.classes[inner]
            method = self.method(meaning, rest) if "." not in rest else None
            if method is not None:
                return method
            for base in self.mro(meaning):
                if rest in base.facts.values:
                    return Given(base.file, base.facts.values[rest])
        if isinstance(meaning, Given) and "." not in rest and rest[:1].isupper():
            # `db = SQLAlchemy()`: what `db.JSON` means is known by its last word
            return f"given.{rest}"
        return None

    def mro(self, cls: Class) -> list[Class]:
        """The class and its bases within the project, nearest first."""
        if cls not in self._mro:
            self._mro[cls] = [cls]  # an inheritance that goes in circles ends here
            found = [cls]
            for base in cls.facts.bases:
                meaning = self.resolve(cls.file, base.partition("[")[0])
                if isinstance(meaning, Class):
                    found.extend(other for other in self.mro(meaning) if other not in found)
            self._mro[cls] = found
        return self._mro[cls]

    def outside(self, cls: Class) -> Iterator[str]:
        """Dotted names of the bases that the project does not define, at any distance."""
        for one in self.mro(cls):
            for base in one.facts.bases:
                name = base.partition("[")[0]
                meaning = self.resolve(one.file, name)
                if isinstance(meaning, str):
                    yield meaning
                elif meaning is None:
                    yield name
                elif isinstance(meaning, Given):
                    yield meaning.source

    def method(self, cls: Class, name: str) -> Func | None:
        """A method of a class or of its bases."""
        for one in self.mro(cls):
            if name in one.facts.methods:
                return Func(one.file, one.facts.methods[name], one)
        return None

    def all_classes(self) -> Iterator[Class]:
        """Every class of every file whose facts are read."""
        for file in self.files.values():
            if "facts" in vars(file):
                yield from file.classes.values()

    def subclasses(self, cls: Class) -> list[Class]:
        """Classes that inherit from `cls`, at any distance."""
        if self._subclasses is None:
            self._subclasses = {}
            for one in self.all_classes():
                for base in self.mro(one)[1:]:
                    self._subclasses.setdefault(base, []).append(one)
        return self._subclasses.get(cls, [])

    def function(self, func: Func) -> Function | None:
        """The tree of a function."""
        try:
            node = func.file.defined.get(func.facts.line)
        except Unreadable:
            return None
        return node if node is not None and node.name == func.facts.name else None
