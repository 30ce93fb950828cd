"""A plan's file: what was written is what is read, and any edit is seen."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.changes import Group, Left, Plan
from trueup.errors import PlanError
from trueup.plan.file import Op, PlanFile, PlanWriter

GROUPS = (
    Group(
        check="metadata-holds-an-object",
        repair="decode",
        store="app",
        table="events",
        action="update",
        columns=("metadata",),
        effect="lossless",
    ),
    Group(
        check="metadata-holds-an-object",
        repair="nullify",
        store="app",
        table="events",
        action="update",
        columns=("metadata",),
        effect="lossy",
    ),
)
PLAN = Plan(
    plan_id="abc",
    tool="0",
    environment="test",
    store="app",
    identity={"engine": "sqlite"},
    schema={"events": "1"},
    checks={"metadata-holds-an-object": {"kind": "wrong-json-type", "table": "events"}},
    groups=GROUPS,
    created=1,
    expires=2,
)
OPS = [
    Op(
        seq=1,
        group=0,
        key=("7",),
        before="b" * 64,
        after="a" * 64,
        previews=("string, 9 characters", "object, 7 characters"),
    ),
    Op(seq=2, group=0, key=("8",), before="c" * 64, after="d" * 64),
    Op(seq=3, group=1, key=("'é\n'", "x'00'"), before="e" * 64, after="f" * 64),
]
LEFT = (Left("metadata-holds-an-object", 2, "no repair fits (tried: decode, nullify)"),)


def write(path: Path, ops: list[Op], plan: Plan = PLAN) -> str:
    """Write a plan and return its digest."""
    writer = PlanWriter(str(path), plan)
    for op in ops:
        writer.add(op.group, op.key, op.before, op.after, op.previews)
    return writer.close(LEFT, len(ops) + 2, "B").digest


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    digest = write(tmp_path / "plan.jsonl", OPS)
    with PlanFile(str(tmp_path / "plan.jsonl")) as plan:
        assert plan.plan == PLAN
        assert list(plan.ops()) == OPS
        assert (plan.summary.count, plan.summary.by_group, plan.summary.left) == (3, (2, 1), LEFT)
        assert (plan.summary.findings, plan.summary.letter, plan.summary.digest) == (5, "B", digest)


@given(keys=st.lists(st.lists(st.text(), min_size=1, max_size=3), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_keys_of_any_text_come_back(tmp_path: Path, keys: list[list[str]]) -> None:
    ops = [Op(seq=i, group=0, key=tuple(key), before="b", after="a") for i, key in enumerate(keys, 1)]
    write(tmp_path / "plan.jsonl", ops)
    with PlanFile(str(tmp_path / "plan.jsonl")) as plan:
        assert list(plan.ops()) == ops


def test_every_flipped_byte_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    write(path, OPS)
    good = path.read_bytes()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 0x01
        path.write_bytes(bytes(bad))
        with pytest.raises(PlanError):
            PlanFile(str(path))


@pytest.mark.parametrize("edit", ["drop", "swap", "repeat", "cut", "append"])
def test_lines_that_were_moved_are_seen(tmp_path: Path, edit: str) -> None:
    path = tmp_path / "plan.jsonl"
    write(path, OPS)
    lines = path.read_bytes().splitlines(keepends=True)
    edits = {
        "drop": lines[:2] + lines[3:],
        "swap": [lines[0], lines[2], lines[1], *lines[3:]],
        "repeat": [*lines[:2], *lines[1:]],
        "cut": lines[:-1],
        "append": [*lines, lines[1]],
    }
    path.write_bytes(b"".join(edits[edit]))
    with pytest.raises(PlanError):
        PlanFile(str(path))


def test_an_edited_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    write(path, OPS)
    path.write_bytes(path.read_bytes().replace(b'"k":["8"]', b'"k":["9"]'))
    with pytest.raises(PlanError) as raised:
        PlanFile(str(path))
    assert str(raised.value) == f"{path}:3: this line is not as it was written; a plan cannot be edited, make it again"


def test_a_line_that_changes_after_the_plan_was_checked_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    write(
        path,
        [Op(seq=number, group=0, key=(f"{number:06}",), before="b" * 64, after="a" * 64) for number in range(1, 5001)],
    )
    with PlanFile(str(path)) as plan, path.open("r+b") as other:
        ops = plan.ops()
        assert next(ops).key == ("000001",)
        other.write(path.read_bytes().replace(b'"k":["004000"]', b'"k":["000002"]'))
        other.flush()
        with pytest.raises(PlanError, match=r"plan\.jsonl:4001: this line is not as it was written"):
            list(ops)


def test_a_signature_stands_beside_the_seal_and_changes_nothing_of_it(tmp_path: Path) -> None:
    digest = write(tmp_path / "a", OPS)
    writer = PlanWriter(str(tmp_path / "b"), PLAN)
    for op in OPS:
        writer.add(op.group, op.key, op.before, op.after, op.previews)
    summary = writer.close(LEFT, len(OPS) + 2, "B", lambda seal: seal[::-1])
    with PlanFile(str(tmp_path / "b")) as plan:
        assert (summary.digest, plan.summary, plan.signature) == (digest, summary, digest[::-1])
        assert list(plan.ops()) == OPS


def test_a_file_that_is_no_plan_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(PlanError, match="not a whole trueup plan"):
        PlanFile(str(tmp_path / "empty"))
    with pytest.raises(PlanError, match="cannot read the plan"):
        PlanFile(str(tmp_path / "absent"))


def test_an_unfinished_plan_leaves_nothing_behind(tmp_path: Path) -> None:
    writer = PlanWriter(str(tmp_path / "plan.jsonl"), PLAN)
    writer.add(0, ("1",), "b", "a", ("", ""))
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_two_plans_never_share_a_digest(tmp_path: Path) -> None:
    first = write(tmp_path / "a", OPS)
    second = write(tmp_path / "b", OPS, replace(PLAN, plan_id="abd"))
    assert first != second
