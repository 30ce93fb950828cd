"""What an application was given when it read a JSON attribute, so that a change inside it can be told later.

A value that nobody has read cannot have been changed, so nothing is done for it: the attribute of the class itself
tells of a read, and a digest is taken before the value is handed out. `vars(obj)` goes round it, and so does a part of
an older value that was assigned, flushed, and is changed without reading the attribute again.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import NO_VALUE

from trueup.sqlalchemy.columns import json_attributes

#: marshal's last format without references: equal values give equal bytes.
_FORMAT = 2
#: In `Session.info`: objects whose values were read in this transaction. One that nobody else holds would be forgotten,
#: and its change with it.
_HELD = "trueup.held"
_FOREIGN = ("sqlalchemy.", "sqlmodel.", "trueup.")
CONTAINERS = (dict, list)


def _references(values: dict[str, Any], key: str) -> int:
    """How many references Python counts to what a dict holds; with `_ALONE` the dict is the only one that holds it."""
    return sys.getrefcount(values[key])


_ALONE = _references({"": {}}, "")

#: A line of code: its code object and instruction; the number of the line is worked out when it is wanted.
Place = tuple[CodeType, int]
#: A value that was handed out: itself, and its digest (None when it is not JSON).
Given = tuple[Any, bytes | None]

# The manager of a class is given an attribute, `_trueup_json` (the names of its JSON attributes), and the state of an
# object two, `_trueup_given` (of each of them what was `Given`) and `_trueup_place` (that loaded it). They are set as
# attributes: a state that is asked for its `__dict__` is slower for good.


class Watch:
    """Watches the JSON attributes of classes, each from the first of its objects on that is loaded or flushed."""

    def __init__(self) -> None:
        self._sessions: tuple[type[Session], ...] = ()
        self._managers: WeakSet[Any] = WeakSet()
        #: The number of the last query, and the place that sent it.
        self._run: tuple[int, Place] | None = None
        #: `hash_key` of the sessions of which a commit runs after which every object is read anew.
        self.ending: set[int] = set()
        self._hooks: list[tuple[str, Callable[..., None]]] = [
            ("load", self._loaded),
            ("refresh", self._loaded),
            ("after_insert", self._written),
            ("after_update", self._written),
        ]

    def add(self, sessions: type[Session]) -> None:
        """Watch the objects of these sessions, too."""
        if not self._sessions:
            for name, hook in self._hooks:
                event.listen(Mapper, name, hook, raw=True)
        self._sessions += (sessions,)

    def discard(self, sessions: type[Session]) -> None:
        """Watch them no longer; without any left, the classes are as they were."""
        number = self._sessions.index(sessions)
        self._sessions = self._sessions[:number] + self._sessions[number + 1 :]
        if self._sessions:
            return
        for name, hook in self._hooks:
            event.remove(Mapper, name, hook)
        for manager in list(self._managers):
            for key in manager._trueup_json:
                if isinstance(manager[key], _Telling):
                    manager[key].__class__ = type(manager[key]).__bases__[1]
            del manager._trueup_json
        self._managers.clear()

    def keys(self, manager: Any) -> tuple[str, ...]:
        """The JSON attributes of a class, watched from now on."""
        known: tuple[str, ...] | None = getattr(manager, "_trueup_json", None)
        if known is None:
            known = json_attributes(manager.mapper)
            for key in known:
                if not isinstance(manager[key], _Telling):
                    manager[key].__class__ = _telling(type(manager[key]))
            manager._trueup_json = known
            self._managers.add(manager)
        return known

    def _loaded(self, state: Any, context: Any, *_: object) -> None:
        """Note the place that asked for an object."""
        # an update that is applied to loaded objects has no context
        if context is None or not self.keys(state.manager):
            return
        run = self._run
        if run is None or run[0] != context.runid:
            self._run = run = (context.runid, _place(sys._getframe(1)))
        state._trueup_place = run[1]

    def _written(self, _: object, __: object, state: Any) -> None:
        """What was written is what is compared with from now on, where the application still has a hold of it."""
        if state.session_id in self.ending:
            return
        assigned = state.committed_state
        for key in self.keys(state.manager):
            if key not in assigned:
                continue
            # no name may hold the value here: its references are counted
            values, kept = state.dict, given(state)
            known = kept.get(key)
            if known is None or known[0] is values.get(key):
                self._rewritten(state, key)
            elif key in values and assigned[key] == values[key] and is_unchanged(state, key):
                # an equal copy of what was changed in place: nothing was written, so the digest still counts
                kept[key] = (values[key], known[1])
            else:
                del kept[key]
                self._rewritten(state, key)

    def _rewritten(self, state: Any, key: str) -> None:
        """Remember a value that was flushed, unless nobody holds it: then it must be read before it can be changed."""
        values, known = state.dict, key in given(state)
        if not isinstance(values.get(key), CONTAINERS) or (known and is_unchanged(state, key)):
            return
        if (known or _references(values, key) > _ALONE) and isinstance(state.session, self._sessions):
            remember(state.session, state, key, values[key])

    def read(self, state: Any, key: str, value: object) -> None:
        """Remember a value that is handed out for the first time."""
        # what was never stored cannot be lost, and what was assigned is remembered when it is flushed
        if state.key is None or key in state.committed_state:
            return
        session = state.session
        if session is None or isinstance(session, self._sessions):
            remember(session, state, key, value)


#: One for the process, as classes are: the guards of several sessions see the same values.
WATCH = Watch()


class _Telling:
    """An attribute that tells when a dict or a list is read from an object for the first time."""

    __slots__ = ()
    key: str

    def __get__(self, instance: Any, owner: Any) -> Any:
        value = super().__get__(instance, owner)  # type: ignore[misc]
        if isinstance(value, CONTAINERS):
            state: Any = instance_state(instance)
            known = getattr(state, "_trueup_given", _NOTHING).get(self.key)
            if known is None or known[0] is not value:
                WATCH.read(state, self.key, value)
        return value


_KINDS: dict[type[Any], type[Any]] = {}
_NOTHING: dict[str, Given] = {}


def _telling(kind: type[Any]) -> type[Any]:
    """The same kind of attribute, one that tells; extensions have kinds of their own."""
    if kind not in _KINDS:
        _KINDS[kind] = type(f"Telling{kind.__name__}", (_Telling, kind), {"__slots__": (), "inherit_cache": True})
    return _KINDS[kind]


def remember(session: Session | None, state: Any, key: str, value: object) -> None:
    """Take a value as it is now for what the database holds, and hold its object until the transaction ends."""
    known = getattr(state, "_trueup_given", None)
    if known is None:
        known = state._trueup_given = {}
    known[key] = (value, image(value))
    if session is not None:
        hold(session, state.obj())


def hold(session: Session, target: object) -> None:
    """Hold an object until the transaction ends."""
    held = session.info.get(_HELD)
    if held is None:
        held = session.info[_HELD] = []
    held.append(target)


def is_unchanged(state: Any, key: str) -> bool:
    """Whether an attribute that was assigned equals what it was before, so that SQLAlchemy does not write it."""
    before = state.committed_state[key]
    return before is not NO_VALUE and bool(state.manager[key].impl.is_equal(state.dict[key], before))


def given(state: Any) -> dict[str, Given]:
    """What was handed out of an object."""
    found: dict[str, Given] = getattr(state, "_trueup_given", _NOTHING)
    return found


def release(session: Session) -> None:
    """Let the objects of a transaction go."""
    session.info.pop(_HELD, None)


def image(value: Any) -> bytes | None:
    """A dict or list as bytes; None when it is neither, or holds what JSON does not."""
    kind = type(value)
    if kind is not dict and kind is not list:
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


def loaded_at(state: Any) -> str:
    """The line that loaded an object, as `file:line`; empty for one that was never loaded."""
    found: Place | None = getattr(state, "_trueup_place", None)
    if found is None:
        return ""
    return _line(*found)


def caller() -> str:
    """The line of the application that is running, as `file:line`."""
    return _line(*_place(sys._getframe(1)))


def _place(frame: FrameType) -> Place:
    """The place of the application above a frame."""
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_FOREIGN):
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def _line(code: CodeType, instruction: int) -> str:
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return f"{code.co_filename}:{line}"
    return f"{code.co_filename}:{code.co_firstlineno}"
