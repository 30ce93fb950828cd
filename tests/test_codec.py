"""Canonical bytes and chains."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.codec import GENESIS, canonical, digest, link

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, VALUES)
def test_two_values_have_one_spelling_only_when_they_are_equal(left: object, right: object) -> None:
    same = left == right and repr(left) == repr(right)
    assert (canonical(left) == canonical(right)) == (same or (canonical(left) == canonical(right) and left == right))


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_show(value: dict[str, int]) -> None:
    assert canonical(value) == canonical(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [1.0, [0.5], {"a": {"b": float("nan")}}])
def test_a_float_has_no_canonical_form(value: object) -> None:
    with pytest.raises(TypeError, match="a float has no canonical form"):
        canonical(value)


@given(st.lists(st.binary(), min_size=2, max_size=6, unique=True))
def test_a_chain_shows_a_change_of_order(items: list[bytes]) -> None:
    assert reduce(link, items, GENESIS) != reduce(link, reversed(items), GENESIS)


def test_a_digest_is_sha_256_in_hexadecimal() -> None:
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
