"""The guard on sessions: compares what was read with what it has become, and what is written with its shape."""

from __future__ import annotations

import marshal
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.orm.attributes import flag_modified

from trueup.errors import TrueupError
from trueup.sqlalchemy.reading import WATCH, Given, caller, given, hold, image, is_unchanged, loaded_at, release
from trueup.sqlalchemy.shapes import Shapes, Wanted

if TYPE_CHECKING:
    from trueup.config.config import Config

Mode = Literal["warn", "raise", "save"]


class LostChange(TrueupError):
    """A JSON value was changed in place and would not be written."""


class LostChangeWarning(UserWarning):
    """The same, where the guard only warns."""


class WrongShape(TrueupError):
    """A JSON value that is not of its shape was about to be written."""


class WrongShapeWarning(UserWarning):
    """The same, where the guard only warns."""


class Guard:
    """A guard on sessions; `remove` takes it off."""

    def __init__(self, sessions: type[Session], mode: Mode, shapes: Shapes | None, *, show_values: bool) -> None:
        self._sessions = sessions
        self._mode = mode
        self._shapes = shapes
        self._show_values = show_values
        self._hooks: list[tuple[str, Callable[..., Any]]] = [
            ("detached_to_persistent", self._on_attach),
            ("before_commit", self._on_commit),
            ("after_commit", self._on_end),
            ("after_soft_rollback", self._on_end),
        ]
        WATCH.add(sessions)
        for name, hook in self._hooks:
            event.listen(sessions, name, hook)
        if shapes is not None:
            event.listen(Engine, "before_execute", self._on_execute)

    def remove(self) -> None:
        """Take the guard off."""
        if not self._hooks:
            return
        WATCH.discard(self._sessions)
        if self._shapes is not None:
            event.remove(Engine, "before_execute", self._on_execute)
        for name, hook in self._hooks:
            event.remove(self._sessions, name, hook)
        self._hooks = []

    def _on_execute(
        self, _: object, statement: object, many: Sequence[Mapping[str, Any]], one: Mapping[str, Any], __: object
    ) -> None:
        assert self._shapes is not None
        for mistake in self._shapes.mistakes(statement, many or [one]):
            value = f" ({mistake.value!r})" if self._show_values else ""
            text = f"{mistake.place} {mistake.problem}{value}; it was about to be written at {caller()}"
            if self._mode == "raise":
                raise WrongShape(text)
            warnings.warn(text, WrongShapeWarning, stacklevel=2)

    def _on_attach(self, session: Session, target: object) -> None:
        hold(session, target)

    def _on_end(self, session: Session, *_: object) -> None:
        WATCH.ending.discard(session.hash_key)
        release(session)

    def _on_commit(self, session: Session) -> None:
        for state in session.identity_map.all_states():
            for key, known in given(state).items():
                if _lost(state, key, known) and state.obj() not in session.deleted:
                    self._tell(state, key, known)
        if session.expire_on_commit and not session.in_nested_transaction():
            WATCH.ending.add(session.hash_key)

    def _tell(self, state: Any, key: str, known: Given) -> None:
        if self._mode == "save":
            flag_modified(state.obj(), key)
            return
        path = _path(marshal.loads(known[1] or b""), state.dict[key])  # noqa: S302 - bytes of this process
        line = loaded_at(state)
        text = (
            f"the change of {state.class_.__name__}.{key}{path} would be lost: SQLAlchemy does not see a change inside "
            f"a JSON value; it was {f'loaded at {line}' if line else 'made and flushed in this session'}"
        )
        if self._mode == "raise":
            raise LostChange(text)
        warnings.warn(text, LostChangeWarning, stacklevel=2)


def guard(
    session: type[Session] | sessionmaker[Any] | scoped_session[Any],
    mode: Mode = "warn",
    *,
    shapes: Wanted | Config | None = None,
    show_values: bool = False,
) -> Guard:
    """Watch the sessions of a factory, or of a class. Values that hold more than JSON are not watched.

    `warn` gives a `LostChangeWarning` before the commit, `raise` a `LostChange`, `save` flags the attribute so that it
    is written. Objects whose JSON values were read are held until the transaction ends.

    `shapes` says what JSON must look like: `{User.settings: "object", "events.metadata.quiz_id": "integer"}`, a JSON
    Schema in place of the words, or a configuration, whose checks of JSON are taken. Every INSERT and UPDATE of any
    engine is looked at that is not text, before it is sent: `raise` gives a `WrongShape`, the other modes a
    `WrongShapeWarning`. Values are named by their type, and shown only with `show_values`.
    """
    if mode not in ("warn", "raise", "save"):
        raise ValueError(f"mode must be warn, raise or save, not {mode!r}")
    factory = session.session_factory if isinstance(session, scoped_session) else session
    return Guard(
        factory.class_ if isinstance(factory, sessionmaker) else factory,
        mode,
        Shapes(shapes) if shapes is not None else None,
        show_values=show_values,
    )


def _lost(state: Any, key: str, known: Given) -> bool:
    """Whether a value differs from what was handed out and will not be written."""
    given_value, before = known
    value = state.dict.get(key)
    if before is None or value is None:
        return False
    if key in state.committed_state:
        # equal to what was there before: nothing is written, though both may have been changed
        if not is_unchanged(state, key):
            return False
    elif value is not given_value:
        return False  # read anew since
    now = image(value)
    return now is not None and now != before


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
