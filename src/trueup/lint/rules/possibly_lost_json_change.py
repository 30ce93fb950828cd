"""Changes inside a JSON value that SQLAlchemy may not write."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trueup.findings import Severity
from trueup.lint.rules._json_change import JsonChange

if TYPE_CHECKING:
    from trueup.lint.flow.analysis import Lost


class PossiblyLostJsonChange(JsonChange):
    """A change inside a JSON column that may be gone after the commit.

    SQLAlchemy does not see a change inside a JSON value (the page of `lost-json-change` says why), so somebody has to
    say `flag_modified`. Here one way through the function does, and another does not; or the object is known by its
    name only, and may be no row at all. Some findings will be harmless, which is why the rule is off: select it once,
    read what it finds, and keep it on where it was right.

    **Bad**

    ```python
    from sqlalchemy import JSON, Column, Integer
    from sqlalchemy.orm import declarative_base
    from sqlalchemy.orm.attributes import flag_modified

    Base = declarative_base()

    class User(Base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        settings = Column(JSON)

    def choose_theme(session, user: User, theme: str, notify: bool) -> None:
        user.settings["theme"] = theme
        if notify:
            flag_modified(user, "settings")   # only here
        session.commit()
    ```

    **Good**

    ```python
    from sqlalchemy import JSON, Column, Integer
    from sqlalchemy.orm import declarative_base
    from sqlalchemy.orm.attributes import flag_modified

    Base = declarative_base()

    class User(Base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        settings = Column(JSON)

    def choose_theme(session, user: User, theme: str) -> None:
        user.settings["theme"] = theme
        flag_modified(user, "settings")
        session.commit()
    ```
    """

    name: ClassVar[str] = "possibly-lost-json-change"
    severity: ClassVar[Severity] = "low"
    default: ClassVar[bool] = False
    sure: ClassVar[bool] = False

    def told(self, lost: Lost) -> tuple[str, str]:
        """What may happen, named after the column, and what to do."""
        change = lost.change
        why = f"it is not flagged on every path, or the object may be no {change.column.cls.name}"
        hint = f'flag_modified({change.source or "the object"}, "{change.field}") right after it'
        return f'the change to "{change.field}" may be lost at commit: {why}', hint
