"""What nobody would type and scripts hand over all the same: one clear line, never a bug."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli import shop
from tests.cli.conftest import Trueup
from trueup.config.yaml import read_yaml

NAME = "that is no name of a file"
ODD = {
    ("scan", "-c", "a\0b"): f"a\\x00b: cannot be read: {NAME}",
    ("apply", "a\0b"): f"cannot read the plan 'a\\x00b': {NAME}",
    ("plan", "-o", "a\0b"): f"cannot write 'a\\x00b': {NAME}",
    ("scan", "--export", "a\0b.csv"): f"cannot write 'a\\x00b.csv': {NAME}",
    ("scan", "--json", "a\0b"): f"cannot write 'a\\x00b': {NAME}",
    ("explain", "metadata", "--html", "a\0b"): f"cannot write 'a\\x00b': {NAME}",
    ("init", shop.URL, "-o", "a\0b"): f"cannot write 'a\\x00b': {NAME}",
    ("demo", "a\0b"): "cannot use 'a\\x00b' for the demo: that is no name of a folder",
    ("plan", "--sign-key", "a\0b"): f"cannot read the key for plans 'a\\x00b': {NAME}",
    ("plan", "--because", "a\ud800"): (
        "invalid value for '--because': it holds bytes that are no UTF-8; see 'trueup plan --help'"
    ),
    ("apply", "p", "--because", "a\0"): "invalid value for '--because': it holds a NUL; see 'trueup apply --help'",
    ("apply", "p", "--approved-by", "\udcff"): (
        "invalid value for '--approved-by': it holds bytes that are no UTF-8; see 'trueup apply --help'"
    ),
    ("scan", "--check", "\udcff\0"): "there is no check '\\udcff\\x00'; there is metadata",
    ("scan", "--export", "nowhere/a.csv"): "cannot write 'nowhere/a.csv': No such file or directory",
    ("backup", "-o", "shop.db"): "cannot write '{folder}/shop.db': Not a directory",
}


@pytest.mark.parametrize("words", ODD, ids=repr)
def test_an_odd_word_is_one_line(trueup: Trueup, folder: Path, words: tuple[str, ...]) -> None:
    told = trueup(*words)
    assert (told.code, told.out) == (2, "")
    assert told.err == f"trueup: {ODD[words]}\n".replace("{folder}", str(folder))


CONFIGS = {
    b"\xff\xfe\x00": "trueup.yaml:1: a character that YAML forbids; write the file as UTF-8 text",
    b'stores:\n  app: "sqlite:///\xe9.db"\nchecks: []\n': (
        "trueup.yaml:2: a character that YAML forbids; write the file as UTF-8 text"
    ),
    b"a: " + b"x" * 2_000_000: "trueup.yaml: the file has 2,000,003 bytes; at most 1,000,000 are read",
    b"[" * 5000: "trueup.yaml:1: nested deeper than 20 levels",
    b'a:\n  "\\ud800": 1': "trueup.yaml:2: half of a surrogate pair (\\ud800 to \\udfff) is no character",
    b'a: ["x", "b\\udc00"]': "trueup.yaml:1: half of a surrogate pair (\\ud800 to \\udfff) is no character",
    b"a: \0": "trueup.yaml:1: a character that YAML forbids; write the file as UTF-8 text",
}


@pytest.mark.parametrize("content", CONFIGS, ids=lambda content: repr(content[:12]))
def test_a_configuration_that_is_no_text_is_one_line(trueup: Trueup, content: bytes) -> None:
    Path("trueup.yaml").write_bytes(content)
    told = trueup("scan")
    assert (told.code, told.out, told.err) == (2, "", f"trueup: {CONFIGS[content]}\n")


def test_a_character_that_json_escapes_as_two_halves_is_one() -> None:
    item = read_yaml(json.dumps({"\U0001f600": ["a\U0001f600b"]}).encode(), "x", {})
    ((key, value),) = item.pairs or ()
    assert (key.text, [one.text for one in value.items or ()]) == ("\U0001f600", ["a\U0001f600b"])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_configuration_with_a_mark_of_its_encoding_is_read(trueup: Trueup, encoding: str) -> None:
    Path("trueup.yaml").write_bytes(Path("trueup.yaml").read_text().encode(encoding))
    assert trueup("scan").code == 1


def shell(line: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    line = line.replace("trueup", f"{sys.executable} -m trueup", 1)
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, env={**os.environ, **(environ or {})})


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- 2>&- <&-"])
def test_a_stream_that_is_closed_is_not_the_database(folder: Path, closed: str) -> None:
    before = (folder / "shop.db").read_bytes()
    told = shell(f"trueup scan {closed}")
    assert (told.returncode, told.stderr) == (1, "")
    assert ("15 rows" in told.stdout) is (">&-" not in closed.replace("2>&-", ""))
    assert (folder / "shop.db").read_bytes() == before


@pytest.mark.parametrize("command", ["scan", "scan --json -", "--help", "sql"])
def test_a_full_stdout_is_one_line(folder: Path, command: str) -> None:
    told = shell(f"trueup {command} > /dev/full")
    assert told.returncode == 3
    assert told.stderr == "trueup: cannot write to stdout or to a temporary file: No space left on device\n"


def test_a_reader_that_has_gone_is_told_nothing(folder: Path) -> None:
    told = shell("trueup scan --json - | true")
    assert told.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_names_that_a_terminal_cannot_show_are_escaped(folder: Path, encoding: str) -> None:
    text = (folder / "trueup.yaml").read_text().replace("name: metadata", 'name: "metá-中"')
    (folder / "trueup.yaml").write_text(text, encoding="utf-8")
    line = f"{sys.executable} -m trueup scan"
    told = subprocess.run(line.split(), capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (told.returncode, told.stderr) == (1, b"")


def test_without_room_for_temporary_files_it_says_so(trueup: Trueup, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    told = trueup("plan")
    assert (told.code, told.err) == (3, "trueup: no folder for temporary files can be written to; TMPDIR names one\n")
