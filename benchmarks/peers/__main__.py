"""`python -m benchmarks.peers NAME`: one tool, asked by lines of JSON on standard input, answering on standard output.

The first line is the job: `{"engine", "url", "rows", "checks": {name: condition}, "question"}`. A tool's module has
`VERSION` and `start(job)`, which returns what to call for one check of the table and is its start-up: imports,
connection, its own configuration. The call returns the number of rows found by each check. The first answer holds the
seconds of the start-up, every later line of input asks for one check more.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time


def main() -> None:
    """Argument: the tool's module."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # tools print
        job = json.loads(sys.stdin.readline())
        began = time.perf_counter()
        tool = importlib.import_module(f"benchmarks.peers.{sys.argv[1]}")
        check = tool.start(job)
        took = time.perf_counter() - began
        print(json.dumps({"version": tool.VERSION, "startup": took}), file=answers, flush=True)
        for _ in sys.stdin:
            began = time.perf_counter()
            found = check()
            answer = {"found": found, "seconds": time.perf_counter() - began}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
