"""A dialect: everything that one engine does in its own way. `engines/NAME/dialect.py` has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, FromClause, Select

from trueup.errors import Refused
from trueup.sql.reading import ReadingDialect
from trueup.sql.writing import Kept, WritingDialect


class Dialect(ReadingDialect, WritingDialect):
    """One engine, to be read and to be written. Stateless."""


class ReadOnlyDialect(Dialect):
    """An engine that is only read: a scan runs, and whatever would write says in one line that it cannot."""

    def writable(self, connection: Connection) -> str:
        """It never is."""
        return self._why

    @property
    def _why(self) -> str:
        return f"trueup only reads {self.name}"

    def kept(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Kept]:
        """There is no journal."""
        return {}

    def begin(self, connection: Connection) -> None:
        """Raises `Refused`."""
        raise Refused(self._why)

    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """Raises `Refused`."""
        raise Refused(self._why)

    def catalogued(self, ddl: str) -> str:
        """Raises `Refused`."""
        raise Refused(self._why)

    def refused_by_guard(self, error: BaseException) -> bool:
        """There are no guards."""
        return False
