"""Aggregates over a key of a JSON field that do not say what type the key has."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.index import Index
from trueup.lint.local import scope_of
from trueup.lint.project import Class, File
from trueup.lint.rule import Rule
from trueup.lint.source import keyword, last

_AGGREGATES = {"Avg", "Sum", "Min", "Max", "StdDev", "Variance"}


class JsonAggregateWithoutOutputField(Rule):
    """A Django aggregate over a key of a JSONField without `output_field`.

    Django believes that the result is JSON again and decodes it. The database has already computed a number, so the
    query fails with `TypeError: the JSON object must be str, bytes or bytearray, not float`. It fails on perfectly
    clean rows, which is why cleaning up the data does not cure it.

    **Bad**

    ```python
    from django.db import models
    from django.db.models import Avg

    class Event(models.Model):
        metadata = models.JSONField(null=True)

    def average_time():
        return Event.objects.aggregate(Avg("metadata__time_spent_ms"))
    ```

    **Good**

    ```python
    from django.db import models
    from django.db.models import Avg, FloatField
    from django.db.models.fields.json import KT
    from django.db.models.functions import Cast

    class Event(models.Model):
        metadata = models.JSONField(null=True)

    def average_time():
        return Event.objects.aggregate(Avg(Cast(KT("metadata__time_spent_ms"), FloatField())))

    def longest_time():
        return Event.objects.aggregate(longest=models.Max("metadata__time_spent_ms", output_field=FloatField()))
    ```

    **What it leaves alone.** `Count`, which is a number of rows whatever the key holds; aggregates over columns that
    are no JSON; one inside a `Cast`, or inside an expression with an `output_field` of its own. A key that
    `annotate()` has given another name before is not followed.
    """

    name: ClassVar[str] = "json-aggregate-without-output-field"
    severity: ClassVar[Severity] = "high"
    needles: ClassVar[tuple[bytes, ...]] = tuple(f"{name}(".encode() for name in sorted(_AGGREGATES))
    scope: ClassVar[Literal["file", "project"]] = "project"

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """Aggregates over a path through a JSON field of a model of the project."""
        calls = [node for node in file.module.of(ast.Call) if last(node) in _AGGREGATES]
        if not calls or b"django" not in file.module.data:
            return
        fields = {
            name for name, columns in index.columns.by_name.items() if any(column.orm == "django" for column in columns)
        }
        for node in calls:
            path = _path(_argument(node))
            if (
                any(part in fields for part in path.split("__")[:-1])
                and keyword(node, "output_field") is None
                and not _told_outside(node, file)
                and _goes_inside(path, node, index, file)
            ):
                yield self.finding(
                    file,
                    node,
                    f"{last(node)} over the JSON key {path!r} fails on a number: Django decodes the result as JSON",
                    f"{last(node)}({path!r}, output_field=FloatField()), or Cast(KT({path!r}), FloatField())",
                )


def _argument(node: ast.Call) -> ast.expr | None:
    return node.args[0] if node.args else keyword(node, "expression")


def _told_outside(node: ast.Call, file: File) -> bool:
    """Whether an expression around the aggregate says what comes out: `Cast(Sum(...), FloatField())`."""
    around = file.module.parents.get(node)
    while isinstance(around, ast.Call | ast.BinOp | ast.keyword):
        if isinstance(around, ast.Call):
            if last(around) == "Cast" or keyword(around, "output_field") is not None:
                return True
            if isinstance(around.func, ast.Attribute) and around.func.attr in ("aggregate", "annotate", "alias"):
                return False
        around = file.module.parents.get(around)
    return False


def _goes_inside(path: str, node: ast.Call, index: Index, file: File) -> bool:
    """Whether a path leads into a JSON field of the model that is asked, or of any where that is not known."""
    cls = _asked(node, index, file)
    columns = index.columns
    if cls is None:
        # a relation of the same name elsewhere in the project may be what is meant
        return not any(part in columns.relations for part in path.split("__")[:-1])
    for part in path.split("__")[:-1]:
        if columns.column(cls, part) is not None:
            return True
        relation = columns.relation(cls, part)
        other = columns.class_named(relation.target, relation.file) if relation is not None else None
        if other is None:
            return False
        cls = other
    return False


def _asked(node: ast.Call, index: Index, file: File) -> Class | None:
    """The model of the query that an aggregate is an argument of."""
    around = file.module.parents.get(node)
    while around is not None and not isinstance(around, ast.stmt):
        if (
            isinstance(around, ast.Call)
            and isinstance(around.func, ast.Attribute)
            and around.func.attr in ("aggregate", "aaggregate", "annotate", "alias", "values")
        ):
            return scope_of(node, index, file).queried(around.func.value)
        around = file.module.parents.get(around)
    return None


def _path(node: ast.expr | None) -> str:
    if isinstance(node, ast.Call) and last(node) in ("F", "KeyTransform"):
        if keyword(node, "output_field") is not None:
            return ""
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        return "__".join(reversed(texts))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
