"""No default repair makes a value up: a bound, a filling, a replacement are written only when asked for by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines import Database
from tests.rowhash import execute, row_hashes
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.out_of_range import OutOfRange
from trueup.checks.unknown_value import UnknownValue
from trueup.checks.wrong_json_shape import WrongJsonShape
from trueup.config.config import Config
from trueup.config.json_text import JsonText
from trueup.run import apply, make_plan

SHAPE = JsonText.of({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "default": 7}}})
#: A check, the repair that makes a value up, what is chosen by default.
CHECKS: list[tuple[Check, str, list[str]]] = [
    (OutOfRange(table="t", column="stamp", minimum="1000000000000"), "clamp", ["nullify"]),
    (Missing(table="t", column="name", fill="nobody"), "fill", []),
    (
        UnknownValue(table="t", column="status", allowed=("open",), replace={"opn": "open"}),
        "replace",
        ["respell", "nullify"],
    ),
    (WrongJsonShape(table="t", column="doc", schema=SHAPE), "fill", ["decode", "nullify"]),
]
SCRIPT = [
    """CREATE TABLE t (id INTEGER PRIMARY KEY, stamp BIGINT NOT NULL, name VARCHAR(20), status VARCHAR(20) NOT NULL,
       doc {JSON})""",
    """INSERT INTO t VALUES (1, 1785715160521, 'a', 'open', '{"a": 1}'), (2, 1785715160, 'a', 'open', '{"a": 1}'),
       (3, 1785715160521, NULL, 'open', '{"a": 1}'), (4, 1785715160521, 'a', 'opn', '{"a": 1}'),
       (5, 1785715160521, 'a', 'open', '{}'), (6, 1785715160521, 'a', 'open', '{"a": "2", "b": 1}'),
       (7, 1785715160521, 'a', 'open', '{"a": 3}')""",
]  # fmt: skip


@pytest.mark.parametrize(("check", "made_up", "chosen"), CHECKS, ids=[one.kind for one, _, _ in CHECKS])
def test_what_makes_a_value_up_is_offered_and_not_chosen(check: Check, made_up: str, chosen: list[str]) -> None:
    assert [one.name for one in check.chosen()] == chosen
    offered = {one.name: one for one in check.repairs()}
    assert offered[made_up].made_up
    assert [one.name for one in replace(check, repair=(made_up,)).chosen()] == [made_up]


def test_only_what_the_row_itself_says_is_written_by_default(database: Database, tmp_path: Path) -> None:
    json = {"postgresql": "JSONB", "mysql": "JSON", "mariadb": "JSON"}.get(database.engine, "TEXT")
    execute(database, [statement.replace("{JSON}", json) for statement in SCRIPT])
    before = row_hashes(database)["t"]
    checks = tuple(replace(check, store="app") for check, _, _ in CHECKS)
    config = Config(environment="test", stores={"app": database.url}, checks=checks)
    preview = make_plan(config, str(tmp_path / "plan.jsonl"))
    assert [(group.check, group.repair) for group in preview.plan.groups] == [(CHECKS[3][0].title, "decode")]
    left = {one.check: (one.count, one.reason) for one in preview.summary.left}
    assert left[CHECKS[0][0].title] == (
        1, "no repair fits (tried: nullify); there is also --repair out-of-range-t-stamp=clamp (lossy)",
    )  # fmt: skip
    assert left[CHECKS[1][0].title] == (
        1, "no repair is chosen; there is also --repair missing-t-name=fill (lossy) or quarantine (destructive)",
    )  # fmt: skip
    apply(config, str(tmp_path / "plan.jsonl"), confirm="yes")
    after = row_hashes(database)["t"]
    assert [key for key in before if after[key] != before[key]] == ["6"]
