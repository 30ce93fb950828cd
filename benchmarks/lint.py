"""`trueup lint` against ruff, pylint and semgrep on Django's and SQLAlchemy's own source.

Those that are not installed are named and left out. One rule against one rule, all against all, and a second run that
is answered from the cache.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._measure import Answer, alternate, lines, ratio, verdict
from benchmarks._place import Place

ENGINES = ("sqlite",)
PROGRAM = Path(sys.executable).parent
#: Close to lost-json-change in what a pattern can say of it.
SEMGREP = """\
rules:
  - id: nearest
    languages: [python]
    severity: WARNING
    message: a JSON attribute is changed in place
    pattern-either:
      - pattern: $X.$FIELD[$KEY] = $VALUE
      - pattern: $X.$FIELD.update(...)
"""
TITLE = "trueup lint: {files} files of Django and SQLAlchemy"


def program(name: str) -> str | None:
    """The path of a linter beside this Python, or of the system."""
    beside = PROGRAM / name
    return str(beside) if beside.exists() else shutil.which(name)


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
    rule.write_text(SEMGREP)

    def run(*command: str) -> Callable[[], None]:
        def go() -> None:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=source)
            assert done.returncode in range(32), done.stderr[-500:]

        return go

    trueup = str(PROGRAM / "trueup")
    folders = ("django", "sqlalchemy")
    contestants = {
        "trueup lint, all rules, cold": run(trueup, "lint", *folders, "--no-cache"),
        "trueup lint, all rules, warm": run(trueup, "lint", *folders),
        "trueup lint, lost-json-change, cold": run(
            trueup, "lint", *folders, "--no-cache", "--select", "lost-json-change"
        ),
    }
    absent = []
    others: dict[str, tuple[str, ...]] = {
        "ruff, one rule": ("ruff", "check", "--isolated", "--no-cache", "--select", "S608", *folders),
        "ruff, all rules": ("ruff", "check", "--isolated", "--no-cache", "--select", "ALL", *folders),
        "semgrep, the nearest rule": ("semgrep", "--metrics=off", "--config", str(rule), "--no-git-ignore", *folders),
    }
    if not place.quick:
        others["pylint"] = ("pylint", "--disable=all", "--enable=E,W,R,C", "-j", "0", *folders)
    for name, (command, *args) in others.items():
        found = program(command)
        if found is None:
            absent.append(command)
        else:
            contestants[name] = run(found, *args)
    rounds = 1 if place.quick else min(place.rounds, 3)
    contestants["trueup lint, all rules, warm"]()
    seconds = alternate(contestants, rounds, warm=False)
    cold = "trueup lint, all rules, cold"
    aims = [verdict("warm against cold", ratio(seconds, "trueup lint, all rules, warm", cold), 0.2)]
    for name, mine, aim in (
        ("ruff, one rule", "trueup lint, lost-json-change, cold", 2.0),
        ("semgrep, the nearest rule", cold, 1.0),
        ("pylint", cold, 0.1),
    ):
        if name in seconds:
            aims.append(verdict(f"{mine} against {name}", ratio(seconds, mine, name), aim))
    aims += [f"not installed, not measured: {name}" for name in absent]
    files = sum(1 for _ in source.rglob("*.py"))
    yield Answer(
        "lint",
        place.engine,
        place.version,
        TITLE.format(files=files),
        lines(seconds, {"x cold": cold}),
        rounds,
        tuple(aims),
    )
