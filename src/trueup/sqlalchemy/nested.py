"""A JSON column type that notices a change at any depth.

    settings = mapped_column(nested_json())          # or nested_json(JSONB)
    user.settings["display"]["columns"].append("rank")   # is written at the next flush

sqlalchemy-json 0.7 has such a type, too; it does not notice `insert` and `reverse` of a list, `+=` on a list that has
another name, and changes of a part that was copied with `deepcopy` and put back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, SupportsIndex, cast

from sqlalchemy import JSON
from sqlalchemy.ext.mutable import Mutable
from sqlalchemy.types import TypeEngine


def nested_json(kind: type[TypeEngine[Any]] | TypeEngine[Any] = JSON) -> TypeEngine[Any]:
    """The type of a column that holds a JSON object or array and writes every change inside it.

    `kind` is the type that stores it. Each column needs a call of its own. What is put into a value is copied: the
    dict that was put in is not the one that is watched, the one that is read back is. A value that is neither a dict
    nor a list is refused with `ValueError`.
    """
    return _Document.as_mutable(kind)


def plain(value: Any) -> Any:
    """A value as dicts and lists of Python's own, copied at every level."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


class _Part:
    """A dict or a list inside a document; it tells the one that holds it."""

    _holder: _Part | None = None

    def _inside(self, value: Any) -> Any:
        """A value as it is kept here."""
        if isinstance(value, dict):
            part: Any = _Object()
        elif isinstance(value, list | tuple):
            part = _Array()
        else:
            return value
        part._holder = self
        part._fill(value)
        return part

    def _touched(self) -> None:
        part = self
        while part._holder is not None:
            part = part._holder
        if isinstance(part, Mutable):
            part.changed()

    def __copy__(self) -> Any:
        return plain(self)

    def __deepcopy__(self, _: object) -> Any:
        return plain(self)

    def copy(self) -> Any:
        """The value as a plain dict or list; its parts are copied, too."""
        return plain(self)

    def __reduce_ex__(self, _: SupportsIndex) -> tuple[Any, ...]:
        # a part is pickled as what it holds; the document keeps its kind, SQLAlchemy finds its owner again
        return (type(self)._made, (plain(self),)) if isinstance(self, Mutable) else (plain, (plain(self),))

    @classmethod
    def _made(cls, value: Any) -> Any:
        made: Any = cls()
        made._fill(value)
        return made


class _Object(_Part, dict[Any, Any]):
    """An object inside a document."""

    def _fill(self, value: dict[Any, Any]) -> None:
        dict.update(self, {key: self._inside(part) for key, part in value.items()})

    def __setitem__(self, key: Any, value: Any) -> None:
        dict.__setitem__(self, key, self._inside(value))
        self._touched()

    def __delitem__(self, key: Any) -> None:
        dict.__delitem__(self, key)
        self._touched()

    def update(self, *args: Any, **more: Any) -> None:
        """As of a dict."""
        self._fill(dict(*args, **more))
        self._touched()

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As of a dict; what is handed out is watched."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, *args: Any) -> Any:
        """As of a dict."""
        value = dict.pop(self, *args)
        self._touched()
        return value

    def popitem(self) -> tuple[Any, Any]:
        """As of a dict."""
        item = dict.popitem(self)
        self._touched()
        return item

    def clear(self) -> None:
        """As of a dict."""
        dict.clear(self)
        self._touched()


class _Array(_Part, list[Any]):
    """An array inside a document."""

    def _fill(self, value: Iterable[Any]) -> None:
        list.extend(self, [self._inside(part) for part in value])

    def __setitem__(self, place: Any, value: Any) -> None:
        kept = [self._inside(part) for part in value] if isinstance(place, slice) else self._inside(value)
        list.__setitem__(self, place, kept)
        self._touched()

    def __delitem__(self, place: Any) -> None:
        list.__delitem__(self, place)
        self._touched()

    def append(self, value: Any) -> None:
        """As of a list."""
        list.append(self, self._inside(value))
        self._touched()

    def insert(self, place: SupportsIndex, value: Any) -> None:
        """As of a list."""
        list.insert(self, place, self._inside(value))
        self._touched()

    def extend(self, values: Iterable[Any]) -> None:
        """As of a list."""
        self._fill(values)
        self._touched()

    def __iadd__(self, values: Iterable[Any]) -> Any:  # type: ignore[misc]
        self.extend(values)
        return self

    def __imul__(self, times: SupportsIndex) -> Any:
        # the same part may not stand in two places
        self[:] = [plain(part) for part in list.__mul__(self, times)]
        return self

    def pop(self, place: SupportsIndex = -1) -> Any:
        """As of a list."""
        value = list.pop(self, place)
        self._touched()
        return value

    def remove(self, value: Any) -> None:
        """As of a list."""
        list.remove(self, value)
        self._touched()

    def clear(self) -> None:
        """As of a list."""
        list.clear(self)
        self._touched()

    def sort(self, **how: Any) -> None:
        """As of a list."""
        list.sort(self, **how)
        self._touched()

    def reverse(self) -> None:
        """As of a list."""
        list.reverse(self)
        self._touched()


class _Document(Mutable):
    """What SQLAlchemy tells of the outermost value."""

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """A dict or list as one that is watched; another value is refused."""
        if value is None or isinstance(value, _Document):
            return value
        for kind, made in ((dict, _ObjectDocument), (list, _ArrayDocument)):
            if isinstance(value, kind):
                return made._made(value)
        return cast(Any, Mutable.coerce(key, value))


class _ObjectDocument(_Object, _Document):
    """A document that is an object."""


class _ArrayDocument(_Array, _Document):
    """A document that is an array."""
