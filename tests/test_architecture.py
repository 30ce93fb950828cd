"""The import order that docs/architecture.md states is the one the code has."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "trueup"
UNIT_PACKAGES = ("checks", "dialects", "stores", "reports")


def layers() -> dict[str, int]:
    """Room (module or package of trueup) to its line in the document."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    block = text.split("```layers\n")[1].split("```")[0]
    found: dict[str, int] = {}
    for number, line in enumerate(block.splitlines()):
        rooms = line.split("  ")[0].split()
        found |= {room.rstrip("/"): number for room in rooms}
    return found


def modules() -> list[str]:
    """Every module below src/trueup, as a path relative to it."""
    return sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Modules of trueup that a file imports anywhere in it, without the leading `trueup.`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "trueup":
            prefix = node.module.removeprefix("trueup").removeprefix(".")
            for alias in node.names:
                inner = f"{prefix}.{alias.name}".strip(".")
                is_module = (SOURCE / inner.replace(".", "/")).with_suffix(".py").exists()
                found.add(inner if is_module or (SOURCE / inner.replace(".", "/")).is_dir() else prefix)
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("trueup.") for alias in node.names if alias.name.startswith("trueup.")}
    return {name for name in found if name}


def room(module: str) -> str:
    """The room of a module path such as `checks/orphan.py`."""
    return module.split("/", maxsplit=1)[0].removesuffix(".py")


@pytest.mark.parametrize("module", [name for name in modules() if room(name) not in ("__init__", "__main__")])
def test_a_module_imports_only_from_its_own_line_of_the_document_or_above(module: str) -> None:
    order = layers()
    assert room(module) in order, f"docs/architecture.md does not list {room(module)!r}"
    low = {name for name in imports(SOURCE / module) if order.get(name.split(".")[0], 99) > order[room(module)]}
    assert not low, f"{module} imports {sorted(low)}, which stand below it"


def test_the_document_lists_no_room_that_is_not_there() -> None:
    there = {room(name) for name in modules()}
    assert set(layers()) <= there


@pytest.mark.parametrize("module", [name for name in modules() if room(name) in UNIT_PACKAGES])
def test_units_never_import_units(module: str) -> None:
    package = room(module)
    others = {
        name
        for name in imports(SOURCE / module)
        if name.startswith(f"{package}.") and not name.split(".")[1].startswith("_")
    }
    mine = "/".join(module.split("/")[:2]).removesuffix(".py").replace("/", ".")
    assert not {name for name in others if not name.startswith(mine)}
