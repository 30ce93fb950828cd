"""What an expression may stand for."""

from __future__ import annotations

from dataclasses import dataclass

from trueup.lint.project import Class, File, Func

#: Names an object or a JSON value: nested tuples of text and numbers, equal when it is the same object.
Token = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Inst:
    """An object. `cls` is None when its class is not known, and then `hint` is the name it goes by."""

    token: Token
    cls: Class | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """A dict or list. Its token begins with what it is:

    `load` (object, field): what the column held when it was read; `in` (token): something inside another value;
    `copy`, `deepcopy` (place, token): a new object equal to another; `new` (place): a new object.
    """

    token: Token


@dataclass(frozen=True, slots=True)
class Const:
    """A constant."""

    value: object


@dataclass(frozen=True, slots=True)
class ClassRef:
    """A class itself."""

    cls: Class


@dataclass(frozen=True, slots=True)
class FuncRef:
    """A function, with the object it is bound to."""

    func: Func
    bound: Inst | ClassRef | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """A function or lambda defined inside the function that is followed."""

    file: File
    node: object


@dataclass(frozen=True, slots=True)
class Rows:
    """A query, a result or a collection: iterating or fetching gives objects of `classes` (a tuple when many)."""

    token: Token
    classes: tuple[Class, ...]


@dataclass(frozen=True, slots=True)
class Tup:
    """A tuple or list written out, or what is unpacked from one."""

    items: tuple[frozenset[Value], ...]
    token: Token = ()


@dataclass(frozen=True, slots=True)
class Outside:
    """Something of another distribution, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """An object that is known not to be a row: a form, a request, an object of a class outside the project."""

    name: str = ""


Value = Inst | Data | Const | ClassRef | FuncRef | Local | Rows | Tup | Outside | Foreign
Values = frozenset[Value]

NOTHING: Values = frozenset()
#: More than this many possibilities are cut: the first are as good as any.
MOST = 6


def telling(value: Value) -> bool:
    """Whether more is known of a value than that it is something."""
    match value:
        case Data(token=token):
            return token[0] != "new"
        case Inst(cls=cls):
            return cls is not None
        case Tup(items=items):
            return any(telling(one) for item in items for one in item)
    return isinstance(value, Rows | FuncRef | Local | ClassRef)


def only(value: Value) -> Values:
    """The set of one."""
    return frozenset((value,))


def join(*sets: Values) -> Values:
    """All possibilities, at most `MOST`."""
    found = frozenset().union(*sets)
    return found if len(found) <= MOST else frozenset(sorted(found, key=repr)[:MOST])


def inside(token: Token) -> Token:
    """The token of what lies inside `token`: a shallow copy shares that with its original."""
    while token[0] == "copy":
        token = token[2]  # type: ignore[assignment]
    return token if token[0] == "in" else ("in", token)


def outermost(token: Token) -> tuple[Token, bool]:
    """The value that `token` lies in, and whether it is nested in it."""
    if token[0] == "in":
        return token[1], True  # type: ignore[return-value]
    return token, False


def shares(token: Token, base: Token) -> bool:
    """Whether `token` holds the very nested values that `base` holds."""
    while token != base:
        if token[0] != "copy":
            return False
        token = token[2]  # type: ignore[assignment]
    return True
