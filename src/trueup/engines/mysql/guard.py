"""Guards of MySQL."""

from __future__ import annotations

from trueup.engines._innodb.guard import InnodbGuards


class MysqlGuards(InnodbGuards):
    """Creates a role as definer: it is a locked account without a password, whatever the password rules are."""

    name = "mysql"
    needed = "CREATE ROLE, DROP ROLE, SET_ANY_DEFINER (before 8.2 SET_USER_ID)"

    def made_for(self, account: str) -> str:
        """Return the statement that creates a role that nobody is granted."""
        return f"CREATE ROLE {account}"

    def dropped(self, account: str) -> str:
        """Return a DROP ROLE."""
        return f"DROP ROLE IF EXISTS {account}"
