"""The import order that docs/architecture.md states is the one the code has, and the tree keeps its sizes."""

import ast
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "trueup"
#: Folders in which each file (in `engines` each folder) is a unit of its own.
UNITS = ("checks", "engines", "stores", "reports/findings", "reports/documents", "lint/rules")
MOST_MODULES_IN_THE_ROOT = 16
MOST_LAYERS = 20
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
#: Beyond it the values of a dataclass are given by keyword only.
WIDEST_BY_PLACE = 5


def layers() -> dict[str, int]:
    """Room (module or package of trueup) to its line in the document."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    block = text.split("```layers\n")[1].split("```")[0]
    found: dict[str, int] = {}
    for number, line in enumerate(block.splitlines()):
        rooms = line.split("  ")[0].split()
        found |= {room.rstrip("/"): number for room in rooms}
    return found


def modules(source: Path) -> dict[str, Path]:
    """Every module of a tree by its dotted name, `trueup` left out; the root's own `__init__` is ""."""
    return {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path in sorted(source.rglob("*.py"))
    }


def imports(path: Path, there: Mapping[str, Path]) -> set[str]:
    """The modules of trueup that a file imports anywhere in it; deferred and type-checking imports count."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "trueup":
            prefix = node.module.removeprefix("trueup").removeprefix(".")
            for alias in node.names:
                inner = f"{prefix}.{alias.name}".strip(".")
                found.add(inner if inner in there else prefix)
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names if alias.name.split(".")[0] == "trueup"}
            found |= {name.removeprefix("trueup").removeprefix(".") for name in names}
    return found


@cache
def graph(source: Path) -> dict[str, set[str]]:
    there = modules(source)
    return {name: imports(path, there) - {name} for name, path in there.items()}


def room(module: str) -> str:
    """The room of a module such as `checks.orphan`."""
    return module.split(".", maxsplit=1)[0]


def wrong_order(source: Path) -> Iterator[str]:
    """Imports of what stands on a lower line of the document."""
    order = layers()
    for module, imported in graph(source).items():
        if module in ("", "__main__"):
            continue
        if room(module) not in order:
            yield f"docs/architecture.md does not list {room(module)!r}"
            continue
        for name in sorted(imported):
            if order.get(room(name), MOST_LAYERS) > order[room(module)]:
                yield f"{module} imports {name or 'trueup'}, which stands below it"


def cycles(source: Path) -> list[list[str]]:
    """Groups of modules that import one another in a circle, and single rooms that do: (Tarjan, 1972)."""
    of_modules = graph(source)
    of_rooms: dict[str, set[str]] = {}
    for module, imported in of_modules.items():
        of_rooms.setdefault(room(module), set()).update(room(name) for name in imported if room(name) != room(module))
    return [*_circles(of_modules), *_circles(of_rooms)]


def _circles(arrows: Mapping[str, set[str]]) -> Iterator[list[str]]:
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        path.append(name)
        for other in arrows.get(name, ()):
            if other not in number:
                visit(other)
            if other in path:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == number[name]:
            members = path[path.index(name) :]
            del path[path.index(name) :]
            if len(members) > 1:
                found.append(sorted(members))

    for name in arrows:
        if name not in number:
            visit(name)
    yield from found


def sideways(source: Path) -> Iterator[str]:
    """Units that import another unit of their folder; what begins with `_` is shared by its folder."""
    for folder in UNITS:
        package = folder.replace("/", ".")
        for module, imported in graph(source).items():
            if not module.startswith(f"{package}."):
                continue
            mine = module.removeprefix(f"{package}.").split(".")[0]
            for name in sorted(imported):
                other = name.removeprefix(f"{package}.").split(".")[0]
                if name.startswith(f"{package}.") and other != mine and not other.startswith("_"):
                    yield f"{module} imports {name}, another unit of {folder}/"


def oversized(source: Path) -> Iterator[str]:
    """Files and functions that have outgrown a reader, and a root that is a heap."""
    if (count := len(list(source.glob("*.py")))) > MOST_MODULES_IN_THE_ROOT:
        yield f"{count} modules in the root"
    for module, path in modules(source).items():
        text = path.read_text()
        if (count := len(text.splitlines())) > LONGEST_FILE:
            yield f"{module} has {count} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > LONGEST_FUNCTION:
                    yield f"{module}.{node.name} has {count} lines"


def wide(source: Path) -> Iterator[str]:
    """Dataclasses of many fields that take them by place, where two of one type are soon exchanged."""
    for module, path in modules(source).items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            made = [one for one in map(ast.unparse, node.decorator_list) if one.startswith("dataclass")]
            count = sum(isinstance(line, ast.AnnAssign) for line in node.body)
            if made and count > WIDEST_BY_PLACE and "kw_only=True" not in made[0]:
                yield f"{module}.{node.name} has {count} fields"


def test_a_module_imports_only_from_its_own_line_of_the_document_or_above() -> None:
    assert list(wrong_order(SOURCE)) == []


def test_nothing_is_imported_in_a_circle() -> None:
    assert cycles(SOURCE) == []


def test_units_never_import_units() -> None:
    assert list(sideways(SOURCE)) == []


def test_no_file_and_no_function_outgrows_a_reader() -> None:
    assert list(oversized(SOURCE)) == []


def test_wide_values_take_keywords_only() -> None:
    assert list(wide(SOURCE)) == []


def test_the_document_lists_no_room_that_is_not_there_and_few_enough_to_hold_in_the_head() -> None:
    there = {room(name) for name in modules(SOURCE)}
    assert set(layers()) <= there
    assert len(set(layers().values())) <= MOST_LAYERS


def test_every_folder_says_what_it_is_for() -> None:
    mute = [
        name
        for name, path in modules(SOURCE).items()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert mute == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the tree, to plant faults in."""
    shutil.copytree(SOURCE, tmp_path / "trueup", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "trueup"


def plant(tree: Path, module: str, line: str) -> None:
    with (tree / module).open("a") as file:
        file.write(f"\n\n{line}\n")


def test_a_planted_import_from_below_is_seen(copy: Path) -> None:
    plant(copy, "sql/tables.py", "from trueup.cli import main")
    assert list(wrong_order(copy)) == ["sql.tables imports cli, which stands below it"]


def test_a_planted_cycle_is_seen_inside_a_room_too(copy: Path) -> None:
    plant(copy, "plan/file.py", "def late():\n    from trueup.plan import planner")
    assert any({"plan.file", "plan.planner"} <= set(circle) for circle in cycles(copy))
    assert list(wrong_order(copy)) == []


def test_a_planted_cycle_inside_lint_is_seen(copy: Path) -> None:
    plant(copy, "lint/source.py", "if TYPE_CHECKING:\n    from trueup.lint.project import Project")
    assert any({"lint.source", "lint.project"} <= set(circle) for circle in cycles(copy))


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("checks/orphan.py", "checks.missing"),
        ("engines/mysql/dialect.py", "engines.sqlite.dialect"),
        ("lint/rules/placeholder.py", "lint.rules.query_in_loop"),
    ],
)
def test_a_planted_import_of_another_unit_is_seen(copy: Path, module: str, other: str) -> None:
    plant(copy, module, f"import trueup.{other}")
    assert [told for told in sideways(copy) if other in told] != []


def test_a_planted_long_function_and_a_full_root_are_seen(copy: Path) -> None:
    before = list(oversized(copy))
    plant(copy, "codec.py", "def long():\n" + "    pass\n" * 60)
    for number in range(MOST_MODULES_IN_THE_ROOT):
        (copy / f"more{number}.py").touch()
    assert [told for told in oversized(copy) if told not in before][1:] == ["codec.long has 61 lines"]


def test_a_planted_wide_value_is_seen(copy: Path) -> None:
    fields = "".join(f"    field{number}: int\n" for number in range(6))
    plant(copy, "codec.py", f"@dataclass(frozen=True)\nclass Wide:\n{fields}")
    assert list(wide(copy)) == ["codec.Wide has 6 fields"]
