"""Guards of MariaDB."""

from __future__ import annotations

from trueup.engines._innodb.guard import InnodbGuards


class MariadbGuards(InnodbGuards):
    """As InnoDB has them."""

    name = "mariadb"
    needed = "CREATE USER, SET USER"

    def made_for(self, account: str) -> str:
        """A user that is locked."""
        return f"CREATE USER {account} ACCOUNT LOCK"

    def dropped(self, account: str) -> str:
        """DROP USER."""
        return f"DROP USER IF EXISTS {account}"
