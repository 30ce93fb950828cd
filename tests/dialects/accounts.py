"""An account of MySQL or MariaDB with the rights that a test gives it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from tests.engines import Database
from tests.rowhash import execute
from trueup.engines._innodb.dialect import InnoDB
from trueup.engines.mariadb.dialect import Mariadb
from trueup.engines.mysql.dialect import Mysql

DIALECTS: dict[str, type[InnoDB]] = {"mysql": Mysql, "mariadb": Mariadb}


class Account:
    """An account of its own, given rights one by one; `{db}` in a statement is the test's database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.name = f"u{uuid.uuid4().hex[:8]}"
        self.schema = str(make_url(database.url).database)
        self.dialect = DIALECTS[database.engine]()
        self.made: list[str] = []

    def run(self, *statements: str) -> None:
        """Statements of the administrator; `{me}` is the account."""
        execute(self.database, [self.filled(statement) for statement in statements])

    def filled(self, statement: str) -> str:
        return statement.replace("{db}", self.schema).replace("{me}", f"{self.name}@'%'").replace("{u}", self.name)

    @contextmanager
    def session(self) -> Iterator[Connection]:
        url = make_url(self.database.url).set(username=self.name, password="x")
        with self.dialect.engine(url, write=False).connect() as connection:
            yield connection

    def obstacles(self, table: str = "t") -> tuple[str, ...]:
        with self.session() as connection:
            return self.dialect.table(connection, table).obstacles

    def unseen(self, table: str = "t") -> tuple[str, ...]:
        with self.session() as connection:
            return self.dialect.table(connection, table).unseen


NO_SELECT = ("its columns may not all be seen: the account needs SELECT on the whole table (GRANT SELECT ON {db}.t)",)
NO_TRIGGER = ("its triggers cannot be seen: the account needs the TRIGGER privilege (GRANT TRIGGER ON {db}.t)",)
NO_PROCESS = (
    "which tables of other databases refer to it cannot be seen: the account needs PROCESS (GRANT PROCESS ON *.*)",
)


def told(account: Account, clauses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(account.filled(clause) for clause in clauses)
