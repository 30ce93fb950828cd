"""Guards of MySQL."""

from __future__ import annotations

from trueup.guards._innodb import InnodbWords


class MysqlWords(InnodbWords):
    """As InnoDB has them."""

    name = "mysql"
