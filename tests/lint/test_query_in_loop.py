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


#: Queries that are sent, but not once a row, or not to read.
LEFT_LOOP = "def act(session, rows):\n    for row in rows:\n        "
ALONE = {
    "a manager": f"from shop.models import Book\n\n{LOOP}Book.objects.get(pk=row)\n",
    "a user": (
        "from django.contrib.auth import get_user_model\n\nUser = get_user_model()\n\n"
        "def act(rows):\n    return [User.objects.filter(pk=row).first() for row in rows]\n"
    ),
    "query": f"from shop import Book\n\n{LOOP}Book.query.filter_by(id=row).first()\n",
    "a session": f"from shop import models\n\n{LOOP}session.get(models.Book, row)\n",
    "by number": f"from shop import Book\n\n{LOOP.replace('in rows', 'in range(len(rows))')}Book.query.get(rows[row])\n",
}


@pytest.mark.parametrize("kind", ALONE)
def test_a_model_of_a_file_that_is_not_there_is_known_by_its_name(kind: str) -> None:
    (finding,) = lint(ALONE[kind], RULE)
    assert finding.message.startswith("one query on ")


def test_what_is_no_model_is_left_alone() -> None:
    text = "from shop import Book, cache\n\ndef act(rows):\n    for row in rows:\n        {}\n"
    for call in ("cache.objects.get(row)", "Book.parse(row)", "Book.objects", "range(len(rows))"):
        assert lint(text.format(call), RULE) == []
