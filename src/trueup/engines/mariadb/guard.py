"""Guards of MariaDB."""

from __future__ import annotations

from trueup.engines._innodb.guard import InnodbGuards


class MariadbGuards(InnodbGuards):
    """Builds guards as `InnodbGuards` does."""

    name = "mariadb"
    needed = "CREATE USER, SET USER"

    def made_for(self, account: str) -> str:
        """Return the statement that creates a locked user."""
        return f"CREATE USER {account} ACCOUNT LOCK"

    def dropped(self, account: str) -> str:
        """Return a DROP USER."""
        return f"DROP USER IF EXISTS {account}"
