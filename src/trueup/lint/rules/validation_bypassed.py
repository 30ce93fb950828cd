"""Writes that go past the rules of a model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.coltypes import expression
from trueup.lint.index import Index
from trueup.lint.local import FunctionNames, scopes
from trueup.lint.project import Class, File
from trueup.lint.rule import Rule, is_migration, is_test
from trueup.lint.rules._model_rules import METHODS, rules_of
from trueup.lint.source import Function, last

_CHECKS = re.compile(r"^_?(full_clean|clean|validate)(_|$)|^(run|check)_validat")
_BULK = {"bulk_create", "abulk_create", "bulk_update", "abulk_update"}
_MAPPINGS = {"bulk_insert_mappings", "bulk_update_mappings"}
_HINT = "check the values before, or let the database hold the rule with a constraint"


class ValidationBypassed(Rule):
    """A bulk write on a model whose rules live in `save()`, `clean()` or `@validates`.

    `bulk_create`, `bulk_update` and `QuerySet.update` send their statement at once: `save()` is not called, nor
    `clean()`, nor signals. SQLAlchemy's bulk methods and statements go past `@validates` in the same way. The rule
    that holds everywhere else does not hold for exactly the rows that are written by the thousand.

    **Bad**

    ```python
    from django.core.exceptions import ValidationError
    from django.db import models

    class Event(models.Model):
        metadata = models.JSONField(null=True)

        def save(self, *args, **kwargs):
            if self.metadata is not None and not isinstance(self.metadata, dict):
                raise ValidationError("metadata must be an object")
            super().save(*args, **kwargs)

    def import_events(rows):
        Event.objects.bulk_create([Event(metadata=row) for row in rows])

    def reset(value):
        Event.objects.filter(pk__gt=0).update(metadata=value)
    ```

    **Bad**

    ```python
    from sqlalchemy import Column, Integer, String, update
    from sqlalchemy.orm import declarative_base, validates

    Base = declarative_base()

    class User(Base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        email = Column(String)

        @validates("email")
        def has_an_at(self, key, value):
            if "@" not in value:
                raise ValueError(value)
            return value

    def rename(session, old, new):
        session.execute(update(User).where(User.email == old).values(email=new))
    ```

    **Good**: check before, or put the rule where nothing passes it: into the database.

    ```python
    from django.core.exceptions import ValidationError
    from django.db import models

    class Event(models.Model):
        metadata = models.JSONField(null=True)
        title = models.CharField(max_length=100)

        def save(self, *args, **kwargs):
            if self.metadata is not None and not isinstance(self.metadata, dict):
                raise ValidationError("metadata must be an object")
            super().save(*args, **kwargs)

    def import_events(rows):
        events = [Event(metadata=row) for row in rows]
        for event in events:
            event.full_clean()
        Event.objects.bulk_create(events)

    def rename(title):
        Event.objects.update(title=title)
    ```

    **What it leaves alone.** Fields that no rule is about; rows that the same function checks, with `full_clean()` or
    another function whose name begins with `validate` or `clean`; what a model does in its own `save()`; new rows,
    where the rule is about changed ones (`if self.pk: raise ...`); a manager that has a `bulk_create` or `update` of
    its own; tests and migrations. Rules in the receivers of signals are not known to it.
    """

    name: ClassVar[str] = "validation-bypassed"
    needles: ClassVar[tuple[bytes, ...]] = (b"bulk_", b"update(", b"insert(", b"insert as ")
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Bulk writes on models with rules."""
        if is_test(file) or is_migration(file):
            return
        for scope in scopes(index, file):
            calls = [node for node in scope.nodes if isinstance(node, ast.Call)]
            if not any(_CHECKS.search(last(node)) for node in calls):  # else the function checks by itself
                for node in calls:
                    yield from self._django(node, scope)
                    yield from self._sqlalchemy(node, scope)

    def _django(self, node: ast.Call, scope: FunctionNames) -> Iterable[Finding]:
        name = last(node)
        if not isinstance(node.func, ast.Attribute) or name not in _BULK | {"update", "aupdate"}:
            return
        cls = scope.rows(node.func.value)
        if cls is None or not scope.index.columns.is_django(cls) or _own_manager(cls, name) or _itself(scope, cls):
            return
        rules = rules_of(cls, scope.index)
        touched: frozenset[str] | None = None
        if name in ("update", "aupdate"):
            touched = rules.fields & {item.arg for item in node.keywords if item.arg}
        elif name.endswith("bulk_update"):
            fields = _texts(_argument(node, 1, "fields"))
            touched = rules.fields & fields if fields else None
        if not rules.method or touched == frozenset() or ("create" in name and not rules.for_new):
            return
        what = f" on {', '.join(sorted(touched))}" if touched else ""
        message = f"{name}(){what} does not call {cls.name}.{rules.method}(), where the rules are"
        yield self.finding(scope.file, node, message, _HINT)

    def _sqlalchemy(self, node: ast.Call, scope: FunctionNames) -> Iterable[Finding]:
        cls, fields, told = _written(node, scope)
        if cls is None or scope.index.columns.is_django(cls):
            return
        ruled = _validated(cls, scope.index)
        touched = ruled if fields is None else ruled & fields
        if touched:
            message = f"{told} does not call the @validates of {cls.name} for {', '.join(sorted(touched))}"
            yield self.finding(scope.file, node, message, _HINT)


def _written(node: ast.Call, scope: FunctionNames) -> tuple[Class | None, set[str] | None, str]:
    """The model that a call of SQLAlchemy writes past its attributes, the columns if they are written out, its name."""
    name = last(node)
    if name in _MAPPINGS and node.args:
        return scope.mapped(node.args[0]), _keys(_argument(node, 1, "mappings")), f"{name}()"
    if name == "update" and isinstance(node.func, ast.Attribute) and node.args:
        keys = _keys(node.args[0])
        return (scope.rows(node.func.value) if keys else None), keys, "update() of a query"
    if name == "values" and isinstance(node.func, ast.Attribute):
        kind, cls = _statement(node.func.value, scope)
        named = {item.arg for item in node.keywords if item.arg}
        keys = named or (_keys(node.args[0]) if node.args else set())
        return cls, keys, f"{kind}()"
    if name == "execute" and len(node.args) > 1:
        kind, cls = _statement(node.args[0], scope)
        return cls, _keys(node.args[1]), f"{kind}()"
    return None, set(), ""


def _statement(node: ast.expr, scope: FunctionNames) -> tuple[str, Class | None]:
    """`insert` or `update` and the model, of `insert(User)`, `update(User).where(...)`, `User.__table__.insert()`."""
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Call):
            kind = scope.file.module.origin(node.func).rpartition(".")[2]
            if kind in ("insert", "update") and node.args:
                return kind, scope.mapped(node.args[0])
            inner = node.func
            if (
                isinstance(inner, ast.Attribute)
                and inner.attr in ("insert", "update")
                and last(inner.value) == "__table__"
            ):
                assert isinstance(inner.value, ast.Attribute)
                return inner.attr, scope.mapped(inner.value.value)
            node = node.func
        else:
            node = node.value
    return "", None


def _keys(node: ast.expr | None) -> set[str] | None:
    """The columns of a dict, or of a list of dicts, that is written out; None for one that is not."""
    if isinstance(node, ast.ListComp):
        node = node.elt
    elif isinstance(node, ast.List) and node.elts:
        node = node.elts[0]
    if not isinstance(node, ast.Dict):
        return None
    keys = {key.attr if isinstance(key, ast.Attribute) else _text(key) for key in node.keys if key is not None}
    return keys if len(keys) == len(node.keys) and "" not in keys else None


def _argument(node: ast.Call, place: int, name: str) -> ast.expr | None:
    if len(node.args) > place:
        return node.args[place]
    return next((item.value for item in node.keywords if item.arg == name), None)


def _texts(node: ast.expr | None) -> set[str]:
    return {_text(item) for item in node.elts} if isinstance(node, ast.List | ast.Tuple | ast.Set) else set()


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _itself(scope: FunctionNames, cls: Class) -> bool:
    """Whether the function is one of those that hold the rules of the model."""
    return isinstance(scope.node, Function) and scope.node.name in METHODS and scope.owner is cls


def _own_manager(cls: Class, name: str) -> bool:
    """Whether the manager of a model has a method of its own in place of Django's."""
    for key, source in cls.facts.values.items():
        if key == "objects" or "Manager" in source or "as_manager" in source:
            other = source.partition("(")[0].removesuffix(".as_manager").partition(".from_queryset")[0]
            for one in cls.file.facts.classes.values():
                if one.name == other and name in one.methods:
                    return True
            if source.partition("(")[0].rpartition(".")[2] != "Manager":
                return _imported_manager(cls, other)
    return False


def _imported_manager(cls: Class, manager: str) -> bool:
    # a manager of another file may well have it; it is given the benefit of the doubt
    return manager in cls.file.facts.imports


def _validated(cls: Class, index: Index) -> set[str]:
    """The attributes with `@validates`."""
    return {
        name
        for one in index.project.mro(cls)
        for method in one.facts.methods.values()
        for source in method.decorators
        for name in _names(source)
    }


def _names(decorator: str) -> Iterator[str]:
    call = expression(decorator)
    if isinstance(call, ast.Call) and last(call) == "validates":
        yield from filter(None, map(_text, call.args))
