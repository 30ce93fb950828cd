"""The referral programme: its story, and what `trueup lint --fix` makes of the damaged revision."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import Database

ROOT = Path(__file__).parent.parent
REFERRAL = ROOT / "examples" / "referral"


def surroundings(**more: str) -> dict[str, str]:
    """The environment of a shell in which the story plays."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), **more}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_the_story_plays_from_the_merge_to_a_mended_database_and_back(database: Database, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(REFERRAL / "story.sh")],
        env=surroundings(DATABASE_URL=database.url, REFERRAL_FOLDER=str(tmp_path / "story")),
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    said = done.stdout
    assert done.returncode == 0, said[-3000:] + done.stderr[-3000:]
    assert said.rstrip().endswith("=== done")
    assert "mlmStatus:         16 → 0   lost" in said
    assert "mlmStatus:         0 → 16   gained" in said
    assert "(a merge): mlmStatus, 16 protections" in said
    assert "user 150: pioneer False, 0.0 of 6000.00 in mlmVolumes" in said
    assert "user 150: pioneer True, 6000.0 of 6000.00 in mlmVolumes" in said
    assert "LostChange: the change of User.mlm" in said
    assert "referral/__main__.py:" in said
    assert said.count("healthy: 9 checks over 200 rows") == 2
    assert "86 findings in 4 checks" in said
    assert "6 findings in 1 check" in said


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the bundle."""
    folder = tmp_path_factory.mktemp("referral")
    for command in (
        [sys.executable, str(REFERRAL / "build_history.py"), "referral.bundle"],
        ["git", "clone", "--quiet", "referral.bundle", "app"],
    ):
        subprocess.run(command, cwd=folder, env=surroundings(), check=True, capture_output=True)
    return folder / "app"


def git(folder: Path, *words: str) -> str:
    """What git says."""
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.timeout(200)
def test_the_fix_brings_back_each_protection_in_its_place_and_its_import(history: Path) -> None:
    added = [line[1:] for line in git(history, "diff", "-U0", "damaged", "fixed").splitlines() if line[:1] == "+"]
    lines = [line for line in added if not line.startswith("++")]
    assert sum('flag_modified(user, "mlmStatus")' in line or 'flag_modified(root, "mlmStatus")' in line
               for line in lines) == 16  # fmt: skip
    assert sum('flag_modified(user, "mlmVolumes")' in line for line in lines) == 3
    assert lines.count("from sqlalchemy.orm.attributes import flag_modified") == 5
    assert set(lines) - {"from sqlalchemy.orm.attributes import flag_modified", ""} == {
        line for line in lines if "flag_modified(" in line
    }
    assert not [line for line in git(history, "diff", "damaged", "fixed").splitlines() if line.startswith("- ")]
    # without the log lines of the merge it is, line by line, what stood there before it
    for name in ("activity", "bonuses", "ranks", "status", "volumes"):
        now = git(history, "show", f"fixed:referral/{name}.py").splitlines()
        kept = [line for line in now if "log" not in line]
        then = git(history, "show", f"working:referral/{name}.py").splitlines()
        assert [line for line in kept if line] == [line for line in then if line]


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("tag", "outcome"), [("working", "8 passed"), ("damaged", "7 failed"), ("fixed", "8 passed")])
def test_the_tests_of_the_application_tell_the_revisions_apart(history: Path, tag: str, outcome: str) -> None:
    git(history, "checkout", "--quiet", tag)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "tests"],
        cwd=history, env=surroundings(PYTHONPATH="."), capture_output=True, text=True,
    )  # fmt: skip
    assert outcome in done.stdout.splitlines()[-1], done.stdout + done.stderr


def test_each_commit_of_the_history_is_named_by_its_tag(history: Path) -> None:
    assert git(history, "tag").split() == ["damaged", "fixed", "working"]
    assert git(history, "log", "-1", "--format=%s %p", "damaged").startswith("Merge branch 'logging' ")
    assert len(git(history, "log", "-1", "--format=%p", "damaged").split()) == 2
