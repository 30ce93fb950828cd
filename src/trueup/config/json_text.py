"""JSON as text that a frozen value can hold, compare and write down without a float."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


class JsonText(str):
    """One JSON value as text; empty when there is none. Numbers keep their digits as written."""

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> JsonText:
        """Return the text of a Python value, as `json` would write it; a Decimal is written as a number too."""
        return cls(_spelled(value))

    def value(self) -> Any:
        """Parse the text. A number with a point or an exponent becomes a Decimal. Raises `ValueError`."""
        return json.loads(self, parse_float=Decimal, parse_constant=_refuse)


#: No JSON at all.
NOTHING = JsonText("")


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_spelled(str(key))}: {_spelled(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_spelled, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
