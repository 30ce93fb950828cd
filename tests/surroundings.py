"""What a test run changes around itself, so that no test waits for a disk or reads certificates."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

MEMORY = Path("/dev/shm")
#: The servers and databases of a run take less than one GB; a container has 64 MB there unless told.
ROOM = 4 * 2**30
#: PyMySQL reads every certificate of the machine for each connection, 50 ms of work; the test servers need none.
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


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
        os.environ.clear()
        os.environ.update(before)
        if folder:
            tempfile.tempdir = None
            shutil.rmtree(folder, ignore_errors=True)

    return back


def online() -> dict[str, str]:
    """The environment of a program that fetches something: with the usual certificates."""
    return {name: value for name, value in os.environ.items() if name not in CERTIFICATES}


def _in_memory() -> Path | None:
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        return None
    folder = Path(tempfile.mkdtemp(prefix="trueup-tests-", dir=MEMORY))
    folder.chmod(0o755)  # the servers have accounts of their own
    return folder
