"""Two revisions side by side: what protects each JSON field, what is new and gone, which commit lost what."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trueup.findings import Finding, Source
from trueup.lint import settings as options
from trueup.lint.history import History
from trueup.lint.index import Index
from trueup.lint.project import Project
from trueup.lint.rule import Rule
from trueup.lint.settings import Settings
from trueup.lint.source import Module, Unreadable, last, parse
from trueup.lint.suppress import marks, sift

#: Lines on which a protection stands: whoever takes one away, touches one of these.
_LINES = "flag_modified|Mutable|as_mutable|associate_with"
HERE = "the working tree"


@dataclass(frozen=True)
class Loss:
    """Protections that a commit took away: `field`, how many, and the commit as short id, day and subject."""

    field: str
    count: int
    commit: str
    merge: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`fields` maps each field to its protections then and now; findings are those that only one side has."""

    old: str
    new: str
    fields: Mapping[str, tuple[int, int]]
    appeared: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    losses: tuple[Loss, ...]
    lines: Mapping[Source, str]

    @property
    def exit_code(self) -> int:
        """1 when protections fell or findings appeared: a ratchet for CI."""
        fell = any(now < then for then, now in self.fields.values())
        return 1 if fell or self.appeared else 0


def compare(folder: Path, old: str, new: str | None, rules: Sequence[Rule], settings: Settings) -> Comparison:
    """Compare two commits of the repository of `folder`, or one with the working tree. Raises `UsageError`."""
    history = History(folder, settings.exclude)
    before = history.commit(old)
    after = history.commit(new) if new is not None else None
    now = history.files(after) if after is not None else _here(folder, settings)
    then = history.files(before)
    fields = _fields(then, now)
    old_findings, old_lines = _findings(then, rules, settings)
    new_findings, new_lines = _findings(now, rules, settings)
    old_marks = dict(zip(marks(old_findings, old_lines), old_findings, strict=True))
    new_marks = dict(zip(marks(new_findings, new_lines), new_findings, strict=True))
    fallen = {name for name, (count, left) in fields.items() if left < count}
    return Comparison(
        old=history.title(before),
        new=history.title(after) if after is not None else HERE,
        fields=fields,
        appeared=tuple(finding for mark, finding in new_marks.items() if mark not in old_marks),
        gone=tuple(finding for mark, finding in old_marks.items() if mark not in new_marks),
        losses=tuple(_losses(history, before, after, fallen, now)),
        lines=old_lines | new_lines,
    )


def _here(folder: Path, settings: Settings) -> dict[str, bytes]:
    return {
        Path(path).relative_to(folder).as_posix(): Path(path).read_bytes()
        for path in options.python_files(str(folder), settings.exclude)
    }


def _modules(files: Mapping[str, bytes]) -> list[Module]:
    found = []
    for path, data in files.items():
        parts = Path(path).with_suffix("").parts
        found.append(Module(path, data, parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts))
    return found


def _findings(
    files: Mapping[str, bytes], rules: Sequence[Rule], settings: Settings
) -> tuple[list[Finding], dict[Source, str]]:
    index = Index(Project(_modules(files)))
    found: list[Finding] = []
    lines: dict[Source, str] = {}
    for path, file in index.project.files.items():
        try:
            mine = [
                finding
                for rule in rules
                if rule.wants(file.module.data) and not settings.ignored(path, rule.name)
                for finding in rule.check(file, index)
            ]
        except Unreadable:
            continue  # a file that did not parse at an old commit protects and breaks nothing
        kept, _ = sift(mine, file.module)
        for finding in kept:
            assert isinstance(finding.where, Source)
            lines[finding.where] = file.module.line(finding.where.line)
        found.extend(kept)
    return found, lines


def _fields(then: Mapping[str, bytes], now: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    """The JSON columns of either side, and whatever is flagged, with the protections of each."""
    known: dict[str, tuple[int, int]] = {}
    before, after = protections(then), protections(now)
    columns = {
        name
        for files in (then, now)
        for name, found in Index(Project(_modules(files))).columns.by_name.items()
        if any(column.orm == "sqlalchemy" for column in found)
    }
    for name in sorted(columns | before.keys() | after.keys()):
        known[name] = (before[name], after[name])
    return known


def protections(files: Mapping[str, bytes]) -> Counter[str]:
    """How many places protect each field: a `flag_modified`, or a column with a Mutable type."""
    total: Counter[str] = Counter()
    for data in files.values():
        total.update(_protected(data))
    return total


def _protected(data: bytes) -> Counter[str]:
    found: Counter[str] = Counter()
    if b"flag_modified" not in data and b"utable" not in data:
        return found
    try:
        tree = parse(data)
    except Unreadable:
        return found
    names = {"flag_modified"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.name == "flag_modified" and alias.asname}
    for node in ast.walk(tree):
        match node:
            case ast.Call(args=[_, ast.Constant(value=str(name)), *_]) if last(node) in names:
                found[name] += 1
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if _tracks(call):
                found[name] += 1
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call) if _tracks(call):
                found[name] += 1
            case _:
                pass
    return found


def _tracks(call: ast.Call) -> bool:
    """`Column(MutableDict.as_mutable(JSON))`, in any of its wrappings."""
    inner = {last(node) for node in ast.walk(call) if isinstance(node, ast.Call)}
    return bool(inner & {"Column", "mapped_column"}) and bool(inner & {"as_mutable", "mutable_json_type"})


def _losses(history: History, old: str, new: str | None, fallen: set[str], now: Mapping[str, bytes]) -> list[Loss]:
    """For each field that lost protections, the commits that took them, and what is not committed yet."""
    if not fallen:
        return []
    known: dict[str, Counter[str]] = {}
    by_blob: dict[str, Counter[str]] = {}

    def at(commit: str) -> Counter[str]:
        if commit not in known:
            tree = history.tree(commit)
            contents = history.contents({one for one in tree.values() if one not in by_blob})
            by_blob.update({one: _protected(data) for one, data in contents.items()})
            total: Counter[str] = Counter()
            for one in tree.values():
                total.update(by_blob[one])
            known[commit] = total
        return known[commit]

    head = new if new is not None else history.commit("HEAD")
    found = []
    for commit in history.between(old, head, _LINES):
        parents = history.parents(commit)
        for name in sorted(fallen):
            lost = _expected(history, parents, name, at) - at(commit)[name]
            if lost > 0:
                found.append(Loss(name, lost, history.title(commit), len(parents) > 1))
    if new is None:
        here = protections(now)
        found.extend(
            Loss(name, at(head)[name] - here[name], "not committed yet", False)
            for name in sorted(fallen)
            if here[name] < at(head)[name]
        )
    return found


def _expected(history: History, parents: list[str], name: str, at: Callable[[str], Counter[str]]) -> int:
    """What a commit should have: as its parent; a merge, what both sides made of their common base."""
    if not parents:
        return 0
    if len(parents) == 1:
        return at(parents[0])[name]
    base = history.base(parents[0], parents[1])
    start = at(base)[name] if base else 0
    return max(start + sum(at(parent)[name] - start for parent in parents), 0)
