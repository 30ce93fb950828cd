"""A dict or list that all rows, or all calls, share as their default."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import ClassVar

from trueup.findings import Finding
from trueup.lint.flow.words import MUTATORS
from trueup.lint.project import File
from trueup.lint.rule import Index, Rule
from trueup.lint.source import Function, dotted, keyword, last

_COLUMNS = {"Column", "mapped_column"}


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

    **What it leaves alone.** A default argument that the function only reads.
    """

    name: ClassVar[str] = "shared-mutable-default"
    needles: ClassVar[tuple[bytes, ...]] = (b"={", b"=[", b"= {", b"= [", b"=dict(", b"=list(", b"= dict(", b"= list(")

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Defaults of columns, and of parameters that are changed or kept."""
        for node in file.module.of(ast.Call):
            default = keyword(node, "default")
            if default is not None and _mutable(default) and _is_column(node):
                yield self.finding(
                    file,
                    default,
                    f"every row that is created without a value shares this one {_word(default)}",
                    f"default={_word(default)}",
                )
        for function, _ in file.module.functions():
            for name, value in _defaults(function):
                if _mutable(value) and _kept(function, name):
                    yield self.finding(
                        file,
                        value,
                        f"all calls of {function.name}() without {name!r} share this one {_word(value)}, "
                        "which it changes or keeps",
                        f"{name}=None, and make a new one inside",
                    )


def _is_column(node: ast.Call) -> bool:
    name = last(node)
    if name in _COLUMNS:
        return True
    # SQLModel and pydantic copy what `Field` is given; Django does not
    return (
        name.endswith("Field")
        and name != "Field"
        and dotted(node.func).startswith(("models.", "JSONField", "ArrayField"))
    )


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
            case ast.Assign(targets=[ast.Attribute()], value=ast.Name(id=other)) if other == name:
                return True
            case _:
                pass
    return False
