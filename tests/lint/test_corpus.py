"""How well `lost-json-change` does on code written to be hard, marked line by line with BUG and OK."""

import re
from pathlib import Path

import pytest

from tests.lint.linting import lint
from trueup.findings import Source

CORPUS = Path(__file__).parent / "corpus"
# `held_out` was written apart from the rule; `public` and `fresh` follow how public applications use JSON columns, and
# measured precision 0.953 and 1.000, recall 0.932 and 0.889, when they were first run; `wild` is what was wrong or hard
# in files of 150 public repositories
PARTS = ("seen", "held_out", "public", "fresh", "wild")
APPS = sorted(path for part in PARTS for path in (CORPUS / part).iterdir() if path.is_dir())


def marked(app: Path) -> tuple[dict[str, str], set[tuple[str, int]], set[tuple[str, int]]]:
    """The files of an application, its lines with a bug, and its lines that are right."""
    files = {str(path.relative_to(app.parent)): path.read_text() for path in sorted(app.rglob("*.py"))}
    places: dict[str, set[tuple[str, int]]] = {"BUG": set(), "OK": set()}
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if match := re.search(r"# (BUG|OK)$", line):
                places[match[1]].add((path, number))
    return files, places["BUG"], places["OK"]


def found(files: dict[str, str]) -> set[tuple[str, int]]:
    return {
        (finding.where.path, finding.where.line)
        for finding in lint(files, "lost-json-change")
        if isinstance(finding.where, Source)
    }


def measured(apps: list[Path]) -> tuple[float, float, str]:
    """Precision, recall, and what went wrong; a finding on a line without a mark is wrong as well."""
    right = wrong = missed = correct = 0
    told = []
    for app in apps:
        files, bugs, oks = marked(app)
        lines = found(files)
        right, wrong, missed = right + len(lines & bugs), wrong + len(lines - bugs), missed + len(bugs - lines)
        correct += len(oks)
        told += [f"wrong:  {path}:{line}" for path, line in sorted(lines - bugs)]
        told += [f"missed: {path}:{line}" for path, line in sorted(bugs - lines)]
    precision, recall = right / (right + wrong), right / (right + missed)
    print(f"\n{right + missed} bugs, {correct} correct sites: precision {precision:.3f}, recall {recall:.3f}")
    print("\n".join(told))
    return precision, recall, "\n".join(told)


@pytest.mark.parametrize("part", PARTS)
def test_precision_and_recall_are_at_least_95_percent(part: str) -> None:
    precision, recall, told = measured([app for app in APPS if app.parent.name == part])
    assert precision >= 0.95, told
    assert recall >= 0.95, told


def test_the_corpus_is_as_large_as_promised() -> None:
    sites = [marked(app)[1:] for app in APPS]
    assert sum(len(bugs) for bugs, _ in sites) >= 60
    assert sum(len(oks) for _, oks in sites) >= 100


def test_nothing_in_the_corpus_is_missed_or_wrong_in_the_seen_part() -> None:
    _, _, told = measured([app for app in APPS if app.parent.name == "seen"])
    assert told == ""
