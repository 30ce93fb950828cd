"""Paths below a temporary folder, by the ways they come to a row."""

import pytest

from tests.lint.linting import lint

HEAD = """\
import os
import shutil
import tempfile
from pathlib import Path
from tempfile import NamedTemporaryFile

from sqlalchemy import Column, Integer, String

UPLOADS = "/tmp/uploads"
KEPT = Path("/srv/kept")
app.config["PHOTOS"] = "/var/tmp/photos"
app.config["SCANS"] = "/srv/scans"

class Scan(Base):
    __tablename__ = "scans"
    id = Column(Integer, primary_key=True)
    path = Column(String)

def spool(data):
    if not data:
        return None
    with NamedTemporaryFile(delete=False) as file:
        file.write(data)
        return file.name

class Scanner:
    FOLDER = "/tmp/scanner"

    def act(self, name):
        return Scan(path=os.path.join(self.FOLDER, name))

"""
FOUND = [
    "def act(name):\n    return Scan(path=os.path.join(UPLOADS, name))\n",
    "def act(name):\n    return Scan(path=f'{UPLOADS}/{name}')\n",
    "def act(name):\n    return Scan(path=str(Path(tempfile.gettempdir()) / name))\n",
    "def act(data):\n    return Scan(path=spool(data))\n",
    "def act(scan: Scan):\n    with NamedTemporaryFile() as file:\n        path = file.name\n    scan.path = path\n",
    "def act(scan: Scan):\n    handle, path = tempfile.mkstemp()\n    scan.path = path\n",
    "def act(name):\n    path = os.path.join(app.config['PHOTOS'], name)\n    return Scan(path=path)\n",
    "def act(name, kept):\n    return Scan(path=f'/tmp/{name}' if kept else name)\n",
]
LEFT_ALONE = [
    "def act(name):\n    return Scan(path=str(KEPT / name))\n",
    "def act(UPLOADS):\n    return Scan(path=UPLOADS)\n",
    "def act():\n    return Scan(path=tempfile.mkdtemp(dir=KEPT))\n",
    "def act():\n    path = tempfile.mkdtemp()\n    path = shutil.move(path, KEPT)\n    return Scan(path=path)\n",
    "def act(name):\n    return Scan(path=os.path.join(app.config['SCANS'], name))\n",
    "def act(data):\n    return Scan(path=upload(spool(data)))\n",
    "def act():\n    return Scan(path='/tmpfiles/a')\n",
]


@pytest.mark.parametrize("code", FOUND)
def test_a_temporary_path_in_a_row_is_found(code: str) -> None:
    start = len(HEAD.splitlines())
    assert [one for one in lint(HEAD + code, "temporary-path-stored") if one.where.line > start]  # type: ignore[union-attr]


@pytest.mark.parametrize("code", LEFT_ALONE)
def test_another_path_is_left_alone(code: str) -> None:
    start = len(HEAD.splitlines())
    assert [one for one in lint(HEAD + code, "temporary-path-stored") if one.where.line > start] == []  # type: ignore[union-attr]


def test_a_path_that_a_class_holds_is_found() -> None:
    (finding,) = lint(HEAD, "temporary-path-stored")
    assert "Scan.path" in finding.message
    assert lint({"shop/tests/test_scans.py": HEAD}, "temporary-path-stored") == []


def test_a_model_of_a_file_that_is_not_there_is_known_by_where_it_comes_from() -> None:
    text = "from {} import Scan\n\ndef act(session, temp_path):\n    session.add(Scan({}=temp_path))\n"
    assert lint(text.format("shop.models", "path"), "temporary-path-stored")
    assert lint(text.format("shop.models", "temp_path"), "temporary-path-stored") == []
    assert lint(text.format("shop.scanner", "path"), "temporary-path-stored") == []


def test_a_folder_called_temp_is_temporary() -> None:
    code = "def act(name):\n    return Scan(path=os.path.join('{}', name))\n"
    start = len(HEAD.splitlines())
    for folder, count in (("/app/temp", 1), ("uploads/tmp/new", 1), ("/srv/template", 0), ("s3://temp/a", 0)):
        found = lint(HEAD + code.format(folder), "temporary-path-stored")
        assert len([one for one in found if one.where.line > start]) == count  # type: ignore[union-attr]
