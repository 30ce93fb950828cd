"""What a test run changes around itself, so that no test waits for a disk or reads certificates."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path

MEMORY = Path("/dev/shm")
#: The servers and databases of a run take less than one GB; a container has 64 MB there unless told.
ROOM = 4 * 2**30
#: PyMySQL reads every certificate of the machine for each connection, 50 ms of work; the test servers need none.
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PREFIX = f"trueup-tests-{os.getuid()}-"


def quicken() -> Callable[[], None]:
    """Put temporary files into memory where there is room, and show no certificates; the way back is returned.

    It holds for this process and all that it starts.
    """
    before = dict(os.environ)
    os.environ |= dict.fromkeys(CERTIFICATES, os.devnull)
    folder = _in_memory()
    if folder:
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)

    def back() -> None:
        tempfile.tempdir = None
        os.environ.clear()
        os.environ.update(before)

    return back


def online() -> dict[str, str]:
    """The environment of a program that fetches something: with the usual certificates."""
    return {name: value for name, value in os.environ.items() if name not in CERTIFICATES}


def _in_memory() -> Path | None:
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        return None
    for left in MEMORY.glob(f"{_PREFIX}*"):
        if _lock(left):  # whoever held it was killed
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=MEMORY))
    _lock(folder)
    folder.chmod(0o755)  # the servers have accounts of their own
    # after multiprocessing, at -100, has removed what it has there
    Finalize(None, shutil.rmtree, args=[folder], kwargs={"ignore_errors": True}, exitpriority=-200)
    return folder


def _lock(folder: Path) -> bool:
    """Hold a folder until this process ends; False where another one does."""
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
