"""Runs rules over files: a file is read once, parsed only when a rule may find something in it, and in parallel."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trueup.errors import UsageError
from trueup.findings import Finding, Source
from trueup.lint import settings as options
from trueup.lint.cache import Cache
from trueup.lint.index import Index
from trueup.lint.project import Project
from trueup.lint.results import Report
from trueup.lint.rule import Rule
from trueup.lint.settings import Settings
from trueup.lint.source import TOO_DEEP, Module, Unreadable, parse
from trueup.lint.suppress import marks, read_baseline, sift

#: Below this many bytes of source another process costs more than it saves.
_PARALLEL = 2_000_000
#: So many files are parsed in no time.
_FEW = 50


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to look at: `paths` are reported on, everything under `root` may be imported by them."""

    paths: tuple[Path, ...]
    root: Path
    settings: Settings
    rules: tuple[Rule, ...]
    use_cache: bool = True
    baseline: Path | None = None


def job(
    paths: Sequence[str],
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    use_cache: bool = True,
    baseline: str | None = None,
) -> Job:
    """Read the settings of the project of the paths; what is given here goes before them. Raises `UsageError`."""
    places = tuple(Path(path) for path in paths)
    for place in places:
        if not place.exists():
            raise UsageError(f"there is no file or folder {str(place)!r}")
    root = options.root_of(places)
    found = options.read(root)
    if select:
        found = Settings(
            select=tuple(select),
            ignore=(),
            extend_select=(),
            exclude=found.exclude,
            per_file_ignores=found.per_file_ignores,
            baseline=found.baseline,
        )
    if ignore:
        found = Settings(**{**vars(found), "ignore": (*found.ignore, *ignore)})
    path = Path(baseline) if baseline is not None else root / found.baseline if found.baseline else None
    return Job(paths=places, root=root, settings=found, rules=tuple(found.rules()), use_cache=use_cache, baseline=path)


def lint(todo: Job) -> Report:
    """Look at the files and return what is found. Nothing of the project is imported or run."""
    modules, chosen = read_modules(todo)
    cache = Cache(todo.root if todo.use_cache else None)
    question = _question(todo, modules, chosen)
    known = cache.answer(question) if todo.use_cache else None
    if known is None:
        collects = gc.isenabled()
        gc.disable()  # trees are many small objects that live to the end: collecting them finds nothing, at length
        try:
            known = _look(todo, modules, chosen, cache)
        finally:
            if collects:
                gc.enable()
        if todo.use_cache:
            cache.keep(question, known)
    return _report(todo, known)


def read_modules(todo: Job) -> tuple[dict[str, Module], list[str]]:
    """Every file of the project by its shown path, and those to report on."""
    root, exclude = os.path.abspath(todo.root), todo.settings.exclude  # noqa: PTH100 - a link keeps its own name
    above = _above_packages(root)
    here, home, folder = _folder(str(Path.cwd())), _folder(above), os.path.basename(above)  # noqa: PTH119 - as above
    inside: dict[str, str] = {}
    chosen = []
    for place in todo.paths:
        path = os.path.abspath(place)  # noqa: PTH100 - as above
        for real in options.python_files(path, exclude, root if place.is_dir() else None):
            if real not in inside:
                inside[real] = real.removeprefix(here)
                chosen.append(inside[real])
    if any(rule.scope == "project" for rule in todo.rules):
        for real in options.python_files(root, exclude):
            if real not in inside:
                inside[real] = real.removeprefix(here)
    modules = {}
    for real, shown in inside.items():
        data, problem = b"", ""
        try:
            with open(real, "rb", buffering=0) as file:  # noqa: PTH123 - a run opens thousands
                data = file.readall()
        except OSError as error:
            problem = f"it cannot be opened: {error.strerror}"
        parts = tuple(real.removeprefix(home).removesuffix(".py").split(os.sep))  # noqa: PTH206 - as above
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        modules[shown] = Module(shown, data, parts, folder)
        modules[shown].problem = problem
    return modules, chosen


def _above_packages(root: str) -> str:
    """The folder from which modules are named: a package that is looked at by itself keeps its own name."""
    while os.path.exists(os.path.join(root, "__init__.py")):  # noqa: PTH110, PTH118 - as above
        root = os.path.dirname(root)  # noqa: PTH120
    return root


def _folder(path: str) -> str:
    """A folder as the beginning of the paths inside it."""
    return path if path.endswith(os.sep) else path + os.sep


def _question(todo: Job, modules: dict[str, Module], chosen: list[str]) -> str:
    state = hashlib.blake2b(digest_size=16)
    state.update(repr([rule.name for rule in todo.rules]).encode())
    state.update(repr(sorted(todo.settings.per_file_ignores.items())).encode())
    state.update("\0".join(chosen).encode("utf-8", "surrogateescape"))
    for path, module in modules.items():
        state.update(path.encode("utf-8", "surrogateescape") + hashlib.blake2b(module.data, digest_size=16).digest())
        state.update(module.problem.encode())
    return state.hexdigest()


def _look(todo: Job, modules: dict[str, Module], chosen: list[str], cache: Cache) -> dict[str, Any]:
    index = Index(Project(modules.values(), cache.load))
    for rule in todo.rules:
        rule.prepare(index)
    wanted = {path: rules for path in chosen if (rules := _rules(todo, modules[path]))}
    read = [path for path, rules in wanted.items() if any(rule.reads for rule in rules)]
    workers = min(os.cpu_count() or 1, 8)
    if sum(len(modules[path].data) for path in read) > _PARALLEL and workers > 1 and hasattr(os, "fork"):
        found = _parallel(index, wanted, workers)
    else:
        found = {path: _file(rules, index, path) for path, rules in wanted.items()}
    result: dict[str, Any] = {
        "files": len(chosen),
        "ignored": 0,
        "findings": [],
        "unreadable": _unread(chosen, read, modules),
    }
    for path in wanted:
        findings, ignored, problem = found[path]
        result["ignored"] += ignored
        if problem:
            result["unreadable"][path] = problem
        for finding in sorted(findings, key=_order):
            result["findings"].append(_plain(finding, modules[path]))
    return result


def _unread(chosen: Sequence[str], read: Sequence[str], modules: Mapping[str, Module]) -> dict[str, str]:
    """Why files that no rule reads could not be read; parsed only where few are left, for it is not needed."""
    found = {path: modules[path].problem for path in chosen if modules[path].problem}
    rest = [path for path in set(chosen).difference(read, found) if modules[path].data]
    for path in sorted(rest) if len(chosen) < _FEW or len(rest) * 2 < len(chosen) else ():
        try:
            parse(modules[path].data)
        except Unreadable as problem:
            found[path] = str(problem)
    return found


_Found = tuple[list[Finding], int, str]
_Wanted = Mapping[str, Sequence[Rule]]
_shared: tuple[_Wanted, Index] | None = None


def _rules(todo: Job, module: Module) -> list[Rule]:
    """The rules that may find something in a file."""
    return [
        rule for rule in todo.rules if rule.wants(module.data) and not todo.settings.ignored(module.path, rule.name)
    ]


def _parallel(index: Index, wanted: _Wanted, workers: int) -> dict[str, _Found]:
    """The index is inherited, not sent: workers are forked when it is made."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    global _shared  # noqa: PLW0603 - what a fork inherits has to have a name
    _shared = (wanted, index)
    paths = list(wanted)
    chunks = [paths[start :: workers * 8] for start in range(workers * 8)]
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
            return dict(pair for pairs in pool.map(_chunk, chunks) for pair in pairs)
    finally:
        _shared = None


def _chunk(paths: list[str]) -> list[tuple[str, _Found]]:
    assert _shared is not None
    wanted, index = _shared
    found = []
    for path in paths:
        found.append((path, _file(wanted[path], index, path)))
        index.project.files[path].forget()
    return found


def _file(rules: Sequence[Rule], index: Index, path: str) -> _Found:
    file = index.project.files[path]
    findings: list[Finding] = []
    problem = ""
    for rule in rules:
        try:
            findings.extend(rule.check(file, index))
        except Unreadable as unreadable:
            problem = str(unreadable)
        except RecursionError:
            problem = TOO_DEEP
        except Exception as error:  # noqa: BLE001 - one file that a rule cannot take leaves the others; the exit code is 3
            problem = f"{rule.name} failed with {type(error).__name__}: this is a bug"
    kept, ignored = sift(findings, file.module) if findings else ([], 0)
    return kept, ignored, problem


def _order(finding: Finding) -> tuple[int, int, str]:
    assert isinstance(finding.where, Source)
    return finding.where.line, finding.where.column, finding.check


def _plain(finding: Finding, module: Module) -> dict[str, Any]:
    assert isinstance(finding.where, Source)
    return {
        "check": finding.check,
        "where": asdict(finding.where),
        "message": finding.message,
        "severity": finding.severity,
        "evidence": dict(finding.evidence),
        "hint": finding.hint,
        "text": module.line(finding.where.line),
    }


def _report(todo: Job, known: dict[str, Any]) -> Report:
    findings, lines = [], {}
    for plain in known["findings"]:
        where = Source(**plain["where"])
        lines[where] = plain["text"]
        findings.append(
            Finding(
                check=plain["check"],
                where=where,
                message=plain["message"],
                severity=plain["severity"],
                evidence=plain["evidence"],
                hint=plain["hint"],
            )
        )
    old = 0
    if todo.baseline is not None:
        accepted = read_baseline(todo.baseline)
        fresh = [one for one, mark in zip(findings, marks(findings, lines), strict=True) if mark not in accepted]
        old, findings = len(findings) - len(fresh), fresh
    return Report(
        findings=tuple(findings),
        lines=lines,
        files=known["files"],
        rules=tuple(rule.name for rule in todo.rules),
        unreadable=known["unreadable"],
        ignored=known["ignored"],
        known=old,
    )
