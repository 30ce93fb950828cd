"""Guards of MariaDB."""

from __future__ import annotations

from trueup.guards._innodb import InnodbWords


class MariadbWords(InnodbWords):
    """As InnoDB has them."""

    name = "mariadb"
