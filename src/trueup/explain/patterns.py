"""Finds the conjunction of column values that best separates broken rows from healthy ones.

The method is subgroup discovery by beam search (Klösgen 1996; Herrera and others 2011) over counts of rows and broken
rows by value. Conjunctions of at most three terms are ranked by their information about being broken (the G statistic).
One is reported only if chance cannot explain it, nor any of its terms given the others. Chance is Fisher's exact test
(the hypergeometric tail), corrected for every conjunction that could have been reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Terms of a pattern, conjunctions kept a level, broken rows that a pattern must hold, and the chance of a false claim.
TERMS, BEAM, SUPPORT, ALPHA = 3, 4, 5, 0.001
#: The share of the broken rows that a pattern must hold: less than that explains nothing.
COVER = 0.2


@dataclass(frozen=True, slots=True)
class Term:
    """A column or a moment with a value; None is NULL."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of rows with one value, and of broken ones among them."""

    value: Any
    rows: int
    broken: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A conjunction of terms with its `rows` and `broken` rows; `risk` is its rate divided by the rate elsewhere."""

    terms: tuple[Term, ...]
    rows: int
    broken: int
    risk: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    terms: tuple[Term, ...]
    rows: int
    broken: int
    merit: float


class Seeker:
    """Searches for the pattern. `families` maps each name to its family; a pattern has at most one term of a family."""

    def __init__(
        self,
        families: Mapping[str, str],
        grouped: Callable[[str, Sequence[Term]], Sequence[Counts]],
        rows: int,
        broken: int,
    ) -> None:
        self.families, self.grouped = families, grouped
        self.rows, self.broken = rows, broken
        self._sizes: dict[str, int] = {}

    def best(self) -> Pattern | None:
        """Return the most informative pattern, or None where chance could explain it."""
        if self.broken < SUPPORT or self.broken == self.rows:
            return None
        beam: list[_Candidate] = [_Candidate((), self.rows, self.broken, 0.0)]
        found: dict[frozenset[Term], _Candidate] = {}
        for _ in range(TERMS):
            level: dict[frozenset[Term], _Candidate] = {}
            for one in beam:
                for longer in self._extended(one):
                    level.setdefault(frozenset(longer.terms), longer)
            if not level:
                break
            found |= level
            beam = sorted(level.values(), key=lambda one: -one.merit)[:BEAM]
        for candidate in sorted(found.values(), key=lambda one: (-one.merit, len(one.terms))):
            if self._claimed(candidate, found):
                return self._pattern(candidate)
        return None

    def _extended(self, one: _Candidate) -> list[_Candidate]:
        taken = {self.families[term.name] for term in one.terms}
        longer = []
        for name, family in self.families.items():
            if family in taken:
                continue
            counts = self.grouped(name, one.terms)
            self._sizes[name] = max(self._sizes.get(name, 1), len(counts))
            for count in counts:
                # a term that holds for every row of the conjunction adds nothing
                if count.broken >= max(SUPPORT, COVER * self.broken) and count.rows < one.rows:
                    terms = (*one.terms, Term(name, count.value))
                    longer.append(_Candidate(terms, count.rows, count.broken, self._merit(count)))
        return longer

    def _merit(self, count: Counts) -> float:
        """Return how much a row's membership tells about its being broken; 0 where the rate inside is not higher."""
        outside, bad = self.rows - count.rows, self.broken - count.broken
        if outside <= 0 or count.broken / count.rows <= bad / outside:
            return 0.0
        rate = self.broken / self.rows
        return count.rows * _divergence(count.broken / count.rows, rate) + outside * _divergence(bad / outside, rate)

    def _claimed(self, candidate: _Candidate, found: Mapping[frozenset[Term], _Candidate]) -> bool:
        """Whether chance explains neither the conjunction as a whole nor any of its terms given the others."""
        if candidate.merit <= 0:
            return False
        # every conjunction of so many terms that could have been claimed
        tests = math.log(max(1, math.comb(len(self.families), len(candidate.terms)))) + sum(
            math.log(self._sizes[term.name]) for term in candidate.terms
        )
        limit = math.log(ALPHA) - tests
        if not self._unlikely(candidate.rows, candidate.broken, self.rows, self.broken, limit):
            return False
        if len(candidate.terms) == 1:
            return True
        for term in candidate.terms:
            shorter = found.get(frozenset(candidate.terms) - {term})
            if shorter is None:
                rows, broken = self._counted([one for one in candidate.terms if one != term])
            else:
                rows, broken = shorter.rows, shorter.broken
            # given the other terms, this one must still separate broken from healthy rows
            if not self._unlikely(candidate.rows, candidate.broken, rows, broken, limit):
                return False
        return True

    def _unlikely(self, rows: int, broken: int, all_rows: int, all_broken: int, limit: float) -> bool:
        """Whether so many broken rows among `rows` of `all_rows` are less likely than `limit` by chance.

        `limit` is a log probability.
        """
        rest, bad = all_rows - rows, all_broken - broken
        if rest <= 0:
            return False
        rate = broken / rows
        # a pattern that only doubles the rate explains little, however sure it is
        if rate < 2 * bad / rest:
            return False
        return log_tail(all_rows, all_broken, rows, broken) < limit

    def _counted(self, terms: Sequence[Term]) -> tuple[int, int]:
        *others, last = terms
        for count in self.grouped(last.name, others):
            if count.value == last.value:
                return count.rows, count.broken
        return 0, 0

    def _pattern(self, candidate: _Candidate) -> Pattern:
        outside, bad = self.rows - candidate.rows, self.broken - candidate.broken
        # half a row more, so that a rate of nothing elsewhere gives a figure (Haldane 1956)
        elsewhere = (bad or 0.5) / max(outside, 1)
        order = list(self.families)
        terms = tuple(sorted(candidate.terms, key=lambda term: order.index(term.name)))
        return Pattern(terms, candidate.rows, candidate.broken, (candidate.broken / candidate.rows) / elsewhere)


def log_tail(rows: int, broken: int, drawn: int, seen: int) -> float:
    """Return an upper bound of the log probability of `seen` or more broken rows in a sample.

    The sample is `drawn` of `rows`, of which `broken` are broken.
    """
    if seen * rows <= drawn * broken:
        return 0.0  # no more than are expected
    first = _log_comb(broken, seen) + _log_comb(rows - broken, drawn - seen) - _log_comb(rows, drawn)
    # each further term of the tail is smaller by at least this ratio
    ratio = (broken - seen) * (drawn - seen) / ((seen + 1) * (rows - broken - drawn + seen + 1))
    return first - math.log1p(-ratio)


def _log_comb(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _divergence(a: float, b: float) -> float:
    """Return the Kullback-Leibler divergence of two coins."""
    if b <= 0 or b >= 1:
        return 0.0 if a == b else math.inf
    first = a * math.log(a / b) if a > 0 else 0.0
    return first + ((1 - a) * math.log((1 - a) / (1 - b)) if a < 1 else 0.0)
