"""Writes that go past the rules of a model."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.local import Local, scopes
from trueup.lint.project import Class, File, Func
from trueup.lint.rule import Index, Rule
from trueup.lint.source import dotted, last

_CHECKS = {"full_clean", "clean", "clean_fields", "validate", "validate_unique"}
_BULK = {"bulk_create", "abulk_create", "bulk_update", "abulk_update"}
_MAPPINGS = {"bulk_insert_mappings", "bulk_update_mappings", "bulk_save_objects"}


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

    **What it leaves alone.** Fields that no rule is about, and bulk writes after `full_clean()` in the same function.
    """

    name: ClassVar[str] = "validation-bypassed"
    needles: ClassVar[tuple[bytes, ...]] = (b"bulk_", b".update(", b"insert(")
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Bulk writes on models with rules."""
        for scope in scopes(index, file):
            calls = [
                node for node in scope.nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            ]
            if not any(last(node) in _CHECKS for node in calls):  # else the function checks by itself
                for node in calls:
                    assert isinstance(node.func, ast.Attribute)
                    yield from self._call(node, node.func, scope)

    def _call(self, node: ast.Call, func: ast.Attribute, scope: Local) -> Iterable[Finding]:
        name = func.attr
        columns = scope.index.columns
        if name in _BULK or name in ("update", "aupdate"):
            cls = scope.rows(func.value)
            if cls is None or not columns.is_django(cls) or _own_manager(cls, name):
                return
            ruled, where = _django_rules(cls, scope.index)
            fields = (
                {item.arg for item in node.keywords if item.arg}
                if name.endswith("update") and "bulk" not in name
                else None
            )
            touched = sorted(fields & ruled) if fields is not None else []
            if where and (fields is None or touched):
                what = f" on {', '.join(touched)}" if touched else ""
                yield self.finding(
                    scope.file,
                    node,
                    f"{name}(){what} does not call {cls.name}.{where}(), where the rules are",
                    "check the values before, or let the database hold the rule with a constraint",
                )
        elif name in _MAPPINGS and node.args:
            cls = scope.mapped(node.args[0])
            fields = _validated(cls, scope.index) if cls is not None else set()
            if cls is not None and fields:
                yield self.finding(
                    scope.file,
                    node,
                    f"{name}() does not call the @validates of {cls.name} for {', '.join(sorted(fields))}",
                    "check the values before, or let the database hold the rule with a constraint",
                )


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


def _django_rules(cls: Class, index: Index) -> tuple[set[str], str]:
    """The fields that the rules of a model speak of, and the method they are in."""
    fields: set[str] = set()
    where = ""
    for name in ("save", "clean", "full_clean"):
        method = index.project.method(cls, name)
        if method is None or method.owner is None:
            continue
        tree = index.project.function(method)
        if tree is None or not _judges(tree, method):
            continue
        where = where or name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and dotted(node.value) == "self":
                fields.add(node.attr)
            helper = (
                index.project.method(cls, last(node))
                if isinstance(node, ast.Call) and dotted(node.func).startswith("self.")
                else None
            )
            inner = index.project.function(helper) if helper is not None else None
            for part in ast.walk(inner) if inner is not None else ():
                if isinstance(part, ast.Attribute) and dotted(part.value) == "self":
                    fields.add(part.attr)
    return fields, where


def _judges(tree: ast.AST, method: Func) -> bool:
    """Whether a method refuses values, or calls what does."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and last(node) in _CHECKS]
    if any(last(call) != method.facts.name for call in calls):
        return any(
            not isinstance(call.func, ast.Attribute)
            or not _is_super(call.func.value)
            or call.func.attr != method.facts.name
            for call in calls
        )
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree))


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and last(node) == "super"


def _validated(cls: Class, index: Index) -> set[str]:
    """The attributes with `@validates`."""
    found: set[str] = set()
    for one in index.project.mro(cls):
        for method in one.facts.methods.values():
            for decorator in method.decorators:
                if decorator.partition("(")[0].rpartition(".")[2] == "validates":
                    found |= {part.strip("\"' )") for part in decorator.partition("(")[2].split(",") if "=" not in part}
    return found - {""}
