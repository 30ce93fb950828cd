"""Which attributes of a model hold JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, JSON, PickleType
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator


def json_attributes(mapper: Mapper[Any]) -> tuple[str, ...]:
    """The names of the attributes whose column holds dicts or lists."""
    return tuple(attr.key for attr in mapper.column_attrs if is_json(attr.columns[0].type))


def is_json(kind: Any) -> bool:
    """Whether a column type holds dicts or lists: JSON, ARRAY, PickleType, or a decorator that converts values."""
    if isinstance(kind, PickleType):
        return True
    while isinstance(kind, TypeDecorator):
        if (
            hasattr(type(kind), "process_bind_param")
            and type(kind).process_bind_param is not TypeDecorator.process_bind_param
        ):
            return True  # whatever it makes of a value: only dicts and lists are looked at
        # 1.4 has no impl_instance
        kind = getattr(kind, "impl_instance", None) or kind.impl
    return isinstance(kind, JSON | ARRAY)
