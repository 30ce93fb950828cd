"""The second look at what a pass over a table found."""

import pytest

import trueup
from tests.engines import Database
from tests.rowhash import execute
from trueup.checks.out_of_range import OutOfRange
from trueup.scan import second_look


def test_no_finding_is_lost_when_the_second_look_is_slow_and_takes_larger_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_look, "SLOW", 0.0)
    monkeypatch.setattr(second_look, "PAGE", 4)
    rows = ", ".join(f"({n}, {-1 if n % 3 else 1})" for n in range(1, 100))
    execute(database, ["CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER)", f"INSERT INTO t VALUES {rows}"])
    checks = (OutOfRange(table="t", column="amount", minimum="0"),)
    config = trueup.Config(environment="test", stores={"app": database.url}, checks=checks)
    keys: list[int] = []

    def take(finding: trueup.Finding) -> None:
        assert isinstance(finding.where, trueup.Record)
        keys.append(int(finding.where.key[0]))

    (result,) = trueup.scan(config, sink=take).results

    assert keys == [n for n in range(1, 100) if n % 3]
    assert result.findings == len(keys)
