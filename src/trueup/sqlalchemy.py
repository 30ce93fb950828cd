"""Notices JSON changes that SQLAlchemy would lose, while the application runs.

    from trueup.sqlalchemy import guard
    guard(SessionLocal, mode="raise")      # in tests; "warn" in development, "save" to write them anyway

Every JSON value is remembered as it was loaded, and compared before a commit. What differs and was neither assigned nor
flagged would be lost.
"""

from __future__ import annotations

import marshal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, JSON, PickleType, event, inspect
from sqlalchemy.orm import Mapper, Session, attributes, object_session, scoped_session, sessionmaker
from sqlalchemy.types import TypeDecorator

from trueup.errors import TrueupError

Mode = Literal["warn", "raise", "save"]
#: marshal's last format without references: equal values give equal bytes.
_FORMAT = 2
_HELD = "trueup.held"


class LostChange(TrueupError):
    """A JSON value was changed in place and would not be written."""


class LostChangeWarning(UserWarning):
    """The same, where the guard only warns."""


class Guard:
    """A guard on sessions; `remove` takes it off."""

    def __init__(self, classes: type[Session], mode: Mode) -> None:
        self._class = classes
        self._mode = mode
        #: Object to attribute to (value as loaded, line that loaded it).
        self._loaded: WeakKeyDictionary[object, dict[str, tuple[bytes, str]]] = WeakKeyDictionary()
        self._keys: dict[Mapper[Any], tuple[str, ...]] = {}
        self._hooks: list[tuple[Any, str, Callable[..., Any]]] = [
            (Mapper, "load", self._on_load),
            (Mapper, "refresh", self._on_refresh),
            (classes, "before_commit", self._on_commit),
            (classes, "after_flush", self._on_flush),
            (classes, "after_commit", self._release),
            (classes, "after_soft_rollback", self._release),
        ]
        for target, name, hook in self._hooks:
            event.listen(target, name, hook)

    def remove(self) -> None:
        """Take the guard off."""
        for target, name, hook in self._hooks:
            event.remove(target, name, hook)
        self._hooks = []

    def _on_load(self, target: object, context: Any) -> None:
        # an update that is applied to loaded objects has no context
        session = context.session if context is not None else object_session(target)
        if isinstance(session, self._class):
            self._remember(session, target)

    def _on_refresh(self, target: object, context: Any, _: object) -> None:
        self._on_load(target, context)

    def _on_flush(self, session: Session, _: object) -> None:
        """What was written is what is compared with from now on."""
        for target in (*session.new, *session.dirty):
            keys = self._json(target)
            # what was set or flagged: cheaper to ask than the history, and asked for every object of every flush
            changed = keys and [key for key in keys if key in inspect(target).committed_state]
            if changed or (keys and target not in self._loaded):
                self._remember(session, target, tuple(changed))

    def _release(self, session: Session, *_: object) -> None:
        session.info.pop(_HELD, None)

    def _on_commit(self, session: Session) -> None:
        for target in list(session.identity_map.values()):
            if target in session.deleted:
                continue
            for key, path, line in self._lost(target):
                self._tell(target, key, path, line)

    def _tell(self, target: object, key: str, path: str, line: str) -> None:
        if self._mode == "save":
            attributes.flag_modified(target, key)
            return
        text = (
            f"the change of {type(target).__name__}.{key}{path} would be lost: SQLAlchemy does not see a change inside "
            f"a JSON value; it was loaded at {line}"
        )
        if self._mode == "raise":
            raise LostChange(text)
        warnings.warn(text, LostChangeWarning, stacklevel=2)

    def _json(self, target: object) -> tuple[str, ...]:
        mapper = inspect(type(target))
        if mapper not in self._keys:
            self._keys[mapper] = tuple(attr.key for attr in mapper.column_attrs if _is_json(attr.columns[0].type))
        return self._keys[mapper]

    def _remember(self, session: Session, target: object, keys: tuple[str, ...] | None = None) -> None:
        every = self._json(target)
        if not every:
            return
        # an object that nobody holds would be forgotten, and its change with it
        session.info.setdefault(_HELD, {})[id(target)] = target
        values = vars(target)
        kept = self._loaded.setdefault(target, {})
        line = ""
        for key in every:
            if key in values and (keys is None or key in keys or key not in kept):
                image = _image(values[key])
                if image is not None:
                    line = line or _caller()
                    kept[key] = (image, line)

    def _lost(self, target: object) -> Iterator[tuple[str, str, str]]:
        """Each attribute that differs from what was loaded and will not be written: name, path inside, line."""
        values = vars(target)
        for key, (image, line) in self._loaded.get(target, {}).items():
            if key not in values or _image(values[key]) in (image, None):
                continue
            if not inspect(target).attrs[key].history.has_changes():
                yield key, _path(marshal.loads(image), values[key]), line  # noqa: S302 - our own bytes, of this process


def guard(session: type[Session] | sessionmaker[Any] | scoped_session[Any], mode: Mode = "warn") -> Guard:
    """Watch the sessions of a factory, or of a class. Values that hold more than JSON are not watched.

    `warn` gives a `LostChangeWarning` before the commit, `raise` a `LostChange`, `save` flags the attribute so that it
    is written. Objects with JSON columns are held until the transaction ends.
    """
    if mode not in ("warn", "raise", "save"):
        raise ValueError(f"mode must be warn, raise or save, not {mode!r}")
    factory = session.session_factory if isinstance(session, scoped_session) else session
    return Guard(factory.class_ if isinstance(factory, sessionmaker) else factory, mode)


def _is_json(kind: Any) -> bool:
    if isinstance(kind, PickleType):
        return True
    while isinstance(kind, TypeDecorator):
        if (
            hasattr(type(kind), "process_bind_param")
            and type(kind).process_bind_param is not TypeDecorator.process_bind_param
        ):
            return True  # whatever it makes of a value: only dicts and lists are looked at
        kind = kind.impl_instance
    return isinstance(kind, JSON | ARRAY)


def _image(value: object) -> bytes | None:
    """A dict or list as bytes; None when it is neither, or holds what JSON does not."""
    if isinstance(value, dict):
        value = dict(value)
    elif isinstance(value, list):
        value = list(value)
    else:
        return None
    try:
        return marshal.dumps(value, _FORMAT)
    except ValueError:
        return None


def _path(before: Any, now: Any) -> str:
    """The keys that lead to the first difference, as they are written in Python."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in (*now, *before):
            if key not in before or key not in now:
                return f"[{key!r}]"
            if before[key] != now[key]:
                return f"[{key!r}]{_path(before[key], now[key])}"
    if isinstance(before, list) and isinstance(now, list):
        for number, (one, other) in enumerate(zip(before, now, strict=False)):
            if one != other:
                return f"[{number}]{_path(one, other)}"
        return f"[{min(len(before), len(now))}]"
    return ""


def _caller() -> str:
    """The line of the application that asked for the object."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        "sqlalchemy",
        "trueup",
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
