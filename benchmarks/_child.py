"""One verb in a process of its own, for its peak memory: prints it, with the seconds, as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def peak() -> int:
    """The most memory this process ever held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # not ru_maxrss: Linux lets a process inherit it from the one that started it
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main() -> None:
    """Arguments: the verb, the URL, the plan's path."""
    verb, url, path = sys.argv[1:]
    import trueup
    from trueup import discovery
    from trueup.checks.wrong_json_type import WrongJsonType
    from trueup.sql.dialect import Dialect

    check = WrongJsonType(
        table="events",
        column="metadata",
        expected=("object",),
        group_by="event_type",
        repair=("decode", "wrap", "nullify"),
    )
    config = trueup.Config("bench", {"app": url}, (check,))
    type(discovery.load("engines", url.partition(":")[0], Dialect, "dialect")()).nice = 0.0
    count = 0
    began = time.perf_counter()
    if verb == "nothing":
        trueup.scan(trueup.Config("bench", {"app": url}))
    elif verb == "scan":
        count = trueup.scan(config).findings
    elif verb == "plan":
        count = trueup.make_plan(config, path, because="benchmark").summary.count
    elif verb == "apply":
        count = trueup.apply(config, path, confirm="yes", because="benchmark").states.get("applied", 0)
    elif verb == "verify":
        count = trueup.verify(config, "last").intact
    elif verb == "undo":
        count = trueup.undo(config, "last", confirm="yes").states.get("undone", 0)
    print(json.dumps({"count": count, "seconds": time.perf_counter() - began, "peak": peak()}))


if __name__ == "__main__":
    main()
