"""The system check: JSON fields that take anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.db.models import JSONField, Model

from trueup.django.constraints import JSONTypeConstraint
from trueup.django.fields import JSONObjectField


@checks.register("models")
def unguarded_json(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """`trueup.W001` for each JSON field of the project that neither its class nor a constraint keeps to a type."""
    chosen = app_configs if app_configs is not None else apps.get_app_configs()
    return [
        checks.Warning(
            f"{model._meta.label}.{name} takes JSON of any type",
            hint="use trueup.django.JSONObjectField, or add a JSONTypeConstraint to Meta.constraints",
            obj=model,
            id="trueup.W001",
        )
        for config in chosen
        if not config.name.startswith("django.")
        for model in config.get_models()
        for name in unguarded(model)
    ]


def unguarded(model: type[Model]) -> Iterator[str]:
    """The names of a model's own JSON fields that take anything."""
    kept = {one.field for one in model._meta.constraints if isinstance(one, JSONTypeConstraint)}
    for field in model._meta.local_concrete_fields:
        if isinstance(field, JSONField) and not isinstance(field, JSONObjectField) and field.name not in kept:
            yield field.name
