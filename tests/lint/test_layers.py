"""The linter's modules import in the order that its docstrings state, never in a circle, and no rule needs another."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
LINT = SOURCE / "trueup" / "lint"
PACKAGES = ("trueup.lint", "trueup.lint.flow")


def named(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {named(path): path for path in sorted(LINT.rglob("*.py"))}


def imports(name: str) -> set[str]:
    """Modules of the linter that a module imports: anywhere in it, also where only a type checker looks."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {
                inner if (inner := f"{node.module}.{alias.name}") in MODULES else str(node.module)
                for alias in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {other for other in found if other in MODULES and other != name}


def layers(package: str) -> dict[str, int]:
    """Module or package directly in a package to its line in the docstring of that package."""
    text = ast.get_docstring(ast.parse(MODULES[package].read_text())) or ""
    lines = [line.partition(":")[0].split(",") for line in text.splitlines() if line.startswith("    ")]
    return {f"{package}.{room.strip()}": number for number, rooms in enumerate(lines) for room in rooms}


def room(package: str, name: str) -> str:
    """The module or package directly in a package that a module is or lies in; empty when it is in another."""
    rest = name.removeprefix(f"{package}.")
    return "" if rest == name else f"{package}.{rest.split('.')[0]}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_module_imports_only_from_its_own_line_or_above(package: str) -> None:
    order = layers(package)
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        for other in imports(name)
        if room(package, name) and room(package, other) and order[room(package, name)] < order[room(package, other)]
    ]
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_the_lines_name_what_is_there(package: str) -> None:
    order = layers(package)
    assert set(order) == {room(package, name) for name in MODULES} - {""}
    assert len(set(order.values())) <= 12


def test_no_modules_import_each_other() -> None:
    TopologicalSorter({name: imports(name) for name in MODULES}).prepare()  # raises a CycleError that names them


def test_no_rule_imports_a_rule() -> None:
    rules = {name for name in MODULES if "lint.rules." in name and not name.rpartition(".")[2].startswith("_")}
    assert len(rules) > 5
    assert not {f"{name} imports {other}" for name in rules for other in imports(name) & rules}
