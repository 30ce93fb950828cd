"""JSON that is encoded before it is given to a column that encodes it again."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.local import Local, scopes
from trueup.lint.project import File
from trueup.lint.rule import Index, Rule

_DUMPS = ("json.dumps", "orjson.dumps", "ujson.dumps", "simplejson.dumps")


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
    object.
    """

    name: ClassVar[str] = "double-encoded-json"
    severity: ClassVar[Severity] = "high"
    needles: ClassVar[tuple[bytes, ...]] = (b"dumps",)
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Encoded values given to JSON columns of models."""
        if not index.columns.by_name:
            return
        for scope in scopes(index, file):
            for cls, attr, value, node in scope.stored():
                if index.columns.column(cls, attr) is not None and _encoded(value, scope):
                    yield self.finding(
                        file,
                        node,
                        f'"{cls.name}.{attr}" holds JSON: text from json.dumps becomes a string in it, not an object',
                        "give the column the object itself",
                    )


def _encoded(node: ast.expr, scope: Local) -> bool:
    if isinstance(node, ast.IfExp):
        return _encoded(node.body, scope) or _encoded(node.orelse, scope)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "decode":
            return _encoded(node.func.value, scope)
        return scope.file.module.origin(node.func) in _DUMPS
    if isinstance(node, ast.Name):
        values = scope.assigned.get(node.id, [])
        return bool(values) and all(isinstance(value, ast.Call) and _encoded(value, scope) for value in values)
    return False
