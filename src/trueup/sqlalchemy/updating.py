"""Changing one place inside a JSON attribute so that it is written, whatever the type of the column."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm.attributes import flag_modified

from trueup.errors import UsageError
from trueup.sqlalchemy.columns import json_attributes
from trueup.sqlalchemy.nested import plain

Path = str | int | Sequence[str | int]


def update_json(obj: object, field: str, path: Path, value: Any) -> None:
    """Set what stands at `path` in a JSON attribute; it is written at the next flush.

        update_json(user, "settings", "display.theme", "dark")
        update_json(user, "settings", ("volumes", 0, "value"), 210.5)

    `path` is a text with dots, a number, or a sequence of keys and numbers. Objects that are not there on the way are
    made; a number that is an array's length appends. The attribute is given a new value: names that hold the old one,
    or a part of it, do not see the change. Raises `UsageError` when the model has no such JSON attribute, and when
    something on the way is neither an object nor an array, or is an array without that place.
    """
    keys = tuple(path.split(".")) if isinstance(path, str) else (path,) if isinstance(path, int) else tuple(path)
    known = json_attributes(inspect(type(obj)))
    name = f"{type(obj).__name__}.{field}"
    if field not in known:
        near = get_close_matches(field, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(known) or 'none'}"
        raise UsageError(f"{name} is no JSON attribute{hint}")
    if not keys:
        raise UsageError(f"a path inside {name} must name a key; assign the attribute to replace all of it")
    made = plain(getattr(obj, field))
    if made is None:
        made = [] if keys[0] == 0 else {}
    at, told = made, name
    for key, following in zip(keys, (*keys[1:], None), strict=True):
        _check(at, key, told)
        last = following is None
        if isinstance(at, list) and key == len(at):
            at.append(None)
        if last:
            at[key] = plain(value)
        elif (at.get(key) if isinstance(at, dict) else at[key]) is None:
            at[key] = [] if following == 0 else {}
        at, told = at[key], f"{told}[{key!r}]"
    setattr(obj, field, made)
    # an equal value is written, too: what was there may have been changed in place
    flag_modified(obj, field)


def _check(at: Any, key: str | int, told: str) -> None:
    """Raise `UsageError` when `at` has no place for `key`."""
    if isinstance(at, list):
        if not isinstance(key, int):
            raise UsageError(f"{told} is an array, which has no key {key!r}")
        if not -len(at) <= key <= len(at):
            raise UsageError(f"{told} has {len(at)} places, and no place {key}")
    elif not isinstance(at, dict):
        raise UsageError(f"{told} is neither an object nor an array, so it has no place for {key!r}")
