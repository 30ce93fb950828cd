"""A dict or list that all rows, or all calls, share as their default."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from trueup.findings import Finding
from trueup.lint.flow.words import MUTATORS
from trueup.lint.index import Index
from trueup.lint.project import File
from trueup.lint.rule import Rule, is_migration
from trueup.lint.source import Function, Module, keyword, last

_COLUMNS = {"Column", "mapped_column"}
#: Types that make a value of their own of what they are given.
_MUTABLE = re.compile(r"as_mutable\(|mutable_json|Mutable")
#: Parameters that are there to be shared.
_SHARED = re.compile(r"^_|cache|memo")


class SharedMutableDefault(Rule):
    """One dict or list that every row, or every call, gets as its default.

    A default such as `{}` is made once, when the module is imported. Every row that is created without a value holds
    *the same object*: what one of them adds, all others have too, and the next insert writes it to the database. The
    first user's settings turn up in everybody else's.

    **Bad**

    ```python
    from django.db import models

    class Preference(models.Model):
        languages = models.JSONField(default=[])
    ```

    **Bad**

    ```python
    from sqlalchemy import JSON, Column, Integer
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()

    class Preference(Base):
        __tablename__ = "preferences"
        id = Column(Integer, primary_key=True)
        settings = Column(JSON, default={})

    def remember(name, seen=[]):
        seen.append(name)
        return seen
    ```

    **Good**: give the function that makes one.

    ```python
    from django.db import models

    class Preference(models.Model):
        languages = models.JSONField(default=list)

    def remember(name, seen=None):
        seen = [] if seen is None else seen
        seen.append(name)
        return seen
    ```

    **What it leaves alone.** A default argument that the function only reads, or that is a cache by its name
    (`_seen={}`); a column of `MutableDict` or `MutableList`, which copies its default, unless that holds another dict
    or list; fields that copy theirs (pydantic, SQLModel, `jsonfield`); migrations.
    """

    name: ClassVar[str] = "shared-mutable-default"
    needles: ClassVar[tuple[bytes, ...]] = (
        b"={",
        b"=[",
        b"= {",
        b"= [",
        b"=dict(",
        b"=list(",
        b"= dict(",
        b"= list(",
        b"set(",
    )

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Defaults of columns, and of parameters that are changed or kept."""
        constants = _constants(file.module)
        for node in [] if is_migration(file) else file.module.of(ast.Call):
            if not _is_column(node, file.module):
                continue
            for word in ("default", "insert_default", "onupdate"):
                given = keyword(node, word)
                default = constants.get(given.id) if isinstance(given, ast.Name) else given
                if given is None or default is None or not _mutable(default) or _copied(node, default):
                    continue
                when = "is changed" if word == "onupdate" else "is created"
                made = f"{word}={_word(default)}" if _is_empty(default) else f"{word}=lambda: {_short(default)}"
                message = f"every row that {when} without a value shares this one {_word(default)}"
                yield self.finding(file, given, message, made)
        for function, _ in file.module.functions():
            for name, value in _defaults(function):
                if _mutable(value) and not _SHARED.search(name) and _kept(function, name):
                    yield self.finding(
                        file,
                        value,
                        f"all calls of {function.name}() without {name!r} share this one {_word(value)}, "
                        "which it changes or keeps",
                        f"{name}=None, and make a new one inside",
                    )


def _constants(module: Module) -> dict[str, ast.expr]:
    """The names that the file, or a class in it, gives a value."""
    found: dict[str, ast.expr] = {}
    bodies = [module.tree.body, *(node.body for node in module.of(ast.ClassDef))]
    for body in bodies:
        for node in body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                    found[name] = value
                case _:
                    pass
    return found


def _is_column(node: ast.Call, module: Module) -> bool:
    name = last(node)
    if name in _COLUMNS:
        return True
    # SQLModel and pydantic copy what `Field` is given, and so does the JSONField of `jsonfield`; Django does not
    origin = module.origin(node.func)
    return (
        name.endswith("Field")
        and name != "Field"
        and (
            origin.startswith(("models.", "django.db.", "django.contrib.postgres.", "django_mysql."))
            or origin in ("JSONField", "ArrayField")
        )
    )


def _copied(node: ast.Call, default: ast.expr) -> bool:
    """Whether each row gets a copy: a mutable type makes one, of the outermost dict or list alone."""
    if not any(_MUTABLE.search(ast.unparse(arg)) for arg in node.args):
        return False
    return not any(
        isinstance(inner, ast.Dict | ast.List | ast.Set) for inner in ast.walk(default) if inner is not default
    )


def _is_empty(node: ast.expr) -> bool:
    return not (node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", getattr(node, "args", ())))


def _short(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 40 else f"{text[:1]}...{text[-1:]}"


def _mutable(node: ast.expr) -> bool:
    if isinstance(node, ast.Dict | ast.List | ast.Set):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dict", "list", "set")


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return last(node)
    return {"Dict": "dict", "List": "list"}.get(type(node).__name__, "set")


def _defaults(node: Function) -> Iterator[tuple[str, ast.expr]]:
    positional = [*node.args.posonlyargs, *node.args.args]
    yield from zip(
        (arg.arg for arg in positional[len(positional) - len(node.args.defaults) :]), node.args.defaults, strict=True
    )
    for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None:
            yield arg.arg, default


def _kept(function: Function, name: str) -> bool:
    """Whether a parameter is changed in place, or kept in an attribute, before anything else is assigned to it."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=other)]) if other == name:
                return False
            case ast.Call(func=ast.Attribute(value=ast.Name(id=other), attr=attr)) if (
                other == name and attr in MUTATORS
            ):
                return True
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=other))]) if other == name:
                return True
            case ast.AugAssign(target=ast.Name(id=other) | ast.Subscript(value=ast.Name(id=other))) if other == name:
                return True
            case (
                ast.Assign(targets=[ast.Attribute()], value=ast.Name(id=other))
                | ast.AnnAssign(target=ast.Attribute(), value=ast.Name(id=other))
            ) if other == name:
                return True
            case _:
                pass
    return False
