"""Every verb is importable from `trueup`, and none is loaded before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trueup

VERBS = Path(trueup.__file__).parent / "verbs"


def functions() -> list[tuple[str, str]]:
    """Each public function of each verb's file, as (module, name)."""
    return [
        (path.stem, node.name)
        for path in sorted(VERBS.glob("[!_]*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("module", "name"), functions())
def test_every_verb_is_importable(module: str, name: str) -> None:
    verb = getattr(trueup, name)
    assert (verb.__module__, verb.__name__) == (f"trueup.verbs.{module}", name)
    assert name in dir(trueup)


def test_no_verb_is_loaded_before_it_is_used() -> None:
    loaded = "print(sorted(name for name in sys.modules if name.startswith(('trueup.', 'sqlalchemy'))))"
    assert run(f"import sys, trueup\ndir(trueup)\n{loaded}") == "['trueup.version']"


@pytest.mark.parametrize("name", ["backup", "explain", "guard", "scan"])
def test_a_room_of_the_same_name_does_not_hide_the_verb(name: str) -> None:
    program = (
        f"import sys, trueup, trueup.{name}\nfrom trueup.verbs.{name} import {name} as verb\n"
        f"from trueup import {name} as again\nprint(trueup.{name} is verb is again, sys.modules['trueup.{name}'])"
    )
    assert run(program).startswith(f"True <module 'trueup.{name}'")


def test_what_is_listed_is_there() -> None:
    for name in dir(trueup):
        getattr(trueup, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        trueup.nothing  # noqa: B018 - the attribute is the test


def test_run_holds_the_same_verbs() -> None:
    from trueup import run as module

    assert [name for name in module.__all__ if getattr(module, name) is not getattr(trueup, name)] == []
