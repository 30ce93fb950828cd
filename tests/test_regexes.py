"""Patterns that mean the same everywhere, against Python's own where it agrees with ECMA 262."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.sql.regexes import portable

atoms = st.sampled_from(["a", "b", "é", r"\.", "[ab]", "[^a]", r"[a-c\-]", "(ab)", "(?:a|b)", r"\d", r"[\d_]", r"\w"])
pieces = st.builds("".join, st.tuples(atoms, st.sampled_from(["", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"])))
patterns = st.lists(pieces, min_size=1, max_size=4).map("".join)
texts = st.text(st.sampled_from("abc1._-\\"), max_size=6)


@given(pattern=patterns, start=st.booleans(), end=st.booleans(), text=texts)
def test_the_portable_form_matches_what_the_pattern_matches(pattern: str, start: bool, end: bool, text: str) -> None:
    whole = f"{'^' * start}{pattern}{'$' * end}"
    assert bool(re.search(portable(whole), text)) == bool(re.search(whole, text))


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\d$", "1", "٣"),
        (r"^a$", "a", "a\n"),
        (r"^.$", "é", "\n"),
        (r"^\w$", "_", "é"),
        (r"^\S$", "x", "\u00a0"),
        (r"^\D$", "x", "7"),
        (r"^[\s]$", "\u2003", "x"),
        (r"^\u00e9\x41$", "éA", "eA"),
        (r"^[&&[]$", "[", "x"),
        (r"^a|b$", "ax", "xa"),
        ("^a/b-c$", "a/b-c", "a/b_c"),
    ],
)
def test_signs_mean_what_ecma_262_says(pattern: str, good: str, bad: str) -> None:
    assert re.search(portable(pattern), good)
    assert not re.search(portable(pattern), bad)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("a(?!b)", "uses '(?!', which engines read differently"),
        ("(?i)a", "uses '(?i', which engines read differently"),
        (r"(a)\1", r"uses '\1', which engines read differently"),
        (r"\bword", r"uses '\b', which engines read differently"),
        (r"\p{L}", r"uses '\p', which engines read differently"),
        ("a{300}", "uses more than 255 repetitions, which engines read differently"),
        ("a**", "uses two signs of repetition in a row, which engines read differently"),
        (r"[\D]", "uses a negated class inside of brackets, which engines read differently"),
        ("*a", r"uses '*' where it repeats nothing; write \*, which engines read differently"),
        ("a)", "has a ')' too many"),
        ("(a", "has a '(' that is never closed"),
        ("[a", "has brackets that are empty or never closed"),
    ],
)
def test_what_engines_read_differently_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        portable(pattern)
    assert str(caught.value) == f"the pattern {pattern!r} {what}"
