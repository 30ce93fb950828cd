"""Files are written one way: private, whole, and never through a link; nothing in the package writes another way."""

import ast
import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trueup import output
from trueup.changes import Plan
from trueup.errors import TrueupError, UsageError
from trueup.plan.file import PlanWriter

SOURCE = Path(__file__).parent.parent / "src" / "trueup"
PLAN = Plan(
    plan_id="abc", tool="0", environment="test", store="app", identity={}, schema={}, checks={}, groups=(),
    created=1, expires=2,
)  # fmt: skip


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_is_its_owners_whatever_the_umask(tmp_path: Path) -> None:
    output.write(tmp_path / "a.json", "é\n")
    assert (mode(tmp_path / "a.json"), (tmp_path / "a.json").read_text()) == (0o600, "é\n")
    assert names(tmp_path) == ["a.json"]


def test_the_mode_of_a_file_that_stood_there_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    (tmp_path / "a.json").chmod(0o666)
    with (tmp_path / "a.json").open() as reader:
        output.write(tmp_path / "a.json", "new")
        assert reader.read() == "old", "whoever has it open keeps what it was"
    assert (mode(tmp_path / "a.json"), (tmp_path / "a.json").read_text()) == (0o600, "new")


@pytest.mark.parametrize("ending", ["", ".part", ".partial", ".tmp"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_is_never_followed(tmp_path: Path, ending: str, dangling: bool) -> None:
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_text("precious")
    (tmp_path / f"a.json{ending}").symlink_to(victim)
    if ending:
        output.write(tmp_path / "a.json", "new")
    else:
        with pytest.raises(UsageError) as raised:
            output.write(tmp_path / "a.json", "new")
        path = str(tmp_path / "a.json")
        assert str(raised.value) == f"cannot write {path!r}: it is a symbolic link; name the file itself"
        with pytest.raises(UsageError):
            output.writable(tmp_path / "a.json")
    assert victim.exists() is not dangling
    assert dangling or victim.read_text() == "precious"
    assert not list(tmp_path.glob(".trueup-*"))


def test_a_link_that_comes_while_the_file_is_written_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    with output.whole(tmp_path / "a.json") as file:
        file.write(b"new")
        (tmp_path / "a.json").symlink_to(tmp_path / "victim")
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "a.json").is_symlink()
    assert (tmp_path / "a.json").read_bytes() == b"new"


def test_a_folder_that_is_swapped_while_the_file_is_written_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "theirs").mkdir()
    with output.whole(tmp_path / "mine" / "a.json") as file:
        file.write(b"new")
        (tmp_path / "mine").rename(tmp_path / "moved")
        (tmp_path / "mine").symlink_to(tmp_path / "theirs")
    assert (names(tmp_path / "theirs"), names(tmp_path / "moved")) == ([], ["a.json"])


def test_what_fails_leaves_nothing_behind_and_the_old_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(ZeroDivisionError), output.whole(tmp_path / "a.json") as file:
        file.write(b"half" * (1 // len(names(tmp_path) * 0)))
    assert names(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


def test_it_is_synced_before_it_takes_its_place_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(before: str, after: str, **options: Any) -> None:
        done.append("replace")
        replace(before, after, **options)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    output.write(tmp_path / "a.json", "new")
    assert done == ["file", "replace", "folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_at_fault_is_one_line_exit_3_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(TrueupError) as raised:
        output.write(tmp_path / "a.json", "new")
    assert raised.value.exit_code == 3
    assert str(raised.value) == f"cannot write {str(tmp_path / 'a.json')!r}: {os.strerror(number)}"
    assert names(tmp_path) == []


def test_a_full_device_is_one_line() -> None:
    with pytest.raises(TrueupError, match=r"^cannot write '/dev/full': No space left on device$"):
        output.write("/dev/full", "x" * 100_000)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_devices_and_open_descriptors_are_written_to(path: str) -> None:
    code = f"from trueup import output; output.writable({path!r}); output.write({path!r}, 'hello')"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == ("" if path == "/dev/null" else "hello")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    output.write(tmp_path / "pipe", "hello")
    reader.join()
    assert read == ["hello"]
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "folder": (lambda folder: folder, "Is a directory"),
    "nowhere": (lambda folder: folder / "no" / "a.json", "No such file or directory"),
    "below a file": (lambda folder: folder / "file" / "a.json", "Not a directory"),
    "NUL": (lambda folder: folder / "a\0b", "that is no name of a file"),
    "surrogate": (lambda folder: folder / "a\ud800b", "that is no name of a file"),
    "long": (lambda folder: folder / ("a" * 300), "File name too long"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_become_a_file_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    place, why = REFUSED[kind]
    for act in (output.writable, lambda path: output.write(path, "x")):
        with pytest.raises(UsageError) as raised:
            act(place(tmp_path))
        assert str(raised.value) == f"cannot write {str(place(tmp_path))!r}: {why}"
    assert names(tmp_path) == ["file"]


def test_a_file_of_code_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("old")
    (tmp_path / "run.py").chmod(0o755)
    output.write(tmp_path / "run.py", "new", private=False, like=tmp_path / "run.py")
    assert (mode(tmp_path / "run.py"), (tmp_path / "run.py").read_text()) == (0o755, "new")


def test_folders_are_made_for_their_owner_and_links_to_folders_are_folders(tmp_path: Path) -> None:
    output.folder(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)
    (tmp_path / "there").mkdir(mode=0o755)
    assert output.folder(tmp_path / "there") == tmp_path / "there"
    assert mode(tmp_path / "there") == 0o755, "a folder that others made is theirs"
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(OSError, match="exists"):
        output.folder(tmp_path / "dangling")


def test_a_record_is_added_to_a_file_and_never_through_a_link(tmp_path: Path) -> None:
    output.append(tmp_path / "records", "one")
    output.append(tmp_path / "records", "two")
    assert ((tmp_path / "records").read_text(), mode(tmp_path / "records")) == ("one\ntwo\n", 0o600)
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    for act in (lambda path: output.append(path, "three"), output.mark, output.again, output.fresh):
        with pytest.raises(OSError, match=r"symbolic links|exists"):
            act(tmp_path / "link")
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("ending", ["", ".partial"])
def test_a_plan_is_private_and_follows_no_link(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "plan.jsonl"
    (tmp_path / f"plan.jsonl{ending}").write_text("made before")
    (tmp_path / f"plan.jsonl{ending}").chmod(0o666)
    PlanWriter(str(path), PLAN).close((), 0, "A")
    assert mode(path) == 0o600
    (tmp_path / "victim").write_text("precious")
    path.unlink()
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError, match="it is a symbolic link"):
        PlanWriter(str(path), PLAN)
    assert (tmp_path / "victim").read_text() == "precious"


# -- nothing else writes ------------------------------------------------------------------------------------------
#: Calls that make, fill or move files, and the one module that may; (module, call) elsewhere, with the reason.
ALLOWED = {
    ("output.py", "*"): "the one way",
    ("cli/__init__.py", "os.open"): "/dev/null in the place of a stdout that is gone",
    (
        "engines/sqlite/backup.py",
        "sqlite3.connect",
    ): "fills the private file that backup/backup.py made, and a copy in a private folder",
    ("engines/sqlite/backup.py", "shutil.copyfile"): "into a private temporary folder",
    ("backup/programs.py", "tempfile.TemporaryFile"): "has no name",
    ("engines/sqlite/session.py", "sqlite3.connect"): "the application's own database, by mode=rw: never made",
    ("engines/sqlite/copy.py", "sqlite3.connect"): "the application's own database",
    ("plan/changed_rows.py", "sqlite3.connect"): "a database without a name",
    ("plan/planner.py", "tempfile.TemporaryFile"): "has no name",
    ("cli/demo.py", "sqlite3.connect"): "the shop that the demo makes in a folder of its own",
    ("lint/cache.py", "mkdir"): "holds what is in the source, for everybody who may read that",
    ("lint/pages.py", "mkdir"): "pages of the documentation",
}
ALWAYS = {
    "write_text", "write_bytes", "touch", "mkdir", "makedirs", "symlink_to", "hardlink_to", "mkstemp", "FileIO",
    "NamedTemporaryFile", "TemporaryFile", "copyfile", "copy", "copy2", "copytree", "move", "ZipFile", "mkfifo",
}  # fmt: skip
MODULES = {
    "os": {"rename", "replace", "link", "symlink", "mknod", "truncate"},
    "shutil": {"copyfile", "copy", "copy2", "copytree", "move"},
    "sqlite3": {"connect"},
    "tempfile": {"mkstemp", "NamedTemporaryFile", "TemporaryFile"},
}
COPIES = {"copy", "move"}  # also words of other things than files


def writes(node: ast.Call) -> str:
    """The name of a call that may write a file, else an empty string."""
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
    constants = [
        one.value for one in [*node.args, *(key.value for key in node.keywords)] if isinstance(one, ast.Constant)
    ]
    if owner in MODULES:
        if owner == "os" and name == "open":
            return "os.open" if "O_RDONLY" not in ast.unparse(node) else ""
        if owner == "sqlite3" and constants[:1] in ([":memory:"], [""]):
            return ""
        return f"{owner}.{name}" if name in MODULES[owner] else ""
    if name == "open":
        modes = [one for one in constants if isinstance(one, str) and one and set(one) <= set("rwxabt+U")]
        told = not owner and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant)
        return "open" if told or any(set(one) & set("wxa+") for one in modes) else ""
    return name if name in ALWAYS - COPIES else ""


@pytest.mark.parametrize("module", sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py")))
def test_nothing_else_in_the_package_writes_a_file(module: str) -> None:
    found = {
        (call, node.lineno)
        for node in ast.walk(ast.parse((SOURCE / module).read_text()))
        if isinstance(node, ast.Call) and (call := writes(node))
    }
    strange = {one for one in found if (module, one[0]) not in ALLOWED and (module, "*") not in ALLOWED}
    assert not strange, f"{module} writes files by itself; trueup.output is the one way: {sorted(strange)}"


@pytest.mark.parametrize(
    "code",
    [
        "open(p, 'w')", "open(p, mode)", "path.open('wb')", "path.open(mode='a')", "path.write_text('x')",
        "io.open(p, 'x')",
        "os.open(p, os.O_WRONLY)", "os.replace(a, b)", "sqlite3.connect(path)", "gzip.open(p, 'wt')",
        "shutil.copyfile(a, b)", "tempfile.mkstemp()", "path.touch()",
    ],
)  # fmt: skip
def test_the_rule_knows_a_write(code: str) -> None:
    assert any(writes(node) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))


@pytest.mark.parametrize(
    "code", ["open(p)", "open(p, 'rb')", "path.open()", "store.open(write=True)", "a.replace('x', 'y')"]
)
def test_the_rule_knows_what_is_none(code: str) -> None:
    assert not any(writes(node) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
