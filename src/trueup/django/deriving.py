"""Checks that a project's models imply, and of generic references what the tables hold."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import router
from django.db.models import CharField, ForeignKey, IntegerField, Model, TextField

from trueup.check import Check
from trueup.checks.orphan import Orphan
from trueup.checks.unknown_value import UnknownValue
from trueup.checks.wrong_json_shape import WrongJsonShape
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.json_text import JsonText
from trueup.django.constraints import JSONTypeConstraint
from trueup.django.fields import JSONObjectField


def checks(alias: str = "default") -> list[Check]:
    """References, choices and JSON types of every managed model of one database, each table once."""
    found: list[Check] = []
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy and router.allow_migrate_model(alias, model):
            found += [*references(model), *generic_references(model, alias), *choices(model), *json_types(model)]
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


def generic_references(model: type[Model], alias: str) -> Iterator[Check]:
    """An `orphan` for each generic foreign key and each content type that its rows name."""
    if not apps.is_installed("django.contrib.contenttypes"):
        return
    from django.contrib.contenttypes.fields import GenericForeignKey
    from django.contrib.contenttypes.models import ContentType

    for generic in model._meta.private_fields:
        if not isinstance(generic, GenericForeignKey) or generic.model is not model:
            continue
        kind, key = model._meta.get_field(generic.ct_field), model._meta.get_field(generic.fk_field)
        used = model._base_manager.using(alias).exclude(**{generic.ct_field: None}).order_by()
        for number in sorted(used.values_list(kind.attname, flat=True).distinct()):
            target = ContentType.objects.db_manager(alias).get_for_id(number).model_class()
            if target is not None and target._meta.managed:
                yield Orphan(
                    table=model._meta.db_table,
                    column=key.column,
                    references=f"{target._meta.db_table}.{target._meta.pk.column}",
                    where={kind.column: (str(number),)},
                    name=f"{model._meta.db_table}-{generic.name}-{target._meta.model_name}",
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
    """A `wrong-json-type` for each JSON field that the model keeps to a type, a `wrong-json-shape` for its schemas."""
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
            if field.schemas:
                yield WrongJsonShape(
                    table=table,
                    column=field.column,
                    by=model._meta.get_field(field.by).column,
                    schemas={str(value): JsonText.of(schema) for value, schema in field.schemas.items()},
                    null=bool(field.null),
                    name=f"{table}-{field.column}-keeps-its-shape",
                )
    for one in model._meta.constraints:
        if isinstance(one, JSONTypeConstraint):
            field = model._meta.get_field(one.field)
            if not isinstance(field, JSONObjectField):
                yield WrongJsonType(
                    table=table, column=field.column, expected=one.expected, group_by=group, name=one.name
                )
