"""Reads the privileges of an account of MySQL or MariaDB. The catalogue is silent about what they do not cover."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

_ALL = "ALL PRIVILEGES"
_NAME = re.compile(r"`((?:[^`]|``)*)`")
_LINE = re.compile(r"(GRANT|REVOKE) (.+?) ON (\*|\d+)\.(\*|\d+) (?:TO|FROM) ", re.DOTALL)
#: Databases of the server's own, which refer to nobody's tables; accounts are often kept out of them.
_OWN = frozenset({"mysql", "sys", "performance_schema", "information_schema"})
_CACHED = "trueup_rights"
Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class Rights:
    """The privileges that `SHOW GRANTS` lists for a session: those of its account and of the active roles.

    Privileges on single columns, procedures and the like are left out. `literal` says that a database name in a grant
    is not a pattern (MySQL with `partial_revokes`).
    """

    everywhere: frozenset[str] = frozenset()
    databases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tables: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    revoked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    literal: bool = False

    def server(self, right: str) -> bool:
        """Whether the account has a privilege on the whole server, even if it was revoked on single databases."""
        return _holds(self.everywhere, right)

    def every_database(self, right: str) -> bool:
        """Whether it has a privilege on every database but the server's own."""
        taken = any(_holds(rights, right) for name, rights in self.revoked.items() if name not in _OWN)
        return self.server(right) and not taken

    def on(self, right: str, database: str, table: str) -> bool:
        """Whether it has a privilege on a table, and so on all its columns."""
        if self.server(right) and not _holds(self.revoked.get(database, frozenset()), right):
            return True
        return _holds(self._in(database), right) or _holds(self.tables.get((database, table), frozenset()), right)

    def _in(self, database: str) -> frozenset[str]:
        """Return the privileges on a database.

        The server applies the grant of the closest name only. Of several patterns only what all grant is certain.
        """
        spelled = [rights for name, rights in self.databases.items() if self._plain(name) == database]
        if spelled:
            return frozenset.intersection(*spelled)
        fits = [rights for name, rights in self.databases.items() if self._fits(name, database)]
        return frozenset.intersection(*map(_all_of(fits), fits)) if fits else frozenset()

    def _plain(self, name: str) -> str | None:
        """Return the database that a name in a grant means; None for a pattern."""
        if self.literal:
            return name
        return None if re.search(r"(?<!\\)[%_]", name) else re.sub(r"\\([%_\\])", r"\1", name)

    def _fits(self, name: str, database: str) -> bool:
        if self.literal:
            return name == database
        parts = re.findall(r"\\.|.", name, re.DOTALL)
        pattern = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
        return re.fullmatch(pattern, database, re.DOTALL) is not None


def _all_of(several: Iterable[frozenset[str]]) -> Callable[[frozenset[str]], frozenset[str]]:
    """Expand ALL PRIVILEGES to the privileges that the other sets list, so that an intersection keeps them."""
    named = frozenset[str]().union(*several)
    return lambda rights: named if _ALL in rights else rights


def _holds(rights: frozenset[str], right: str) -> bool:
    return right in rights or _ALL in rights


def rights(connection: Connection) -> Rights:
    """Return the privileges of the session's account, read once per session."""
    found: Rights | None = connection.info.get(_CACHED)
    if found is None:
        partial = connection.exec_driver_sql("SHOW GLOBAL VARIABLES LIKE 'partial_revokes'").one_or_none()
        lines = [str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS")]
        found = parse(lines, literal=partial is not None and str(partial[1]) == "ON")
        connection.info[_CACHED] = found
    return found


def parse(lines: Iterable[str], *, literal: bool = False) -> Rights:
    """Parse the lines of `SHOW GRANTS`. A line of another form grants nothing."""
    everywhere: set[str] = set()
    databases: dict[str, set[str]] = defaultdict(set)
    tables: dict[tuple[str, str], set[str]] = defaultdict(set)
    revoked: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        names: list[str] = []

        def kept(match: re.Match[str], names: list[str] = names) -> str:
            names.append(match[1].replace("``", "`"))
            return str(len(names) - 1)

        found = _LINE.match(_NAME.sub(kept, line))
        if found is None:
            continue
        what, listed, database, table = found.groups()
        given = {right.strip().upper() for right in re.sub(r"[^,(]*\([^)]*\)", "", listed).split(",")} - {""}
        if what == "REVOKE":
            if database != "*" and table == "*":
                revoked[names[int(database)]] |= given
        elif database == "*":
            everywhere |= given
        elif table == "*":
            databases[names[int(database)]] |= given
        else:
            tables[names[int(database)], names[int(table)]] |= given
    return Rights(frozenset(everywhere), _frozen(databases), _frozen(tables), _frozen(revoked), literal)


def _frozen(found: Mapping[Place, set[str]]) -> dict[Place, frozenset[str]]:
    return {place: frozenset(rights) for place, rights in found.items()}


def grant(right: str, database: str, table: str) -> str:
    """Return the statement that grants a privilege on a table, or on all of a database (`*`), for display."""
    names = (
        name if re.fullmatch(r"\w+|\*", name) else "`" + name.replace("`", "``") + "`" for name in (database, table)
    )
    return f"GRANT {right} ON {'.'.join(names)}"
