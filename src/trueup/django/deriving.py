"""Checks that a project's models imply."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import router
from django.db.models import CharField, ForeignKey, IntegerField, Model, TextField

from trueup.check import Check
from trueup.checks.orphan import Orphan
from trueup.checks.unknown_value import UnknownValue
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.django.constraints import JSONTypeConstraint
from trueup.django.fields import JSONObjectField


def checks(alias: str = "default") -> list[Check]:
    """Foreign keys, choices and JSON types of every managed model of one database, each table once."""
    found: list[Check] = []
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy and router.allow_migrate_model(alias, model):
            found += [*references(model), *choices(model), *json_types(model)]
    return found


def references(model: type[Model]) -> Iterator[Check]:
    """An `orphan` for each foreign key, enforced by the database or not."""
    for field in model._meta.local_concrete_fields:
        if isinstance(field, ForeignKey):
            target = field.target_field
            parent = target.model._meta.db_table
            yield Orphan(
                table=model._meta.db_table,
                column=field.column,
                references=f"{parent}.{target.column}",
                null=bool(field.null),
                name=f"{model._meta.db_table}-{field.column}-refers",
            )


def choices(model: type[Model]) -> Iterator[Check]:
    """An `unknown-value` for each field with choices, which Django holds forms to and nothing else."""
    for field in model._meta.local_concrete_fields:
        words = [str(value) for value, _ in field.flatchoices if value is not None]
        if words and isinstance(field, CharField | TextField | IntegerField):
            blank = [""] if field.blank and not isinstance(field, IntegerField) and "" not in words else []
            yield UnknownValue(
                table=model._meta.db_table,
                column=field.column,
                allowed=(*words, *blank),
                null=bool(field.null),
                name=f"{model._meta.db_table}-{field.column}-is-a-choice",
            )


def json_types(model: type[Model]) -> Iterator[Check]:
    """A `wrong-json-type` for each JSON field that the model keeps to a type."""
    table = model._meta.db_table
    group = next((f.column for f in model._meta.local_concrete_fields if f.choices), "")
    for field in model._meta.local_concrete_fields:
        if isinstance(field, JSONObjectField):
            yield WrongJsonType(
                table=table,
                column=field.column,
                expected=("object",),
                null=bool(field.null),
                group_by=group,
                name=f"{table}-{field.column}-is-an-object",
            )
    for one in model._meta.constraints:
        if isinstance(one, JSONTypeConstraint):
            field = model._meta.get_field(one.field)
            if not isinstance(field, JSONObjectField):
                yield WrongJsonType(
                    table=table, column=field.column, expected=one.expected, group_by=group, name=one.name
                )
