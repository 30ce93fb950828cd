"""`[tool.trueup.lint]` of pyproject.toml, and which files belong to a project."""

from __future__ import annotations

import fnmatch
import os
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from trueup.errors import ConfigError, UsageError
from trueup.lint import rule

#: Folders that hold other people's code, or none.
SKIPPED = {
    *("node_modules", "__pycache__", "site-packages", "build", "dist", "venv", "env", ".tox", ".nox", ".eggs"),
}
_ROOTS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options, in pyproject.toml with hyphens for underscores; `exclude` and `per_file_ignores` take globs."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: dict[str, tuple[str, ...]] = field(default_factory=dict)
    baseline: str = ""

    def rules(self) -> list[rule.Rule]:
        """The rules to run. Raises `UsageError` for a name that is no rule."""
        named = {name: rule.load(name) for name in (*self.select, *self.ignore, *self.extend_select)}
        if self.select:
            # no other rule is imported
            chosen = [kind for name, kind in sorted(named.items()) if name in (*self.select, *self.extend_select)]
        else:
            chosen = [kind for kind in rule.every() if kind.default or kind.name in self.extend_select]
        return [kind() for kind in chosen if kind.name not in self.ignore]

    def ignored(self, path: str, name: str) -> bool:
        """Whether a rule is switched off for a file."""
        return any(name in names and matches(path, pattern) for pattern, names in self.per_file_ignores.items())


def matches(path: str, pattern: str) -> bool:
    """Whether a path, or a folder it lies in, fits a glob."""
    path = path.replace(os.sep, "/")
    parts = path.split("/")
    return any(
        fnmatch.fnmatch("/".join(parts[start:end]), pattern.rstrip("/"))
        for start in range(len(parts))
        for end in range(start + 1, len(parts) + 1)
    )


def root_of(paths: Sequence[Path]) -> Path:
    """The folder of the project that the paths belong to: the nearest that says so, else what holds them all."""
    common = Path(os.path.commonpath([path.resolve() if path.is_dir() else path.resolve().parent for path in paths]))
    for folder in (common, *common.parents):
        if any((folder / name).exists() for name in _ROOTS):
            # a home folder under version control is no project
            return folder if folder != Path.home() and folder != folder.parent else common
    return common


def read(root: Path) -> Settings:
    """The settings of a project; the defaults when it has none. Raises `ConfigError`."""
    file = root / "pyproject.toml"
    if not file.exists():
        return Settings()
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file.name}: {error}") from None
    table = data.get("tool", {}).get("trueup", {}).get("lint", {})
    return _settings(table, file.name)


def _settings(table: Any, file: str) -> Settings:
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: [tool.trueup.lint] must be a table")
    known = {one.name.replace("_", "-"): one.name for one in fields(Settings)}
    found = Settings()
    for key, value in table.items():
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
            raise ConfigError(f"{file}: unknown option {key!r} of [tool.trueup.lint]; {hint}")
        if key == "baseline":
            good = isinstance(value, str)
            given: Any = value
        elif key == "per-file-ignores":
            good = isinstance(value, dict) and all(_texts(names) for names in value.values())
            given = {pattern: tuple(names) for pattern, names in value.items()} if good else {}
        else:
            good = _texts(value)
            given = tuple(value) if good else ()
        if not good:
            raise ConfigError(f"{file}: {key!r} of [tool.trueup.lint] must be {_shape(key)}")
        found = replace(found, **{known[key]: given})
    return found


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _shape(key: str) -> str:
    return {"baseline": "a path", "per-file-ignores": "a table of lists of rules"}.get(key, "a list of texts")


def python_files(path: str, exclude: Sequence[str], top: str | None = None) -> Iterator[str]:
    """The Python files under a folder, or the file itself, in a steady order. Raises `UsageError`.

    What is yielded begins with `path`. Globs of `exclude` are held against the path from `top`, or from `path`.
    """
    # text, not Path: half of a short run would go into making thousands of those
    if os.path.isfile(path):  # noqa: PTH113
        yield path
        return
    if not os.path.isdir(path):  # noqa: PTH112
        raise UsageError(f"there is no file or folder {path!r}")
    yield from _inside(path, exclude, path if top is None else top)


def _inside(folder: str, exclude: Sequence[str], top: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=_name)
    except OSError as error:
        raise UsageError(f"cannot open the folder {folder!r}: {error.strerror}; exclude it, or allow it") from None
    for entry in found:
        name = entry.name
        inner = entry.is_dir(follow_symlinks=False)
        if not inner and not name.endswith(".py"):
            continue
        if exclude:
            relative = os.path.relpath(entry.path, top)
            if any(matches(relative, pattern) for pattern in exclude):
                continue
        if inner:
            if name not in SKIPPED and not name.startswith("."):
                yield from _inside(entry.path, exclude, top)
        elif entry.is_file():
            yield entry.path


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
