"""What `prove()` holds of a check beside the loop itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
from sqlalchemy import ColumnElement, false, func, literal

from tests.engines import Database
from tests.proof import prove
from trueup import discovery
from trueup.check import Repair, Row, RowCheck
from trueup.repairs import sql_true

SCRIPT = [
    "CREATE TABLE spans (id INTEGER PRIMARY KEY, low INT, high INT, note INT)",
    "INSERT INTO spans VALUES (1, 1, 2, 1), (2, 5, 3, NULL), (3, NULL, 3, 1)",
]
NAMES = discovery.names


@dataclass(frozen=True, kw_only=True)
class Unlike(RowCheck):
    """A low end above the high one, by an author who may have forgotten something."""

    kind: ClassVar[str] = "unlike"
    forgets: Literal["", "holds", "fits"] = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Both ends."""
        return ("low", "high")

    def holds(self, row: Row) -> ColumnElement[bool]:
        """NULL where an end is, if that was forgotten."""
        higher = row["low"] > row["high"]
        return higher if self.forgets == "holds" else func.coalesce(higher, false())

    def message(self, evidence: Mapping[str, Any]) -> str:
        """A sentence."""
        return "low is above high"

    def repairs(self) -> Sequence[Repair]:
        """`swap`, and `zero` of one column."""
        return [
            Repair(
                name="swap",
                effect="lossless",
                fits=self._fits,
                sets=lambda row: {"low": row["high"], "high": row["low"]},
            ),
            Repair(name="zero", effect="lossy", fits=lambda row: sql_true(), sets=lambda row: {"low": literal(0)}),
        ]

    def _fits(self, row: Row) -> ColumnElement[bool]:
        return row["note"] > 0 if self.forgets == "fits" else sql_true()


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**discovery.names("checks"), Unlike.kind: __name__}
    monkeypatch.setattr(discovery, "names", lambda package: known if package == "checks" else NAMES(package))


def test_a_condition_that_is_null_for_a_row_is_told_with_what_to_wrap_it_in(database: Database) -> None:
    expected = "holds is NULL for 1 rows; wrap it in func.coalesce(..., false())"
    with pytest.raises(AssertionError, match=re.escape(expected)):
        prove(Unlike(table="spans", forgets="holds"), database, SCRIPT, broken=[2])


def test_a_repair_of_which_it_is_not_known_whether_it_fits_is_told(database: Database) -> None:
    expected = "fits of swap is NULL for 1 broken rows; wrap it in func.coalesce(..., false())"
    with pytest.raises(AssertionError, match=re.escape(expected)):
        prove(Unlike(table="spans", forgets="fits"), database, SCRIPT, broken=[2])


def test_a_lossless_repair_of_several_columns_has_to_say_what_it_leaves(database: Database) -> None:
    with pytest.raises(
        AssertionError, match=re.escape("swap writes several columns; say what it leaves: mended={...}")
    ):
        prove(Unlike(table="spans"), database, SCRIPT, broken=[2], repairs={"swap": [2], "zero": [2]})


def test_what_several_columns_hold_after_a_repair_is_compared(database: Database) -> None:
    left = {"swap": {("low", 2): "3", ("high", 2): "5"}}
    prove(Unlike(table="spans"), database, SCRIPT, broken=[2], repairs={"swap": [2], "zero": [2]}, mended=left)
