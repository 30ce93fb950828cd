"""A folder with a shop in it, and the command line in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli import shop
from trueup.cli import run


@dataclass(frozen=True)
class Told:
    """What a command line answered."""

    code: int
    out: str
    err: str


Trueup = Callable[..., Told]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("TRUEUP_TRACEBACK", raising=False)
    shop.make(tmp_path)
    return tmp_path


@pytest.fixture
def trueup(folder: Path, capsys: pytest.CaptureFixture[str]) -> Trueup:
    def answer(*arguments: str) -> Told:
        capsys.readouterr()
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Told(code, captured.out, captured.err)

    return answer
