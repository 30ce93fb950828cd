"""Changes inside a JSON value that SQLAlchemy may not write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from trueup.findings import Finding, Severity
from trueup.lint.project import File
from trueup.lint.rule import Index, Rule


class PossiblyLostJsonChange(Rule):
    """A change inside a JSON column that is lost on some path, or if the object is a row.

    The softer sister of `lost-json-change`: the object is known by its name only, or one way through the function
    flags the change and another does not. Some findings will be harmless; read them once, before an incident does it
    for you.

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
    scope: ClassVar[Literal["file", "project"]] = "project"
    reads: ClassVar[bool] = False

    def prepare(self, index: Index) -> None:
        """Follow the changes through the project."""
        _ = index.lost

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """The changes in a file that a path or a guess may save."""
        for lost in index.lost.get(file.module.path, ()):
            if not lost.sure:
                change = lost.change
                yield self.finding(
                    file,
                    lost.node,
                    f'the change to "{change.field}" may be lost at commit: it is not flagged on every path, '
                    f"or the object may be no {change.column.cls.name}",
                    f'flag_modified({change.source or "the object"}, "{change.field}") right after it',
                    model=change.column.cls.facts.name,
                    field=change.field,
                    object=change.source,
                )
