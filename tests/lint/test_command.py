"""`trueup lint` as it is called."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trueup.cli import run

MODELS = """\
from sqlalchemy import JSON, Column
from sqlalchemy.orm import declarative_base

Base = declarative_base()
"""
BAD = """\
def features(user):
    try:
        return user.load()
    except Exception:
        return []
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one finding."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "features.py").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.trueup.lint]\n{text}\n")


def test_a_finding_is_exit_1_and_a_clean_project_0(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "app"]) == 1
    assert "app/features.py:4:5: swallowed-exception:" in capsys.readouterr().out
    (project / "app" / "features.py").write_text("A = 1\n")
    assert run(["lint", "app"]) == 0
    assert capsys.readouterr().out == "no findings in 1 file by 10 rules\n"


def test_what_cannot_be_read_is_never_clean(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "app" / "features.py").write_text("def f(:\n    pass\n")
    assert run(["lint", "app"]) == 3
    assert "app/features.py: not checked: line 1: invalid syntax" in capsys.readouterr().out


def test_a_comment_with_a_reason_ignores_and_one_without_says_what_it_lacks(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "app" / "features.py"
    file.write_text(
        BAD.replace("except Exception:", "except Exception:  # trueup: ignore[swallowed-exception] a cache")
    )
    assert run(["lint", "app"]) == 0
    assert "1 ignored by comments" in capsys.readouterr().out
    file.write_text(BAD.replace("except Exception:", "except Exception:  # trueup: ignore[swallowed-exception]"))
    assert run(["lint", "app"]) == 1
    assert "an ignore needs the rule and a reason" in capsys.readouterr().out
    file.write_text(BAD.replace("except Exception:", "except Exception:  # trueup: ignore[placeholder] no"))
    assert run(["lint", "app"]) == 1


def test_a_comment_on_its_own_line_speaks_for_the_next(project: Path) -> None:
    file = project / "app" / "features.py"
    file.write_text(BAD.replace("    except", "    # trueup: ignore[swallowed-exception] a cache\n    except"))
    assert run(["lint", "app"]) == 0


def test_a_baseline_lets_old_findings_pass_when_lines_move_and_not_new_ones(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "app" / "features.py"
    assert run(["lint", "app", "--write-baseline", "baseline.json"]) == 0
    file.write_text("import os\n\n\n" + BAD)
    assert run(["lint", "app", "--baseline", "baseline.json"]) == 0
    file.write_text(BAD + BAD.replace("features", "others"))
    assert run(["lint", "app", "--baseline", "baseline.json"]) == 1
    assert "1 finding in 1 file by 10 rules, 1 finding of the baseline" in capsys.readouterr().out
    settings(project, 'baseline = "baseline.json"')
    assert run(["lint", "app"]) == 1
    assert run(["lint", "app", "--baseline", "none.json"]) == 2
    assert "there is no baseline 'none.json'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('ignore = ["swallowed-exception"]', 0),
        ('select = ["placeholder"]', 0),
        ('exclude = ["app/*.py"]', 0),
        ('per-file-ignores = {"app" = ["swallowed-exception"]}', 0),
        ('per-file-ignores = {"tests" = ["swallowed-exception"]}', 1),
        ('extend-select = ["possibly-lost-json-change"]', 1),
    ],
)
def test_settings(project: Path, text: str, code: int) -> None:
    settings(project, text)
    assert run(["lint", "app"]) == code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("selcet = []", "pyproject.toml: unknown option 'selcet' of [tool.trueup.lint]; did you mean 'select'?"),
        ('select = "all"', "pyproject.toml: 'select' of [tool.trueup.lint] must be a list of texts"),
        ('select = ["placholder"]', "there is no rule 'placholder'; did you mean 'placeholder'?"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    settings(project, text)
    assert run(["lint", "app"]) == 2
    assert capsys.readouterr().err == f"trueup: {message}\n"


def test_usage_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["lint"], ["lint", "nowhere"], ["lint", "--explain", "nothing"], ["lint", "app", "--select", "x"]):
        assert run(args) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_page_of_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "--explain", "lost-json-change"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# lost-json-change\n")
    assert "**Bad**" in out
    assert run(["lint", "--rules"]) == 0
    assert "possibly-lost-json-change" in capsys.readouterr().out


def test_a_report_goes_into_a_file(project: Path) -> None:
    assert run(["lint", "app", "--format", "sarif", "--output", "lint.sarif"]) == 1
    assert json.loads((project / "lint.sarif").read_text())["version"] == "2.1.0"


def test_the_second_run_is_answered_from_disk_and_a_change_is_seen(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lint", "app"]) == 1
    first = capsys.readouterr().out
    assert (project / ".trueup_cache" / "answer.json").exists()
    assert run(["lint", "app"]) == 1
    assert capsys.readouterr().out == first
    (project / "app" / "features.py").write_text("A = 1\n")
    assert run(["lint", "app"]) == 0


def test_a_broken_cache_and_one_that_cannot_be_written_are_no_harm(project: Path) -> None:
    assert run(["lint", "app"]) == 1
    for path in (project / ".trueup_cache").glob("*.json"):
        path.write_text("{ broken")
    assert run(["lint", "app"]) == 1
    assert run(["lint", "app", "--no-cache"]) == 1


def test_without_a_cache_nothing_is_left_behind(project: Path) -> None:
    run(["lint", "app", "--no-cache"])
    assert not (project / ".trueup_cache").exists()


def test_a_file_alone_is_seen_with_the_models_of_its_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "app" / "models.py").write_text(
        MODELS + "\n\nclass User(Base):\n    __tablename__ = 'u'\n    flags_by_day = Column(JSON)\n"
    )
    (project / "app" / "views.py").write_text(
        "from app.models import User\n\n\ndef f(user: User):\n    user.flags_by_day['a'] = 1\n"
    )
    assert run(["lint", "app/views.py"]) == 1
    assert "app/views.py:5:5: lost-json-change" in capsys.readouterr().out


def test_fix_and_diff(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "app" / "models.py"
    (project / "app" / "features.py").unlink()
    file.write_text(
        MODELS + "\n\n"
        "class User(Base):\n    __tablename__ = 'u'\n    flags = Column(JSON)\n\n"
        "    def on(self):\n        self.flags['on'] = 1\n"
    )
    before = file.read_text()
    assert run(["lint", "app", "--fix", "--diff"]) == 1
    assert '+        flag_modified(self, "flags")\n' in capsys.readouterr().out
    assert file.read_text() == before
    assert run(["lint", "app", "--fix"]) == 0
    assert file.read_text().endswith("        self.flags['on'] = 1\n        flag_modified(self, \"flags\")\n")
    file.write_text(before)
    assert run(["lint", "app", "--fix", "--fix-with", "mutable"]) == 0
    assert "flags = Column(MutableDict.as_mutable(JSON))" in file.read_text()


def test_sqlalchemy_and_django_are_never_loaded(project: Path) -> None:
    script = (
        "import sys\nfrom trueup.cli import run\ncode = run(['lint', 'app', '--no-cache'])\n"
        "loaded = {'sqlalchemy', 'django', 'rich'} & set(sys.modules)\n"
        "assert not loaded, loaded\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr


def test_many_files_are_looked_at_in_parallel_with_the_same_result(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trueup.lint import runner

    for number in range(30):
        (project / "app" / f"part{number}.py").write_text(BAD)
    todo = runner.job(["app"], use_cache=False)
    serial = runner.lint(todo)
    monkeypatch.setattr(runner, "_PARALLEL", 0)
    assert runner.lint(todo) == serial
    assert len(serial.findings) == 31


def test_a_clean_repository_can_use_the_pre_commit_hook() -> None:
    import yaml

    (hook,) = yaml.safe_load((Path(__file__).parent.parent.parent / ".pre-commit-hooks.yaml").read_text())
    command = hook["entry"].split()
    assert command[0] == "trueup"
    assert run([*command[1:], "app/features.py"]) == 1


def test_a_rule_that_fails_on_a_file_leaves_the_others_and_is_no_clean_run(
    monkeypatch: pytest.MonkeyPatch, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from trueup.lint.rules.placeholder import Placeholder

    def broken(*_: object) -> list[object]:
        raise KeyError("secret")

    monkeypatch.setattr(Placeholder, "check", broken)
    assert run(["lint", "app", "--no-cache"]) == 3
    out = capsys.readouterr().out
    assert "app/features.py:4:5: swallowed-exception:" in out
    assert "app/features.py: not checked: placeholder failed with KeyError: this is a bug" in out


def test_a_function_that_cannot_be_followed_is_no_clean_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = "user" + ".flags" * 3000
    (project / "app" / "features.py").write_text(
        MODELS + "\n\nclass User(Base):\n    __tablename__ = 'u'\n    flags = Column(JSON)\n\n\n"
        f"def f(user: User):\n    return {deep}\n"
    )
    assert run(["lint", "app", "--no-cache", "--select", "lost-json-change"]) == 3
    assert "not checked" in capsys.readouterr().out


def test_a_package_that_is_looked_at_by_itself_keeps_its_name(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pyproject.toml").unlink()
    package = project / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(
        "from sqlalchemy import Integer\n" + MODELS + "\nclass User(Base):\n    __tablename__ = 'users'\n"
        "    id = Column(Integer, primary_key=True)\n    settings = Column(JSON)\n"
    )
    (package / "views.py").write_text(
        "from shop.models import User\n\n\ndef choose(session, user: User) -> None:\n"
        "    user.settings['theme'] = 'dark'\n    session.commit()\n"
    )
    assert run(["lint", "shop", "--no-cache"]) == 1
    assert "shop/views.py:5:5: lost-json-change:" in capsys.readouterr().out
