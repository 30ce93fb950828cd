"""Backs up MySQL with mysqldump and mysql."""

from __future__ import annotations

from trueup.engines._innodb.backup import InnodbTool


class MysqlTool(InnodbTool):
    """Uses MySQL's own programs. MariaDB installs some under the same name."""

    name = "mysql"
    dumps = ("mysqldump",)
    clients = ("mysql",)
    package = "MySQL's client programs"
    more = ("--set-gtid-purged=OFF",)
    limits = ("inside JSON, dates, times and decimals come back as strings and doubles",)
