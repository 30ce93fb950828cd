"""What the linter says of a loop, and how many queries Django and SQLAlchemy send in it, agree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lint.linting import lines, lint
from tests.lint.querying import CONSTANT, GROWS, HEAD, source

RULE = "query-in-loop"


@pytest.fixture(scope="module")
def counts() -> dict[str, list[int]]:
    """Queries for 3 rows and for 6, by case."""
    script = Path(__file__).with_name("querying.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[int]] = json.loads(done.stdout)
    return found


def told(framework: str, body: str) -> list[int]:
    """The lines of the findings in the case itself."""
    start = len(HEAD[framework][0].splitlines())
    return [line - start for line in lines(lint(source(framework, body), RULE)) if line > start]


@pytest.mark.parametrize(("framework", "name"), [(one, name) for one in GROWS for name in GROWS[one]])
def test_a_loop_that_queries_once_a_row_is_found(framework: str, name: str, counts: dict[str, list[int]]) -> None:
    three, six = counts[f"{framework}: {name}"]
    assert six >= three + 3
    assert told(framework, GROWS[framework][name])


@pytest.mark.parametrize(("framework", "name"), [(one, name) for one in CONSTANT for name in CONSTANT[one]])
def test_a_loop_that_does_not_is_left_alone(framework: str, name: str, counts: dict[str, list[int]]) -> None:
    three, six = counts[f"{framework}: {name}"]
    assert six == three
    assert told(framework, CONSTANT[framework][name]) == []
