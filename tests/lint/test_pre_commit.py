"""The hook as pre-commit runs it: installed from a clean clone of this repository, in a repository of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.surroundings import online

ROOT = Path(__file__).parent.parent.parent
BESIDE = Path(sys.executable).parent / "pre-commit"
PROGRAM = str(BESIDE) if BESIDE.exists() else shutil.which("pre-commit")
MODELS = """\
from sqlalchemy import JSON, Column, Integer
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    settings = Column(JSON)
"""
BAD = """\
from models import User


def choose(session, user: User, theme: str) -> None:
    user.settings["theme"] = theme
    session.commit()
"""
GOOD = BAD.replace('user.settings["theme"] = theme', 'user.settings = {**user.settings, "theme": theme}')

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="pre-commit is not installed"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout"),
    pytest.mark.timeout(300),  # it installs trueup into an environment of its own
]


def test_the_hook_fails_on_a_lost_change_and_passes_when_it_is_mended(tmp_path: Path) -> None:
    environment = {key: value for key, value in online().items() if key != "PYTHONPATH" and key[:4] != "GIT_"}
    environment |= {
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    (tmp_path / "gitconfig").write_text("[user]\nname = A\nemail = a@example.com\n[safe]\ndirectory = *\n")

    def call(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    clone, shop = tmp_path / "trueup", tmp_path / "shop"
    shop.mkdir()
    assert call("git", "clone", "-q", str(ROOT), str(clone), folder=tmp_path).returncode == 0
    (shop / "models.py").write_text(MODELS)
    (shop / "views.py").write_text(BAD)
    call("git", "init", "-q", folder=shop)
    call("git", "add", "-A", folder=shop)

    # one file is staged, and what it imports is read all the same
    failed = call(str(PROGRAM), "try-repo", str(clone), "trueup-lint", "--files", "views.py", folder=shop)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert 'views.py:5:5: lost-json-change: the change to "settings" is lost at commit' in failed.stdout

    (shop / "views.py").write_text(GOOD)
    call("git", "add", "-A", folder=shop)
    passed = call(str(PROGRAM), "try-repo", str(clone), "trueup-lint", "--all-files", folder=shop)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    # nothing is left behind that git would see
    assert call("git", "status", "--short", "--untracked-files=all", folder=shop).stdout.split() == [
        "A",
        "models.py",
        "A",
        "views.py",
    ]
