"""Files that are no Python, or are Python of an odd kind: each is told in one line, and the others are linted."""

import json
import os
import sys
from pathlib import Path

import pytest

from trueup.cli.lint import rendered
from trueup.lint.results import Report
from trueup.lint.runner import job, lint

GOOD = b"def keep(seen=[]):\n    seen.append(1)\n"
HEAD = b"from django.db import models\n\nclass A(models.Model):\n    d = models.JSONField()\n\n"
READ = {
    "empty": b"",
    "blank": b"  \n\t\n",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "latin-1": b"# -*- coding: latin-1 -*-\nNAME = 'caf\xe9'\n" + GOOD,
    "CRLF": GOOD.replace(b"\n", b"\r\n"),
    "CR": GOOD.replace(b"\n", b"\r"),
    "no end of line": GOOD.rstrip(),
    "form feed": b"X = 1\n\x0c\n" + GOOD,
    "huge list": b"X = [" + b"{'a': 1}, " * 20_000 + b"]\n" + GOOD,
    "huge text": b"X = '" + b"x" * 1_000_000 + b"'\n" + GOOD,
    "lone surrogate": b"def f():\n    # TODO\n    return '\\ud800'\n" + GOOD,
    "classes in a circle": b"class A(B): pass\nclass B(A): pass\nX = Y\nY = X\n" + GOOD,
    "imports itself": b"from odd import *\nfrom . import odd\nfrom .... import x\n" + GOOD,
    "calls without what they need": (
        HEAD + b"A.objects.update(**k)\nA.objects.bulk_create()\nA.objects.bulk_update()\nA.objects.exclude(**k)\n"
        b"A.objects.aggregate(Sum(), Sum(*x))\nx.notin_()\nx.notin_(*y)\nsession.execute()\nsession.execute(*x)\n"
        b"insert().values()\nupdate(A).values({**a, 1: 2})\nfor A.x in y: A.x.objects.get()\nA(d=json.dumps())\n" + GOOD
    ),
    "columns without what they need": (
        HEAD + b"class B(models.Model):\n    x = models.ForeignKey()\n    y = models.ForeignKey(1, related_name=3)\n"
        b"    z = Column()\n    t: Mapped = 1\n    u: Mapped['] ['] = 1\n    v: 'Mapped[x y]' = mapped_column()\n"
        + GOOD
    ),
    "long chain": HEAD + b"X = A.objects" + b".filter(x=1)" * 300 + b"\nfor x in X: A.objects.get(pk=x)\n" + GOOD,
    "long sum": HEAD + b"X = " + b" + ".join([b"a"] * 600) + b"\nA(d=X)\n" + GOOD,
}
UNREAD = {
    "syntax": (b"def f(:\n    pass\n", "line 1: invalid syntax (read as Python "),
    "magic line": (b"import os\n%matplotlib inline\n", "line 2: invalid syntax"),
    "Python 2": (b"print 'hello'\n", "line 1: Missing parentheses in call to 'print'"),
    "tabs and spaces": (b"if x:\n\ty = 1\n        z = 2\n", "line 3: inconsistent use of tabs and spaces"),
    "not UTF-8": (b"NAME = 'caf\xe9'\n", "line 1: it is not UTF-8, and says no other coding"),
    "unknown coding": (b"# -*- coding: klingon -*-\nX = 1\n", "line 1: unknown encoding: klingon"),
    "null byte": (b"X = 1\x00\n", "line 1: it is no text: there are null bytes in it"),
    "UTF-16": ("X = 1\n".encode("utf-16"), "line 1: "),
    "huge number": (b"X = " + b"9" * 10_000 + b"\n", "line 1: Exceeds the limit"),
    "deep parentheses": (b"X = " + b"(" * 5_000 + b"1" + b")" * 5_000 + b"\n", "line 1: too many nested parentheses"),
    "deep sum": (b"X = " + b" + ".join([b"1"] * 20_000) + b"\n" + GOOD, "line 1: nested too deeply to be read"),
    "deep sign": (b"def f():\n    # TODO\n    return " + b"-" * 600 + b"1\n", "line 1: nested too deeply to be read"),
}


def run(folder: Path, files: dict[str, bytes]) -> Report:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return lint(job([str(folder)], use_cache=False))


def found(report: Report, name: str) -> list[str]:
    return [one.check for one in report.findings if Path(one.where.path).name == name]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", READ)
def test_an_odd_file_is_read(kind: str, tmp_path: Path) -> None:
    report = run(tmp_path, {"odd.py": READ[kind], "good.py": GOOD})
    assert report.unreadable == {}
    assert found(report, "good.py") == ["shared-mutable-default"]
    assert found(report, "odd.py").count("shared-mutable-default") == (1 if b"seen" in READ[kind] else 0)


@pytest.mark.parametrize("kind", UNREAD)
def test_a_file_that_cannot_be_read_is_told_in_one_line_and_leaves_the_others(kind: str, tmp_path: Path) -> None:
    data, said = UNREAD[kind]
    report = run(tmp_path, {"odd.py": data, "good.py": GOOD})
    ((path, problem),) = report.unreadable.items()
    assert Path(path).name == "odd.py"
    assert problem.startswith(said)
    assert len(problem) < 160
    assert "\n" not in problem
    assert "bug" not in problem
    assert found(report, "good.py") == ["shared-mutable-default"]
    assert report.exit_code == 3


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it")
@pytest.mark.parametrize("text", ["type X = int\n", "def f[T](x: T) -> T: ...\n", 'x = f"{y["a"]}"\n'])
def test_newer_python_is_told_with_the_version_that_read_it(text: str, tmp_path: Path) -> None:
    report = run(tmp_path, {"odd.py": text.encode(), "good.py": GOOD})
    (problem,) = report.unreadable.values()
    assert problem.endswith("(read as Python 3.11)")
    assert found(report, "good.py")


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every file")
def test_a_file_that_may_not_be_opened_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_bytes(GOOD)
    (tmp_path / "odd.py").chmod(0)
    report = run(tmp_path, {"good.py": GOOD})
    assert list(report.unreadable.values()) == ["it cannot be opened: Permission denied"]
    assert found(report, "good.py")


def test_a_link_to_nowhere_and_a_folder_named_like_a_file_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "folder.py").mkdir()
    report = run(tmp_path, {"good.py": GOOD})
    assert report.unreadable == {}
    assert report.files == 1


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "junit"])
def test_a_name_that_is_no_utf8_is_told_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in ((b"a\xff.py", GOOD), (b"b\xfe.py", b"def f(:\n")):
        Path(os.fsdecode(name)).write_bytes(data)
    for place in (".", str(tmp_path)):
        text = rendered(form, lint(job([place], use_cache=False))).decode()
        # json escapes what is no ASCII: what its reader gets must be text too
        told = (
            (json.dumps(json.loads(text), ensure_ascii=False) if form in ("json", "sarif") else text).encode().decode()
        )
        for one in ("a%FF.py", "b%FE.py") if form == "sarif" else () if form == "junit" else ("udcff.py", "udcfe.py"):
            assert one in told
