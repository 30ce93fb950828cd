"""A distribution beside trueup, laid down in a folder as an installer would: no index, no network."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent


def lay_down(folder: Path, files: Mapping[str, str], groups: Mapping[str, Mapping[str, str]]) -> None:
    """Write `files` (texts by path) and the entry points `groups` (modules by name, by group) into `folder`."""
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {module}\n" for name, module in units.items())
        for group, units in groups.items()
    )
    about = {"METADATA": "Metadata-Version: 2.1\nName: beside\nVersion: 1.0\n", "entry_points.txt": points}
    for name, text in {**files, **{f"beside-1.0.dist-info/{name}": text for name, text in about.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in `folder`, which is on its path, in lines that are wide enough for a sentence."""
    path = os.pathsep.join([str(folder), str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def trueup(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder`."""
    return python(folder, "-m", "trueup", *words)
