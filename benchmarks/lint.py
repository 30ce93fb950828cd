"""`trueup lint` against ruff, pylint and semgrep on Django's and SQLAlchemy's own source.

Those that are not installed are named and left out. One rule against one rule, all against all, and a second run that
is answered from the cache.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._measure import Answer, alternate, lines, ratio, verdict
from benchmarks._place import Place

HEADING = "Lint"
#: The ratio that the page shows, and what it is.
RATIO = ("x cold", "times the time of all rules, cold")
ENGINES = ("sqlite",)
PROGRAM = Path(sys.executable).parent
#: Where `make peers` puts the linters that are not ours.
LINTERS = Path(__file__).parent.parent / ".venv" / "linters" / "bin"
#: Close to lost-json-change in what a pattern can say of it.
NEAREST = """\
rules:
  - id: nearest
    languages: [python]
    severity: WARNING
    message: a JSON attribute is changed in place
    pattern-either:
      - pattern: $X.$FIELD[$KEY] = $VALUE
      - pattern: $X.$FIELD.update(...)
"""
COLD, WARM = "trueup lint, all rules, cold", "trueup lint, all rules, warm"
ONE = "trueup lint, lost-json-change, cold"
RUFF, SEMGREP, PYLINT = "ruff, one rule", "semgrep, the nearest rule", "pylint"
TITLE = "trueup lint: {files} files of Django and SQLAlchemy"


def program(name: str) -> str | None:
    """The path of a linter beside this Python, in the environment of the linters, or of the system."""
    folders = [os.environ.get("TRUEUP_LINTERS", LINTERS), PROGRAM]
    return next((str(path) for folder in folders if (path := Path(folder) / name).exists()), shutil.which(name))


def measure(place: Place) -> Iterator[Answer]:
    source = place.folder / "source"
    source.mkdir(exist_ok=True)
    for package in ("django", "sqlalchemy"):
        spec = importlib.util.find_spec(package)
        assert spec is not None, package
        assert spec.origin is not None, package
        if not (source / package).exists():
            shutil.copytree(Path(spec.origin).parent, source / package, ignore=shutil.ignore_patterns("*.pyc"))
    (source / "pyproject.toml").write_text("[project]\nname = 'source'\n")
    rule = source / "nearest.yaml"
    rule.write_text(NEAREST)

    # as it is installed: where bytecode is not kept, each start would compile all that it imports
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def run(*command: str) -> Callable[[], None]:
        def go() -> None:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=source, env=kept)
            # 0 and 1 are answers; pylint's are sums of what it found
            assert done.returncode in (range(32) if "pylint" in command[0] else (0, 1)), done.stderr[-500:]

        return go

    trueup = str(PROGRAM / "trueup")
    folders = ("django", "sqlalchemy")
    quick = {
        COLD: run(trueup, "lint", *folders, "--no-cache"),
        WARM: run(trueup, "lint", *folders),
        ONE: run(trueup, "lint", *folders, "--no-cache", "--select", "lost-json-change"),
    }
    slow = {COLD: quick[COLD]}
    absent = []
    for name, into, command, *args in (
        (RUFF, quick, "ruff", "check", "--isolated", "--no-cache", "--select", "S608"),
        ("ruff, all rules", quick, "ruff", "check", "--isolated", "--no-cache", "--select", "ALL"),
        (
            SEMGREP,
            slow,
            "semgrep",
            "scan",
            "--metrics=off",
            "--disable-version-check",
            "--config",
            str(rule),
            "--no-git-ignore",
        ),
        (PYLINT, slow, "pylint", "--disable=all", "--enable=E,W,R,C", "-j", "0"),
    ):
        found = program(command)
        if found is None or (name == PYLINT and place.quick):
            absent.append(command)
        else:
            into[name] = run(found, *args, *folders)
    for work in quick.values():
        work()  # the cache is filled, and bytecode is kept
    rounds = 1 if place.quick else place.rounds
    seconds = alternate(quick, rounds, warm=False)
    # minutes each: a few rounds, beside runs of ours in the same minutes
    minutes = alternate(slow, min(rounds, 3), warm=False)
    aims = [verdict("warm against cold", ratio(seconds, WARM, COLD), 0.2)]
    for name, mine, measured, aim in (
        (RUFF, ONE, seconds, 2.0),
        (SEMGREP, COLD, minutes, 1.0),
        (PYLINT, COLD, minutes, 0.1),
    ):
        if name in measured:
            aims.append(verdict(f"{mine} against {name}", ratio(measured, mine, name), aim))
    aims += [f"not measured: {name}" for name in absent]
    files = sum(1 for _ in source.rglob("*.py"))
    yield Answer(
        "lint",
        place.engine,
        place.version,
        TITLE.format(files=files),
        (*lines(seconds, {"x cold": COLD}), *(one for one in lines(minutes, {"x cold": COLD}) if one.name != COLD)),
        rounds,
        tuple(aims),
    )
