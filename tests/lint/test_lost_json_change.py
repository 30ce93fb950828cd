"""What is said of SQLAlchemy, what SQLAlchemy does, and what the linter says, are the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lint.behaviour import LOST, MODEL, SAVED, happened, source
from tests.lint.linting import lines, lint

RULE = "lost-json-change"
#: Where the change is in the model, and is told there.
HELPERS = {
    "method": 'self.data[key] = "NEW"',
    "setter": 'self.data["theme"] = value',
    "helper with getattr": "held[key] = value",
}
OLD = os.environ.get("TRUEUP_SQLALCHEMY14", "")


@pytest.mark.parametrize("name", LOST)
def test_a_change_that_sqlalchemy_loses_is_lost_and_found(name: str) -> None:
    assert happened(LOST[name]) == "lost"
    text = MODEL + source(LOST[name])
    told = [text.splitlines()[line - 1].strip() for line in lines(lint(text, RULE))]
    if name in HELPERS:
        assert HELPERS[name] in told
    else:
        # the model alone has findings too
        assert len(told) > len(lint(MODEL, RULE))
        assert told[-1] in [line.strip() for line in LOST[name].splitlines()]


@pytest.mark.parametrize("name", SAVED)
def test_a_change_that_sqlalchemy_saves_is_saved_and_not_reported(name: str) -> None:
    assert happened(SAVED[name]) == "saved"
    body = source(SAVED[name])
    start = len(MODEL.splitlines())
    in_case = [line for line in lines(lint(MODEL + body, RULE)) if line > start]
    assert not in_case


def test_the_older_sqlalchemy_does_the_same() -> None:
    if not OLD and "CI" not in os.environ:
        pytest.skip("no SQLAlchemy 1.4: name its Python in TRUEUP_SQLALCHEMY14")
    assert OLD, "CI names the Python of an environment with requirements/sqlalchemy14.txt in TRUEUP_SQLALCHEMY14"
    script = Path(__file__).with_name("behaviour.py")
    done = subprocess.run([OLD, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name for name, fate in found.items() if fate == "lost"} == set(LOST)
    assert {name for name, fate in found.items() if fate == "saved"} == set(SAVED)


def test_this_sqlalchemy_is_the_newer() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sqlalchemy; print(sqlalchemy.__version__)"], capture_output=True, text=True
    )
    assert done.stdout.startswith("2.")
