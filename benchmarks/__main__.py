"""`python -m benchmarks [NAME ...]`: each question on each engine, a table as soon as it is answered."""

from __future__ import annotations

import argparse
import importlib
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path

from benchmarks._measure import keep, show
from benchmarks._place import ENGINES, opened
from tests.binaries import Unavailable

HERE = Path(__file__).parent
QUESTIONS = sorted(path.stem for path in HERE.glob("[a-z]*.py"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(QUESTIONS)}; without any, all of them")
    parser.add_argument("--engines", default=",".join(ENGINES), help="with commas between; default: %(default)s")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table; default: %(default)s")
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="few rows and rounds: that it runs, not how fast")
    parser.add_argument("--out", type=Path, help="a folder for the results, as JSON lines")
    found = parser.parse_args()
    for name in found.names:
        if name not in QUESTIONS:
            parser.error(f"there is no question {name!r}; there is {', '.join(QUESTIONS)}")
    for name in found.engines.split(","):
        if name not in ENGINES:
            parser.error(f"there is no engine {name!r}; there is {', '.join(ENGINES)}")
    if found.quick:
        found.rows, found.repeat = min(found.rows, 100_000), min(found.repeat, 2)
    return found


def commit() -> str:
    """The commit that is measured, and whether files differ from it."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main() -> int:
    """Returns 1 when a question could not be answered."""
    options = arguments()
    about = {
        "commit": commit(),
        "rows": options.rows,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    failed = 0
    for engine in options.engines.split(","):
        try:
            with opened(engine, options.rows, options.repeat, quick=options.quick) as place:
                for name in options.names or QUESTIONS:
                    question = importlib.import_module(f"benchmarks.{name}")
                    if engine not in getattr(question, "ENGINES", ENGINES):
                        continue
                    began = time.perf_counter()
                    try:
                        for answer in question.measure(place):
                            show(answer)
                            keep(answer, options.out, about)
                    except Exception:  # noqa: BLE001 - one question that fails leaves the others
                        traceback.print_exc()
                        print(f"{name} on {engine} could not be answered", file=sys.stderr)
                        failed = 1
                    print(f"  ({name} took {time.perf_counter() - began:.0f} s)", flush=True)
        except Unavailable as error:
            print(f"{engine}: not measured: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
