"""Backs up MariaDB with mariadb-dump and mariadb."""

from __future__ import annotations

from trueup.engines._innodb.backup import InnodbTool


class MariadbTool(InnodbTool):
    """Uses MariaDB's own programs, also under their former names."""

    name = "mariadb"
    dumps = ("mariadb-dump", "mysqldump")
    clients = ("mariadb", "mysql")
    package = "MariaDB's client programs"
    mariadb = True
