"""The letter of a plan, and what it demands."""

import pytest

from trueup.config.strategy import confirmed, letter
from trueup.errors import Refused

USUAL = {"B": 1, "C": 51, "D": 501}


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "A"), (1, "B"), (50, "B"), (51, "C"), (500, "C"), (501, "D"), (10**9, "D")]
)
def test_the_letter_is_the_highest_threshold_reached(count: int, expected: str) -> None:
    assert letter(count, USUAL) == expected


def test_thresholds_are_the_configurations() -> None:
    assert letter(7, {"B": 5, "C": 7, "D": 8}) == "C"


def test_without_a_word_nothing_is_written() -> None:
    assert confirmed("production", "", 3, "abcdef0123") is False


def test_yes_is_enough_outside_production() -> None:
    assert confirmed("staging", "yes", 3, "abcdef0123") is True


def test_production_is_typed() -> None:
    assert confirmed("production", "production:3:abcdef01", 3, "abcdef0123") is True
    with pytest.raises(Refused) as raised:
        confirmed("production", "yes", 3, "abcdef0123")
    assert str(raised.value) == ("environment 'production': --yes is not enough; type --confirm production:3:abcdef01")


@pytest.mark.parametrize("word", ["production:4:abcdef01", "staging:3:abcdef01", "y", "production:3:abcdef0"])
def test_another_word_confirms_nothing(word: str) -> None:
    with pytest.raises(Refused, match="does not confirm this plan"):
        confirmed("production", word, 3, "abcdef0123")
