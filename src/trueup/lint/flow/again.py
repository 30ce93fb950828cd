"""Calls that need not be followed again: what tells them apart, and what they return another time."""

from __future__ import annotations

from collections.abc import Callable

from trueup.lint.flow.values import ClassRef, Const, Data, Foreign, Inst, Outside, Rows, Token, Tup, Value, Values
from trueup.lint.project import Class

Signature = frozenset[tuple[str, str, object, str]]


def signature(names: dict[str, Values], is_model: Callable[[Class], bool]) -> Signature | None:
    """What tells a call with these arguments from another; None where one may be a row or a loaded value."""
    found: list[tuple[str, str, object, str]] = []
    for name, values in names.items():
        for value in values:
            match value:
                case Inst(cls=cls, hint=hint) if cls is None or not is_model(cls):
                    found.append((name, "object", cls, hint))
                case Data(token=token) if token[0] == "new":
                    found.append((name, "data", None, ""))
                case Const() | Outside() | ClassRef() | Foreign():
                    found.append((name, "value", value, ""))
                case _:
                    return None
    return frozenset(found)


def again(value: Value, token: Token) -> Value:
    """What a function returned before, returned by the call that `token` names."""
    match value:
        case Inst(token=old, cls=cls, hint=hint):
            return Inst((*token, old[-1] if old else ""), cls, hint)
        case Data():
            return Data(("new", *token))
        case Rows(classes=classes):
            return Rows(token, classes)
        case Tup(items=items):
            return Tup(tuple(frozenset(again(one, token) for one in item) for item in items), token)
    return value
