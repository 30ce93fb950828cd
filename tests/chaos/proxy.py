"""A TCP proxy on loopback that cuts connections where it hurts most: around COMMIT."""

from __future__ import annotations

import random
import re
import select
import socket
import threading
from collections import Counter
from contextlib import suppress

COMMIT = re.compile(rb"\bCOMMIT\b", re.IGNORECASE)  # not `READ COMMITTED`
HOLDING = b"FOR UPDATE"
#: `ack`: the server has answered COMMIT, the client never hears it. `lost`: the server never hears of the COMMIT.
#: `racing`: both ends are cut while COMMIT is on its way. `middle`: in any other statement.
CUTS = ("ack", "lost", "racing", "middle")


class Proxy:
    """Forwards to a server's port; of COMMITs it cuts the share `often`, and now and then in between."""

    def __init__(self, port: int, seed: int, often: float = 0.12) -> None:
        self._target, self._often = port, often
        self._rng = random.Random(seed)
        self._guard = threading.Lock()
        self.cuts: Counter[str] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._accept, name="proxy")]
        self._threads[0].start()

    def close(self) -> None:
        """Cut all, and wait until nothing is left."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            with suppress(OSError):
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=[client], name="proxied")
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            armed = False  # once it has held a run: a line cut while it is being set up is nothing new
            while not self._ending.is_set():
                ready, _, _ = select.select([client, server], [], [], 0.1)
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is server:
                        client.sendall(data)
                        continue
                    armed = armed or HOLDING in data
                    if not armed:
                        server.sendall(data)
                    elif self._cut(data, server):
                        return

    def _cut(self, data: bytes, server: socket.socket) -> bool:
        """Forward what the client says; True when the line is to be dead after it."""
        is_commit = len(data) < 64 and COMMIT.search(data) is not None
        how = self._choose(is_commit=is_commit)
        if how != "lost":
            server.sendall(data)
        if how == "ack":
            server.recv(65536)  # by now it is committed
        if how:
            with self._guard:
                self.cuts[how] += 1
        return bool(how)

    def _choose(self, *, is_commit: bool) -> str:
        with self._guard:
            if is_commit:
                return self._rng.choice(CUTS[:3]) if self._rng.random() < self._often else ""
            return "middle" if self._rng.random() < self._often / 100 else ""
