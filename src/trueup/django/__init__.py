"""trueup inside Django: `INSTALLED_APPS += ["trueup.django"]`.

`manage.py trueup ...` is every command on the database of the settings; `JSONObjectField` and `JSONTypeConstraint` keep
JSON columns to what the application expects; a system check names the fields that nothing keeps; `CleanupCommand` is
the base of an application's own clean-up command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueup.django.constraints import JSONTypeConstraint
    from trueup.django.fields import JSONObjectField

__all__ = ["JSONObjectField", "JSONTypeConstraint"]


def __getattr__(name: str) -> Any:
    # not at import: Django reads this package before its models can be imported
    if name == "JSONObjectField":
        from trueup.django.fields import JSONObjectField

        return JSONObjectField
    if name == "JSONTypeConstraint":
        from trueup.django.constraints import JSONTypeConstraint

        return JSONTypeConstraint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
