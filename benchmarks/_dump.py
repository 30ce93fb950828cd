"""A table kept aside with the engine's own tools, and brought back: the usual way to undo."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks._place import Place
from tests.binaries import candidates, postgresql_folder


class Dump:
    """The dump of one table, made beforehand."""

    def __init__(self, place: Place, name: str, table: str) -> None:
        """Make it: untimed, for it is made before the repair. Its size and the words for it are `size` and `how`."""
        self.place, self.name, self.table = place, name, table
        self.path = place.folder / f"{name}.dump"
        if place.engine == "sqlite":
            with closing(sqlite3.connect(self._database)) as source, closing(sqlite3.connect(self.path)) as target:
                source.backup(target)
        else:
            self._run(self._dump, to=self.path)
        self.size = self.path.stat().st_size
        assert self.size, f"{self.how}: the dump is empty"

    @property
    def how(self) -> str:
        """The tool, for a reader."""
        return {
            "sqlite": "the file copied back",
            "postgresql": "pg_restore",
            "mysql": f"{Path(self._dump[0]).name} and its client",
            "mariadb": f"{Path(self._dump[0]).name} and its client",
        }[self.place.engine]

    def restore(self) -> None:
        """The whole table as it was, whatever was written to it since."""
        if self.place.engine == "sqlite":
            shutil.copyfile(self.path, self._database)
            subprocess.run(["sync", str(self._database)], check=True)
        elif self.place.engine == "postgresql":
            self._run([*self._client, "--clean", "--if-exists", "--exit-on-error", str(self.path)])
        else:
            self._run(self._client, source=self.path)

    @property
    def _database(self) -> Path:
        return self.place.folder / f"{self.name}.db"

    @property
    def _dump(self) -> list[str]:
        if self.place.engine == "sqlite":
            return ["copy"]
        if self.place.engine == "postgresql":
            # not the one on the PATH: Debian's is a wrapper, and must be called by its own name
            return [
                str(postgresql_folder() / "pg_dump"),
                "--format=custom",
                f"--table={self.table}",
                self.place.url(self.name),
            ]
        tool = next(tool for name in ("mariadb-dump", "mysqldump") for tool in candidates(name, "mariadb"))
        return [str(tool), *self._address, "--single-transaction", "--quick", "--hex-blob", self.name, self.table]

    @property
    def _client(self) -> list[str]:
        if self.place.engine == "postgresql":
            return [str(postgresql_folder() / "pg_restore"), f"--dbname={self.place.url(self.name)}"]
        client = next(tool for name in ("mariadb", "mysql") for tool in candidates(name, "mariadb"))
        return [str(client), *self._address, self.name]

    @property
    def _address(self) -> list[str]:
        url = urlsplit(self.place.url(self.name))
        return ["--no-defaults", f"--host={url.hostname}", f"--port={url.port}", f"--user={url.username}"]

    def _run(self, command: list[str], *, source: Path | None = None, to: Path | None = None) -> None:
        with (source or Path("/dev/null")).open("rb") as stdin, (to or Path("/dev/null")).open("wb") as stdout:
            done = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=False, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
