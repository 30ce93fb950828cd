"""Throw-away database servers: a temporary folder, a free port, loopback only, by root or by anyone.

    with PostgreSQL() as server:
        server.create_database("shop")
        psycopg.connect(server.url("shop"))

A server ends with the process that started it, however that process ends: a watchdog holds the other end of a pipe.
"""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import psycopg
import pymysql

from tests.binaries import (
    Unavailable,
    mariadb_programs,
    mysql_build,
    pgbouncer_program,
    postgresql18_folder,
    postgresql_folder,
)

START_SECONDS = 240
# A line read means "all is tidied"; the end of the pipe means that whoever started the server is gone.
WATCHDOG = 'read -r _ || { kill -9 "$(cat "$1/server.pid")"; rm -rf "$1" || { sleep 1; rm -rf "$1"; }; }'


class Server(ABC):
    """A server of one engine. `start`, `kill` and `start` again keep the folder and the port; `stop` removes all."""

    engine: ClassVar[str]
    accounts: ClassVar[tuple[str, ...]]

    def __init__(self, *, durable: bool = False, options: Sequence[str] = ()) -> None:
        """`durable`: as safe as in production; else fast, and a crash of the machine (not of the server) loses data."""
        self.durable = durable
        self.options = tuple(options)
        self.account = _account(self.accounts)
        self.folder = Path()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @classmethod
    def attach(cls, port: int) -> Self:
        """A server that another process of this test run started: it can be used, not killed or stopped."""
        server = cls()
        server.port = port
        return server

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the server while it runs."""
        if self._process is None:
            raise RuntimeError(f"this {self.engine} is not running, or another process started it")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server that this process started is still there."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: str) -> str:
        """The plain URL of a database, as a user would write it."""
        return f"{self.engine}://{self._admin()}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        """Start, for the first time or after `kill`, and wait until it answers. Raises Unavailable."""
        try:
            if not self.port:
                self._prepare()
            deadline = time.monotonic() + START_SECONDS
            while not self._answers(deadline):
                # the port was taken in between, or the children of a killed server are still leaving
                time.sleep(0.3)
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """End the server and its children with SIGKILL, as a crash would; the data stays."""
        children = _children(self.pid)
        for pid in (self.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process:
            self._process.wait()
        self._process = None
        self._pid_file.write_text("")

    def stop(self) -> None:
        """End the server without ceremony and remove its folder. May be called twice."""
        if self._process:
            self.kill()
        if self._watchdog is None:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():  # a child of the server wrote a last file meanwhile
            time.sleep(0.3)
            shutil.rmtree(self.folder, ignore_errors=True)
        self._watchdog.communicate(b"tidied\n")
        self._watchdog = None
        self.port = 0

    @abstractmethod
    def version(self) -> str:
        """The server's own version, numbers only: `15.18`."""

    @abstractmethod
    def create_database(self, name: str) -> None:
        """Create an empty database."""

    @abstractmethod
    def drop_database(self, name: str) -> None:
        """Drop a database, and with it the connections that a test left open."""

    @abstractmethod
    def _admin(self) -> str: ...

    @abstractmethod
    def _initialise(self) -> list[str]:
        """Find the programs and return the command that fills the data folder. Raises Unavailable."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command that runs the server in the foreground."""

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "server.pid"

    def _prepare(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"trueup-{self.engine}-", dir=_reachable_folder()))
        (self.folder / "tmp").mkdir()
        self._watchdog = subprocess.Popen(
            ["sh", "-c", WATCHDOG, "watchdog", self.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal must not end it first
        )
        command = self._initialise()
        if self.account:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)
        self._spawn(command)
        assert self._process
        failed = self._process.wait(300)
        self._process = None
        if failed:
            raise Unavailable(f"{self.engine} could not make its data folder: {self._last_words()}")
        self.port = _free_port()

    def _spawn(self, command: Sequence[str]) -> None:
        drop = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []} if self.account else {}
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(  # type: ignore[call-overload]  # the stubs want each keyword spelled out
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **drop,
            )
        self._pid_file.write_text(str(self.pid))

    def _answers(self, deadline: float) -> bool:
        """Run the server until it answers (True) or ends by itself (False); raise Unavailable at the deadline."""
        self._spawn(self._command())
        assert self._process
        while self._process.poll() is None:
            with suppress(psycopg.OperationalError, pymysql.OperationalError):
                self.version()
                return True
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.engine} does not answer: {self._last_words()}")
            time.sleep(0.05)
        if time.monotonic() > deadline or not self._may_start_again():
            raise Unavailable(f"{self.engine} ended at its start: {self._last_words()}")
        return False

    def _may_start_again(self) -> bool:
        log = (self.folder / "server.log").read_text(errors="replace").lower()
        return any(trap in log for trap in ("address already in use", "still in use", "unable to lock", "lock file"))

    def _last_words(self) -> str:
        lines = (self.folder / "server.log").read_text(errors="replace").strip().splitlines()
        telling = [line for line in lines if "ERROR" in line or "FATAL" in line] or lines
        return telling[0] if telling else "no reason given"


class PostgreSQL(Server):
    """PostgreSQL, which refuses to run as root."""

    engine = "postgresql"
    accounts = ("postgres", "nobody")

    def version(self) -> str:
        return str(self._query("SHOW server_version")).split()[0]

    def create_database(self, name: str) -> None:
        self._query(f'CREATE DATABASE "{name}"')

    def drop_database(self, name: str) -> None:
        self._query(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _admin(self) -> str:
        return "postgres"

    def _find(self) -> Path:
        return postgresql_folder()

    def _initialise(self) -> list[str]:
        self._programs = self._find()
        # C.UTF-8 folds the case of any letter; macOS has no such locale
        locale = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", f"--locale={locale}", "--no-sync"]
        return [str(self._programs / "initdb"), "-D", str(self._data), *options]

    def _command(self) -> list[str]:
        safe = "on" if self.durable else "off"
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": safe,
            "synchronous_commit": safe,
            "full_page_writes": safe,
            "dynamic_shared_memory_type": "mmap",  # what a killed server leaves in /dev/shm nobody removes
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self._data), *options, *self.options]

    def _query(self, sql: str) -> object:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(sql.encode())
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


class PostgreSQL18(PostgreSQL):
    """The newest PostgreSQL, from a Python package, beside the one that the machine has."""

    def _find(self) -> Path:
        found = postgresql18_folder()
        if not self.account or _reachable(found):
            return found
        shutil.copytree(found.parent, self.folder / "installed", symlinks=True)
        return self.folder / "installed" / "bin"


class Pgbouncer(Server):
    """A pooler before a PostgreSQL: each transaction may get another of its `size` sessions."""

    engine = "postgresql"
    accounts = ("postgres", "nobody")

    def __init__(self, behind: PostgreSQL, *, size: int = 2) -> None:
        super().__init__()
        self.behind, self.size = behind, size

    def version(self) -> str:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as connection:
            row = connection.execute("SHOW server_version").fetchone()
            return str(row[0]).split()[0] if row else ""

    def create_database(self, name: str) -> None:
        self.behind.create_database(name)

    def drop_database(self, name: str) -> None:
        self.behind.drop_database(name)

    def _admin(self) -> str:
        return "postgres"

    def _initialise(self) -> list[str]:
        self._program = pgbouncer_program()
        (self.folder / "users.txt").write_text('"postgres" ""\n')
        return ["true"]

    def _command(self) -> list[str]:
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self.folder / "users.txt",
            "pool_mode": "transaction",
            "default_pool_size": self.size,
            "max_client_conn": 100,
            "ignore_startup_parameters": "extra_float_digits,options",
        }
        lines = ["[databases]", f"* = host=127.0.0.1 port={self.behind.port}", "[pgbouncer]"]
        file = self.folder / "pgbouncer.ini"
        file.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]) + "\n")
        return [str(self._program), str(file)]


class MySQLFamily(Server):
    """What MySQL and MariaDB share: options, SQL, and root with an empty password on loopback."""

    def version(self) -> str:
        return str(self._query("SELECT version()")[0][0]).split("-")[0]

    def create_database(self, name: str) -> None:
        self._query(f"CREATE DATABASE `{name}`")

    def drop_database(self, name: str) -> None:
        for row in self._query("SHOW PROCESSLIST"):
            if row[3] == name:  # an open transaction would hold up the DROP, for a year unless told
                with suppress(pymysql.MySQLError):
                    self._query(f"KILL {row[0]}")
        self._query(f"DROP DATABASE IF EXISTS `{name}`")

    def _admin(self) -> str:
        return "root"

    def _shared_options(self) -> list[str]:
        return [
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--socket={self.folder}/s.sock",
            f"--pid-file={self.folder}/tmp/pid",
            f"--tmpdir={self.folder}/tmp",
            "--max-connections=200",
            "--local-infile=ON",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 0}",
            f"--innodb-doublewrite={'ON' if self.durable else 'OFF'}",
            *([] if self.durable else ["--skip-log-bin", "--innodb-flush-method=nosync"]),
        ]

    def _query(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        with closing(
            pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True, connect_timeout=10)
        ) as connection:
            cursor = connection.cursor()
            cursor.execute("SET SESSION lock_wait_timeout = 20")
            cursor.execute(sql)
            return tuple(cursor.fetchall())


class MariaDB(MySQLFamily):
    """MariaDB."""

    engine = "mariadb"
    accounts = ("mysql", "nobody")

    def _initialise(self) -> list[str]:
        self._program, install = mariadb_programs()
        return [
            str(install),
            "--no-defaults",
            f"--datadir={self._data}",
            f"--tmpdir={self.folder}/tmp",  # two at once would remove each other's tables from /tmp
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--innodb-log-file-size=32M",
        ]

    def _command(self) -> list[str]:
        options = ["--no-defaults", f"--datadir={self._data}", "--innodb-log-file-size=32M", *self._shared_options()]
        return [str(self._program), *options, *self.options]


class MySQL(MySQLFamily):
    """MySQL, from this machine or unpacked from Debian's newest."""

    engine = "mysql"
    accounts = ("mysql", "nobody")

    def _initialise(self) -> list[str]:
        self._build = mysql_build()
        # root@localhost does not cover 127.0.0.1 while names are not resolved
        account = "CREATE USER root@127.0.0.1; GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;"
        first = self.folder / "first.sql"
        first.write_text(account.replace("; ", ";\n") + "\n")
        return [*self._program_and_place(), "--initialize-insecure", f"--init-file={first}"]

    def _command(self) -> list[str]:
        speed = ["--mysqlx=OFF", "--performance-schema=OFF", "--innodb-redo-log-capacity=64M"]
        return [*self._program_and_place(), *speed, *self._shared_options(), *self.options]

    def _program_and_place(self) -> list[str]:
        place = [f"--datadir={self._data}", f"--tmpdir={self.folder}/tmp", "--secure-file-priv=NULL"]
        return [*self._build.command, "--no-defaults", *self._build.options, *place]


SERVERS: dict[str, type[Server]] = {server.engine: server for server in (PostgreSQL, MySQL, MariaDB)}
#: Another version of an engine, for tests that ask for it by this name.
VARIANTS: dict[str, type[Server]] = {"postgresql18": PostgreSQL18}


def _account(names: Sequence[str]) -> pwd.struct_passwd | None:
    """Whom to run a server as when we are root, which servers refuse; None when we are not."""
    if os.getuid() != 0:
        return None
    for name in names:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable(f"running as root, and no account of {', '.join(names)} to run it as")


def _reachable_folder() -> Path:
    """A folder for temporary files that an unprivileged account can reach: root's own is closed to it."""
    for folder in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")):
        real = folder.resolve()
        if real.is_dir() and _reachable(real):
            return real
    return Path(tempfile.gettempdir())


def _reachable(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder.resolve(), *folder.resolve().parents))


def _free_port() -> int:
    """A port below the ones that the system gives to outgoing connections, so that a restart finds it free."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _children(pid: int) -> list[int]:
    if Path("/proc/self/stat").exists():  # a small Debian has no ps
        pairs = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(ProcessLookupError, FileNotFoundError):  # it may end while we look
                # the name of a program, in brackets, may hold blanks and brackets
                pairs.append((path.parent.name, path.read_text(errors="replace").rpartition(")")[2].split()[1]))
    else:
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [(words[0], words[1]) for words in map(str.split, listing.splitlines())]
    return [int(child) for child, parent in pairs if int(parent) == pid]
