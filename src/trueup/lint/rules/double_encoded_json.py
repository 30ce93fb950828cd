"""JSON that is encoded before it is given to a column that encodes it again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.coltypes import expression
from trueup.lint.columns import Column
from trueup.lint.index import Index
from trueup.lint.local import FunctionNames, scopes
from trueup.lint.project import Class, File, Func
from trueup.lint.rule import Rule
from trueup.lint.source import dotted, keyword, last

_DUMPS = ("json.dumps", "orjson.dumps", "ujson.dumps", "simplejson.dumps")
_DEPTH = 4


class DoubleEncodedJson(Rule):
    """`json.dumps` of what is stored in a JSON column.

    The column encodes its value by itself. Text that is JSON already becomes a JSON *string*: what comes back is text,
    not an object, `row.metadata["key"]` fails, and every filter on a key skips the row without a word.

    **Bad**

    ```python
    import json

    from django.db import models

    class Event(models.Model):
        metadata = models.JSONField(null=True)

    def record(answer: dict) -> None:
        Event.objects.create(metadata=json.dumps(answer))
    ```

    **Bad**

    ```python
    import json

    from sqlalchemy import JSON, Column, Integer
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()

    class Event(Base):
        __tablename__ = "events"
        id = Column(Integer, primary_key=True)
        details = Column(JSON)

    def record(session, event: Event, answer: dict) -> None:
        encoded = json.dumps(answer)
        event.details = encoded
        session.commit()
    ```

    **Good**

    ```python
    from django.db import models

    class Event(models.Model):
        metadata = models.JSONField(null=True)

    def record(answer: dict) -> None:
        Event.objects.create(metadata=answer)
    ```

    **The rows that are there already.** A check of kind `wrong-json-type` finds them (`trueup scan`); its repair
    `decode` turns the text back into the object, and leaves alone what does not decode.

    **What it leaves alone.** `json.dumps` into a column of text, into a file or a message, or as a value *inside* the
    object; a `JSONField` of a library or of the project that may take text for JSON (`jsonfield`).
    """

    name: ClassVar[str] = "double-encoded-json"
    severity: ClassVar[Severity] = "high"
    needles: ClassVar[tuple[bytes, ...]] = (b"dumps", b"_json(")
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Encoded values given to JSON columns of models."""
        if not index.columns.by_name:
            return
        for scope in scopes(index, file):
            for cls, attr, value, node in (*scope.stored(), *_by_key(scope), *_by_name(scope)):
                column = index.columns.column(cls, attr)
                if column is not None and not _takes_text(column, index) and _encoded(value, scope, 0):
                    told = f"text from {_maker(value)} becomes a string in it, not an object"
                    hint = "give the column the object itself"
                    yield self.finding(file, node, f'"{cls.name}.{attr}" holds JSON: {told}', hint)


def _by_key(scope: FunctionNames) -> Iterator[tuple[Class, str, ast.expr, ast.AST]]:
    """`update({"data": ...})`, `update({Model.data: ...})`, `values({...})`, `defaults={"data": ...}`."""
    for node in scope.nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("update", "values") and node.args and isinstance(node.args[0], ast.Dict):
            given, cls = node.args[0], scope.rows(node.func.value) or scope.statement(node.func)
        elif node.func.attr in ("update_or_create", "aupdate_or_create", "get_or_create", "aget_or_create"):
            defaults, cls = keyword(node, "defaults"), scope.rows(node.func.value)
            if not isinstance(defaults, ast.Dict):
                continue
            given = defaults
        else:
            continue
        for key, value in zip(given.keys, given.values, strict=True):
            name = key.attr if isinstance(key, ast.Attribute) else getattr(key, "value", None)
            if cls is not None and isinstance(name, str):
                yield cls, name, value, value


def _by_name(scope: FunctionNames) -> Iterator[tuple[Class, str, ast.expr, ast.AST]]:
    """`event.data = ...` where nothing but its name says that `event` is an `Event`."""
    for node in scope.nodes:
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name) as receiver, attr=attr)], value=value):
                if name not in ("self", "cls") and scope.model(receiver) is None:
                    for column in scope.index.columns.by_name.get(attr, ()):
                        words = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", column.cls.name).lower()
                        if name.strip("_") in (words, f"db_{words}", f"new_{words}"):
                            yield column.cls, attr, value, node
            case _:
                pass


def _takes_text(column: Column, index: Index) -> bool:
    """Whether the type of a column may take text for JSON: a field that is not Django's own, but named like it."""
    if column.orm != "django":
        return False
    call = expression(column.cls.facts.values.get(column.name, ""))
    if not isinstance(call, ast.Call):
        return False
    meaning = index.project.resolve(column.cls.file, dotted(call.func))
    origin = meaning if isinstance(meaning, str) else dotted(call.func)
    return isinstance(meaning, Class) or origin.startswith(("jsonfield.", "annoying.", "django_jsonfield."))


def _maker(node: ast.expr) -> str:
    return last(node) if isinstance(node, ast.Call) and last(node) == "model_dump_json" else "json.dumps"


def _encoded(node: ast.expr, scope: FunctionNames, depth: int) -> bool:
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.IfExp):
        return _encoded(node.body, scope, depth) or _encoded(node.orelse, scope, depth)
    if isinstance(node, ast.BoolOp):
        return any(_encoded(value, scope, depth) for value in node.values)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "decode":
            return _encoded(node.func.value, scope, depth)
        if last(node) == "str" and node.args:
            return _encoded(node.args[0], scope, depth)
        return (
            scope.file.module.origin(node.func) in _DUMPS
            or last(node) == "model_dump_json"
            or _returns_encoded(node, scope)
        )
    if isinstance(node, ast.Name):
        values = [one for one in scope.assigned.get(node.id, []) if not _nothing(one)]
        return bool(values) and all(_encoded(value, scope, depth + 1) for value in values)
    return False


def _nothing(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, "")


def _returns_encoded(node: ast.Call, scope: FunctionNames) -> bool:
    """Whether a function of the project returns nothing but text from `json.dumps`."""
    func = scope.index.project.resolve(scope.file, dotted(node.func))
    if not isinstance(func, Func) or not func.facts.returned:
        return False
    values = [expression(source) for source in func.facts.returned]
    return all(
        isinstance(value, ast.Call) and func.file.module.origin(value.func) in _DUMPS
        for value in values
        if value is not None and not _nothing(value)
    ) and any(isinstance(value, ast.Call) for value in values)
