"""The application: writers at a fixed rate, open loop, in a process of their own, each write and how long it took.

`python -m benchmarks._writers ENGINE ADDRESS ROWS RATE` writes until its standard input ends, then prints
`[[when it was due, seconds until it was committed], ...]` on the machine's monotonic clock. A write that was due while
the one before it still waited counts its waiting too: nothing is left out because the database was slow.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
from typing import Any

import psycopg
import pymysql

THREADS = 4


def connect(engine: str, address: str) -> Any:
    """A session that commits each statement; `address` is a file, or `host port user database`."""
    if engine == "sqlite":
        return sqlite3.connect(address, isolation_level=None, timeout=30)
    host, port, user, database = address.split()
    if engine == "postgresql":
        return psycopg.connect(host=host, port=int(port), user=user, dbname=database, autocommit=True)
    return pymysql.connect(host=host, port=int(port), user=user, database=database, autocommit=True)


def write(
    engine: str, address: str, rows: int, rate: float, first: float, stop: threading.Event, into: list[Any]
) -> None:
    """One writer: updates of random rows, `rate` a second from `first` on."""
    connection = connect(engine, address)
    cursor = connection.cursor()
    chance = random.Random(first)
    due = first
    while not stop.is_set():
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        cursor.execute(f"UPDATE events SET duration = duration + 1 WHERE id = {chance.randint(1, rows)}")
        into.append((due, time.monotonic() - due))
        due += 1 / rate
    connection.close()


def main() -> None:
    """All writers, until the input ends."""
    engine, address, rows, rate = sys.argv[1:]
    stop = threading.Event()
    found: list[list[Any]] = [[] for _ in range(THREADS)]
    each = float(rate) / THREADS
    began = time.monotonic() + 0.5
    threads = [
        threading.Thread(target=write, args=(engine, address, int(rows), each, began + n / float(rate), stop, found[n]))
        for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps(sorted(one for some in found for one in some)))


if __name__ == "__main__":
    main()
