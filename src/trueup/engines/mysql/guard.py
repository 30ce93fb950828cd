"""Guards of MySQL."""

from __future__ import annotations

from trueup.engines._innodb.guard import InnodbGuards


class MysqlGuards(InnodbGuards):
    """A role is an account that is locked and has no password, whatever the rules for passwords are."""

    name = "mysql"
    needed = "CREATE ROLE, DROP ROLE, SET_ANY_DEFINER (before 8.2 SET_USER_ID)"

    def made_for(self, account: str) -> str:
        """A role that nobody is given."""
        return f"CREATE ROLE {account}"

    def dropped(self, account: str) -> str:
        """DROP ROLE."""
        return f"DROP ROLE IF EXISTS {account}"
