"""`python -m trueup.lint.pages [FOLDER]`: writes the page of each rule."""

from __future__ import annotations

import sys
from pathlib import Path

from trueup import output
from trueup.lint import rule


def write(folder: Path) -> None:
    """Write `<rule>.md` for each rule."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in rule.every():
        output.write(folder / f"{kind.name}.md", rule.page(kind), private=False)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/rules"))
