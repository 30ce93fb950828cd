"""A constraint on the type of a JSON field, for `Meta.constraints`: migrations find it by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import FieldError, ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BaseConstraint, Model

TYPES = ("object", "array", "string", "number", "boolean", "null")
#: What each engine calls them.
_SQLITE = {
    "object": ("object",),
    "array": ("array",),
    "string": ("text",),
    "number": ("integer", "real"),
    "boolean": ("true", "false"),
    "null": ("null",),
}
_MYSQL = {
    "object": ("OBJECT",),
    "array": ("ARRAY",),
    "string": ("STRING",),
    "number": ("INTEGER", "UNSIGNED INTEGER", "DOUBLE", "DECIMAL"),
    "boolean": ("BOOLEAN",),
    "null": ("NULL",),
}
_PYTHON = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (),
}


class JSONTypeConstraint(BaseConstraint):
    """A CHECK that a JSON field is SQL NULL or of one of the types `expected`.

    `JSONTypeConstraint(field="metadata", expected=["object"], name="metadata_is_an_object")`. Works on SQLite,
    PostgreSQL, MySQL and MariaDB. Adding it reads the whole table, and on MySQL and MariaDB copies it while writers
    wait: on a large live table `manage.py trueup guard` does the same with short locks.
    """

    default_violation_error_message = "%(field)s must be JSON of type %(expected)s."

    def __init__(
        self,
        *,
        field: str,
        expected: Sequence[str] = ("object",),
        name: str,
        violation_error_code: str | None = None,
        violation_error_message: str | None = None,
    ) -> None:
        unknown = [word for word in expected if word not in TYPES]
        if unknown or not expected:
            raise ValueError(f"JSONTypeConstraint knows no type {unknown}; there is {', '.join(TYPES)}")
        self.field, self.expected = field, tuple(expected)
        super().__init__(
            name=name, violation_error_code=violation_error_code, violation_error_message=violation_error_message
        )

    # -- SQL --------------------------------------------------------------------------------------------------------
    def _condition(self, model: type[Model], schema_editor: Any) -> str:
        connection = schema_editor.connection
        column = schema_editor.quote_name(model._meta.get_field(self.field).column)
        if connection.vendor == "postgresql":
            words = self._listed(schema_editor, self.expected)
            return f"COALESCE({column} IS NULL OR jsonb_typeof({column}) IN ({words}), FALSE)"
        if connection.vendor == "mysql":
            words = self._listed(schema_editor, [word for name in self.expected for word in _MYSQL[name]])
            # MySQL takes no COALESCE of conditions for a boolean
            return f"({column} IS NULL OR COALESCE(JSON_TYPE({column}), '') IN ({words}))"
        if connection.vendor == "sqlite":
            words = self._listed(schema_editor, [word for name in self.expected for word in _SQLITE[name]])
            kind = f"CASE WHEN JSON_VALID({column}) THEN JSON_TYPE({column}) IN ({words}) ELSE 0 END"
            return f"({column} IS NULL OR {kind})"
        raise FieldError(f"JSONTypeConstraint has no words for {connection.vendor}")

    def _listed(self, schema_editor: Any, words: Sequence[str]) -> str:
        return ", ".join(f"'{word}'" for word in words)

    def constraint_sql(self, model: type[Model], schema_editor: Any) -> Any:
        """As a part of CREATE TABLE."""
        return schema_editor._check_sql(self.name, self._condition(model, schema_editor))

    def create_sql(self, model: type[Model], schema_editor: Any) -> Any:
        """As ALTER TABLE ... ADD."""
        return schema_editor._create_check_sql(model, self.name, self._condition(model, schema_editor))

    def remove_sql(self, model: type[Model], schema_editor: Any) -> Any:
        """As ALTER TABLE ... DROP."""
        return schema_editor._delete_check_sql(model, self.name)

    # -- Python -----------------------------------------------------------------------------------------------------
    def validate(self, model: type[Model], instance: Model, exclude: Any = None, using: str = DEFAULT_DB_ALIAS) -> None:
        """As `full_clean()` asks."""
        if exclude and self.field in exclude:
            return
        value = getattr(instance, model._meta.get_field(self.field).attname)
        if value is None or hasattr(value, "resolve_expression"):
            return
        # bool is an int in Python, and not in JSON
        kinds = [name for name in self.expected if isinstance(value, _PYTHON[name])]
        if isinstance(value, bool):
            kinds = [name for name in kinds if name == "boolean"]
        if not kinds:
            raise ValidationError(self.get_violation_error_message(), code=self.violation_error_code)

    def get_violation_error_message(self) -> str:
        """The message, filled in."""
        expected = " or ".join(self.expected)
        return str(self.violation_error_message % {"field": self.field, "expected": expected, "name": self.name})

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Named in migrations by the package, not by this module."""
        _, arguments, options = super().deconstruct()
        options |= {"field": self.field, "expected": list(self.expected)}
        return "trueup.django.JSONTypeConstraint", arguments, options

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JSONTypeConstraint):
            return self.deconstruct() == other.deconstruct()
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.field, self.expected))

    def __repr__(self) -> str:
        return f"<JSONTypeConstraint: name={self.name!r} field={self.field!r} expected={list(self.expected)!r}>"
