"""Changes inside a JSON value that SQLAlchemy never writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from trueup.findings import Severity
from trueup.lint.rules._json_change import JsonChange

if TYPE_CHECKING:
    from trueup.lint.flow.analysis import Lost

_WHY = "SQLAlchemy does not see a change inside a JSON value"


class LostJsonChange(JsonChange):
    """A change inside a JSON column that is gone after the commit.

    SQLAlchemy writes a column when the attribute is *assigned*. It keeps no copy of the dict or list that it loaded,
    so when you change that object in place there is nothing to compare it with: the commit succeeds, no `UPDATE` is
    sent, and the next request reads the old value. No error, no warning, no log line.

    **Bad**

    ```python
    from sqlalchemy import JSON
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase): ...

    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        settings: Mapped[dict] = mapped_column(JSON)

    def choose_theme(session, user_id: int, theme: str) -> None:
        user = session.get(User, user_id)
        user.settings["theme"] = theme        # never written
        session.commit()
    ```

    **Good**: say that it changed, or assign a new object.

    ```python
    from sqlalchemy import JSON
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from sqlalchemy.orm.attributes import flag_modified

    class Base(DeclarativeBase): ...

    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        settings: Mapped[dict] = mapped_column(JSON)

    def choose_theme(session, user_id: int, theme: str) -> None:
        user = session.get(User, user_id)
        user.settings["theme"] = theme
        flag_modified(user, "settings")
        session.commit()

    def choose_language(session, user_id: int, language: str) -> None:
        user = session.get(User, user_id)
        user.settings = {**user.settings, "language": language}
        session.commit()
    ```

    **Assigning the column is not enough.** Assigning the *same* object again changes nothing, however it got there:

    **Bad**

    ```python
    from sqlalchemy import JSON, Column, Integer
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()

    class User(Base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        settings = Column(JSON)

    def choose_theme(session, user: User, theme: str) -> None:
        settings = user.settings or {}
        settings["theme"] = theme             # the loaded object, when there is one
        user.settings = settings
        session.commit()

    def choose_language(session, user: User, language: str) -> None:
        settings = dict(user.settings)
        settings["display"]["language"] = language    # a shallow copy shares what is nested
        user.settings = settings
        session.commit()

    def visit(session, user: User, page: str) -> None:
        settings = dict(user.settings)
        settings.setdefault("visits", []).append(page)    # only the first visit is written
        user.settings = settings
        session.commit()
    ```

    **What also works.** `MutableDict.as_mutable(JSON)` notices changes of the top level, not of what is nested.
    `copy.deepcopy`, change, assign works for nested values. A row that is new and not flushed yet is written whole.
    A subclass of `Mutable` written by hand notices the methods that it writes out: one without `update` loses what
    `update` changes.

    **Is it ever wrong?** Where a change is meant to be thrown away, work on a copy, or write
    `# trueup: ignore[lost-json-change] why` behind the line.
    """

    name: ClassVar[str] = "lost-json-change"
    severity: ClassVar[Severity] = "high"
    sure: ClassVar[bool] = True

    def told(self, lost: Lost) -> tuple[str, str]:
        """What happens, named after the column, and what to do."""
        change = lost.change
        field = f'"{change.field}"'
        hint = f'flag_modified({change.source or "the object"}, "{change.field}") after it, or assign a changed copy'
        if change.helper:
            return f"the change to {field} that {change.helper}() makes is lost at commit: {_WHY}", hint
        if change.column.tracked:
            why = (
                "its Mutable type sees the top level only, and this is nested"
                if change.nested or isinstance(change.column.tracked, str)
                else f"its Mutable type does not notice {change.how}"
            )
            return f"the change to {field} is lost at commit: {why}", hint
        return f"the change to {field} is lost at commit: {_WHY}", hint

    def evidence(self, lost: Lost) -> dict[str, Any]:
        """The column and the object, for a fix and for the comparison of revisions."""
        change = lost.change
        return {
            **super().evidence(lost),
            "change": change.how,
            "helper": change.helper,
            "nested": change.nested,
            "declared": f"{change.column.cls.file.module.path}:{change.column.cls.facts.lines.get(change.field, 0)}",
        }
