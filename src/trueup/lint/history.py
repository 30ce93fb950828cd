"""Files of a project as they were at a commit, read with git; nothing is checked out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from trueup.errors import UsageError
from trueup.lint.settings import SKIPPED, matches


class History:
    """The repository that holds `folder`; only files below `folder` count."""

    def __init__(self, folder: Path, exclude: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self._exclude = exclude
        self._blobs: dict[str, bytes] = {}

    def git(self, *args: str, given: bytes = b"") -> bytes:
        """Run git. Raises `UsageError` with what git says."""
        try:
            done = subprocess.run(  # noqa: S603 - the arguments are revisions that git itself has confirmed
                ["git", "-C", str(self.folder), *args],  # noqa: S607 - whichever git the user has
                input=given,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise UsageError("--compare needs git, which is not installed") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise UsageError(f"git: {said[0].removeprefix('fatal: ') if said else 'failed'}")
        return done.stdout

    def commit(self, revision: str) -> str:
        """The full id of a revision. Raises `UsageError` when there is no such commit."""
        try:
            return self.git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
        except UsageError:
            raise UsageError(f"there is no commit {revision!r} in this repository") from None

    def tree(self, commit: str) -> dict[str, str]:
        """Python files at a commit: path from `folder` to the id of the contents."""
        found = {}
        for entry in self.git("ls-tree", "-r", "-z", commit).split(b"\0"):
            if entry.endswith(b".py"):
                about, _, name = entry.partition(b"\t")
                path = name.decode("utf-8", "surrogateescape")
                # ls-tree says paths from the folder it runs in
                if about.split()[1] == b"blob" and self._counts(path):
                    found[path] = about.split()[2].decode()
        return found

    def _counts(self, path: str) -> bool:
        parts = PurePosixPath(path).parts
        if any(part in SKIPPED or part.startswith(".") for part in parts[:-1]):
            return False
        return not any(matches(path, pattern) for pattern in self._exclude)

    def contents(self, ids: set[str]) -> dict[str, bytes]:
        """The contents by id, read in one go and kept."""
        missing = sorted(ids - self._blobs.keys())
        if missing:
            out = self.git("cat-file", "--batch", given="".join(f"{one}\n" for one in missing).encode())
            start = 0
            for one in missing:
                head, _, _ = out[start : start + 200].partition(b"\n")
                size = int(head.split()[2])
                begin = start + len(head) + 1
                self._blobs[one] = out[begin : begin + size]
                start = begin + size + 1
        return {one: self._blobs[one] for one in ids}

    def files(self, commit: str) -> dict[str, bytes]:
        """Python files at a commit: path to contents."""
        tree = self.tree(commit)
        contents = self.contents(set(tree.values()))
        return {path: contents[one] for path, one in tree.items()}

    def between(self, old: str, new: str, pattern: str) -> Iterator[str]:
        """The commits from `old` to `new`, merges included, that touch lines which fit `pattern`; oldest first."""
        out = self.git(
            "log",
            "-m",
            "--full-history",
            "--topo-order",
            "--reverse",
            "--format=%H",
            f"-G{pattern}",
            f"{old}..{new}",
            "--",
            ".",
        )
        yield from dict.fromkeys(out.decode().split())

    def parents(self, commit: str) -> list[str]:
        """The parents of a commit."""
        return self.git("rev-list", "--parents", "-n", "1", commit).decode().split()[1:]

    def base(self, one: str, other: str) -> str | None:
        """The commit that two lines of work have in common."""
        try:
            return self.git("merge-base", one, other).decode().strip()
        except UsageError:
            return None  # unrelated histories

    def title(self, commit: str) -> str:
        """Short id, day and subject of a commit."""
        return self.git("show", "-s", "--format=%h %as %s", commit).decode("utf-8", "replace").strip()
