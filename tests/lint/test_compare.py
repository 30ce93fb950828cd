"""What a merge drops is told, with the merge that dropped it."""

import subprocess
from pathlib import Path

import pytest

from trueup.cli import run
from trueup.lint.compare import compare, protections
from trueup.lint.history import History
from trueup.lint.settings import Settings

MODEL = """\
from sqlalchemy import JSON, Column, Integer
from sqlalchemy.orm import declarative_base
from sqlalchemy.orm.attributes import flag_modified

Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    userID = Column(Integer, primary_key=True)
    mlmStatus = Column(JSON)
    settings = Column(JSON)
"""
LOST = """

def grant(user: User):
    user.mlmStatus["isFounder"] = True
"""
KEPT = LOST + '    flag_modified(user, "mlmStatus")\n'
OTHER = """

def theme(user: User):
    user.settings["theme"] = "dark"
    flag_modified(user, "settings")
"""


class Repository:
    """A repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str) -> str:
        names = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *names, *args], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, text: str, message: str) -> str:
        (self.folder / "app.py").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Fixes on main, work on a branch that began before them, and a merge that took the branch's side."""
    repo = Repository(tmp_path)
    repo.commit(MODEL + LOST, "the application")
    repo.git("branch", "feature")
    repo.commit(MODEL + KEPT + OTHER, "flag what changes")
    repo.git("tag", "fixed")
    repo.git("checkout", "-q", "feature")
    repo.commit(MODEL + LOST + "\n\nVERSION = 2\n", "version 2")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "-X", "theirs", "--no-commit", "-s", "recursive", "feature")
    repo.commit(MODEL + LOST + "\n\nVERSION = 2\n", "Merge branch 'feature'")
    monkeypatch.chdir(tmp_path)
    return repo


def test_the_merge_that_dropped_the_protections_is_named(merged: Repository) -> None:
    found = compare(merged.folder, "fixed", "HEAD", Settings(select=("lost-json-change",)).rules(), Settings())
    assert found.fields == {"mlmStatus": (1, 0), "settings": (1, 0)}
    assert [(loss.field, loss.count, loss.merge) for loss in found.losses] == [
        ("mlmStatus", 1, True),
        ("settings", 1, True),
    ]
    assert all(loss.commit.endswith("Merge branch 'feature'") for loss in found.losses)
    assert [finding.check for finding in found.appeared] == ["lost-json-change"]
    assert found.exit_code == 1


def test_a_merge_that_keeps_both_sides_has_lost_nothing(tmp_path: Path) -> None:
    repo = Repository(tmp_path)
    first = repo.commit(MODEL + KEPT + OTHER, "the application")
    repo.git("branch", "feature")
    repo.commit(MODEL + KEPT, "no themes any more")
    repo.git("checkout", "-q", "feature")
    (tmp_path / "more.py").write_text("A = 1\n")
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "more")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-edit", "feature")
    found = compare(tmp_path, first, "HEAD", Settings(select=("lost-json-change",)).rules(), Settings())
    assert [(loss.field, loss.merge, loss.commit.split(" ", 2)[2]) for loss in found.losses] == [
        ("settings", False, "no themes any more")
    ]


def test_against_the_working_tree_what_is_not_committed_counts(tmp_path: Path) -> None:
    repo = Repository(tmp_path)
    repo.commit(MODEL + KEPT, "the application")
    (tmp_path / "app.py").write_text(MODEL + LOST)
    found = compare(tmp_path, "HEAD", None, Settings(select=("lost-json-change",)).rules(), Settings())
    assert [(loss.field, loss.commit) for loss in found.losses] == [("mlmStatus", "not committed yet")]


def test_the_ratchet_lets_gains_pass(merged: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "--compare", "HEAD", "fixed", "--select", "lost-json-change"]) == 0
    assert run(["lint", "--compare", "fixed", "HEAD", "--select", "lost-json-change"]) == 1
    out = capsys.readouterr().out
    assert "  mlmStatus: 1 → 0   lost" in out
    assert "  mlmStatus: 0 → 1   gained" in out


def test_a_revision_that_is_not_there_is_one_line(merged: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "--compare", "v9"]) == 2
    assert capsys.readouterr().err == "trueup: there is no commit 'v9' in this repository\n"


def test_protections_are_flags_and_mutable_columns() -> None:
    text = b"""
from sqlalchemy.orm.attributes import flag_modified as changed
settings = Column(MutableDict.as_mutable(JSON))
def f(user, name):
    changed(user, "settings")
    changed(user, "tags")
    changed(user, name)
"""
    assert protections({"a.py": text}) == {"settings": 2, "tags": 1}


def test_files_are_those_below_the_folder(merged: Repository) -> None:
    inner = merged.folder / "inner"
    inner.mkdir()
    (inner / "one.py").write_text("A = 1\n")
    merged.git("add", "-A")
    merged.git("commit", "-q", "-m", "inner")
    assert set(History(inner).files("HEAD")) == {"one.py"}
    assert set(History(merged.folder).files("HEAD")) == {"app.py", "inner/one.py"}
