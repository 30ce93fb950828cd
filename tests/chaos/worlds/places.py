"""Where worlds are played: a file, or a server with what a world leaves behind taken away before the next one."""

from __future__ import annotations

import json
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.plain import ERRORS, Session
from tests.chaos.worlds.dump import SYSTEM, Reader
from tests.chaos.worlds.limits import GLOBAL
from tests.chaos.worlds.model import World
from trueup.config.config import load_config


class Ground:
    """One engine's ground."""

    def __init__(self, engine: str, url: str, folder: Path) -> None:
        self.engine, self.url = engine, url
        self.folder = Path(tempfile.mkdtemp(prefix="world-", dir=folder))
        if engine == "sqlite":
            memory = Path("/dev/shm")
            self._place = Path(tempfile.mkdtemp(prefix="trueup-world-", dir=memory if memory.is_dir() else folder))
            self.file = self._place / "w.db"
            self.url = f"sqlite:///{self.file}"
        self.session = Session(engine, self.url)

    def close(self) -> None:
        """Leave nothing behind in memory."""
        self.session.close()
        if self.engine == "sqlite":
            for path in self._place.iterdir():
                path.unlink()
            self._place.rmdir()

    # -- making -------------------------------------------------------------------------------------------------------
    def clear(self) -> None:
        """Take the last world away."""
        if self.engine == "sqlite":
            self.session.close()
            for path in self._place.iterdir():
                path.unlink()
            self.session = Session(self.engine, self.url)
        elif self.engine == "postgresql":
            self._clear_postgresql()
        else:
            self._clear_innodb()

    def _clear_postgresql(self) -> None:
        run, rows = self.session.run, self.session.rows
        self.session.rollback()
        with suppress(*ERRORS):
            run("ROLLBACK")
        run("SET client_min_messages = error")
        run("SET lock_timeout = '10s'")
        for pid in self.session.others():
            rows("SELECT pg_terminate_backend(?::int)", pid)
        run("RESET TimeZone")
        run("ALTER DATABASE chaos RESET ALL")
        run("ALTER ROLE postgres RESET ALL")
        for (name,) in rows("SELECT pubname FROM pg_publication"):
            run(f'DROP PUBLICATION "{name}"')
        for (name,) in rows(
            "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
        ):
            run(f'DROP SCHEMA "{name}" CASCADE')
        run("CREATE SCHEMA public")
        run("GRANT ALL ON SCHEMA public TO public")
        for (name,) in rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'w\\_%'"):
            run(f'DROP OWNED BY "{name}" CASCADE')
            run(f'DROP ROLE "{name}"')

    def _clear_innodb(self) -> None:
        run, rows = self.session.run, self.session.rows
        run("SET foreign_key_checks = 0")
        run("SET SESSION lock_wait_timeout = 20")
        run("SET GLOBAL sql_mode = DEFAULT")
        run("SET SESSION sql_mode = DEFAULT")
        run("SET GLOBAL time_zone = 'SYSTEM'")
        run("SET SESSION time_zone = 'SYSTEM'")
        for name in GLOBAL:
            run(f"SET GLOBAL {name} = DEFAULT")
            run(f"SET SESSION {name} = DEFAULT")
        for number in self.session.others():
            with suppress(*ERRORS):
                run(f"KILL {number}")
        for (name,) in rows("SELECT schema_name FROM information_schema.schemata"):
            if name not in SYSTEM:
                run(f"DROP DATABASE `{name}`")
        run("CREATE DATABASE chaos CHARACTER SET utf8mb4")
        run("USE chaos")
        for user, host in rows("SELECT user, host FROM mysql.user WHERE user LIKE 'w\\_%'"):
            run(f"DROP USER '{user}'@'{host}'")
        run("SET foreign_key_checks = 1")

    def build(self, world: World) -> None:
        """Run the setup."""
        if self.engine == "sqlite":
            self.session.run("PRAGMA foreign_keys = OFF")
        if self.engine == "postgresql":
            self.session.run("SET search_path = public")
        for piece in world.pieces:
            for statement in piece.sql:
                self.session.run(statement)

    def configure(self, world: World) -> Any:
        """trueup's configuration for a world, read as a user's is."""
        path = self.folder / "trueup.yaml"
        url = self.url
        if world.account:
            parts = urlsplit(self.url)
            url = parts._replace(netloc=f"{world.account}:secret@{parts.hostname}:{parts.port}").geturl()
        checks = [dict(subject.options) for subject in world.subjects]
        document = {"environment": "staging", "stores": {"app": url}, "checks": checks}
        path.write_text(json.dumps(document, ensure_ascii=False))
        return load_config(str(path))

    # -- looking ------------------------------------------------------------------------------------------------------
    def kept(self) -> Sequence[str]:
        """What must be the same after each verb, besides rows."""
        found = Reader(self.session, self.url).belongings()
        if self.engine == "sqlite":
            mode = self.file.stat()
            found += [f"mode {stat.S_IMODE(mode.st_mode):o} {mode.st_uid} {mode.st_ino}"]
            found += [f"file {path.name}" for path in self._place.iterdir() if path.suffix == ".db"]
        return found

    def alone(self) -> None:
        """Wait until the server has noticed that a killed client is gone."""
        if self.engine != "sqlite":
            self.session.wait_until_alone()

    def publications(self) -> list[str]:
        """The publications that publish whatever there is."""
        if self.engine != "postgresql":
            return []
        return [str(name) for (name,) in self.session.rows("SELECT pubname FROM pg_publication WHERE puballtables")]

    def leaks_out(self) -> list[str]:
        """The journal's tables that are published."""
        asked = "SELECT pubname, tablename FROM pg_publication_tables WHERE schemaname = 'trueup'"
        return [f"{name}: {table}" for name, table in self.session.rows(asked)]

    def leaks(self) -> list[str]:
        """Ways in which the journal hangs on the application."""
        if self.engine != "postgresql":
            return []
        typed = self.session.rows(
            "SELECT relname, attname, t.typname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
            "JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_type t ON t.oid = atttypid "
            "JOIN pg_namespace o ON o.oid = t.typnamespace WHERE n.nspname = 'trueup' AND relkind = 'r' AND attnum > 0 "
            "AND NOT attisdropped AND o.nspname NOT IN ('pg_catalog', 'trueup')"
        )
        return [f"the journal's {name}.{column} is of the application's type {kind}" for name, column, kind in typed]
