"""The page of a rule is its docstring, and its examples are true."""

from pathlib import Path

import pytest

from tests.lint.linting import lint
from trueup import discovery
from trueup.lint import rule as rules

NAMES = list(discovery.names("lint.rules"))
DOCS = Path(__file__).parent.parent.parent / "docs" / "rules"


def cases(word: str) -> list[tuple[str, str]]:
    return [(name, text) for name in NAMES for text in rules.examples(rules.load(name), word)]


@pytest.mark.parametrize(("name", "text"), cases("Bad"))
def test_the_bad_example_is_found(name: str, text: str) -> None:
    assert [finding.check for finding in lint(text, name)]


@pytest.mark.parametrize(("name", "text"), cases("Good"))
def test_the_good_example_is_silent(name: str, text: str) -> None:
    assert lint(text, name) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_has_a_bad_and_a_good_example_and_the_name_of_its_file(name: str) -> None:
    rule = rules.load(name)
    assert list(rules.examples(rule, "Bad"))
    assert list(rules.examples(rule, "Good"))
    assert rule.name == name


@pytest.mark.parametrize("name", NAMES)
def test_the_page_in_the_documentation_is_the_docstring(name: str) -> None:
    assert (DOCS / f"{name}.md").read_text() == rules.page(rules.load(name)), (
        "make the pages: python -m trueup.lint.pages"
    )


def test_there_is_no_page_without_a_rule() -> None:
    assert sorted(path.stem for path in DOCS.glob("*.md")) == sorted(NAMES)
