"""A JSON field that takes an object or nothing, on every path to the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models

#: Characters of a refused value that its message shows.
SHOWN = 80


class JSONObjectField(models.JSONField):
    """A `JSONField` whose value is a `dict`, or `None` where the column allows NULL.

    The value is looked at where Django makes it ready for the database, which `save()`, `create()`, `bulk_create()`,
    `bulk_update()` and `QuerySet.update()` all pass; overriding `save()` misses the last three. Expressions
    (`F()`, `Value()`) are left to the database: a `JSONTypeConstraint` looks at those.

    `schemas` says what the objects hold: a JSON Schema for each value of the field `by`, such as the members of a
    `TextChoices`. No migration knows of it; `manage.py trueup init --django` makes a `wrong-json-shape` of it.
    """

    default_error_messages: ClassVar[dict[str, str]] = {
        "object": "%(field)s must be a dict or None, not %(type)s: %(value)s"
    }

    def __init__(
        self, *arguments: Any, by: str = "", schemas: Mapping[str, Mapping[str, Any]] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.by, self.schemas = by, dict(schemas or {})

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """As forms and `full_clean()` ask."""
        super().validate(value, model_instance)
        self._refuse(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """As every write asks. Raises `ValidationError` naming field, type and value."""
        if not hasattr(value, "resolve_expression"):
            self._refuse(value)
        return super().get_db_prep_save(value, connection)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """Named in migrations by the package, not by this module."""
        name, _, arguments, options = super().deconstruct()
        return name, "trueup.django.JSONObjectField", arguments, options

    def _refuse(self, value: Any) -> None:
        if value is None or isinstance(value, dict):
            return
        text = repr(value)
        raise ValidationError(
            self.error_messages["object"],
            code="object",
            params={
                "field": f"{self.model._meta.label}.{self.name}",
                "type": type(value).__name__,
                "value": text if len(text) <= SHOWN else text[: SHOWN - 1] + "…",
            },
        )
