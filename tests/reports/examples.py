"""Made-up results that the tests of the reports share: a scan as section A describes it, hostile text, a run."""

from trueup.changes import Group, Left, Plan, PlanSummary
from trueup.findings import Finding, Record, Severity
from trueup.results import (
    CheckResult,
    GroupCount,
    OpRecord,
    Preview,
    RepairCount,
    RunReport,
    Scan,
    Verification,
)

#: Clears a terminal, hides text, reverses it, and rings: none of it may come out of a report as it is.
HOSTILE = "\x1b[2J\x1b]0;title\x07\r\u202eevil\u2066\x9b31m[bold red]x[/]\udcff\x00"

THRESHOLDS = {"B": 1, "C": 51, "D": 501}


def finding(number: int = 7, *, severity: Severity = "high", message: str = "", **evidence: object) -> Finding:
    text = message or "events.metadata holds a string with an object inside (encoded twice), not an object"
    return Finding(
        check="metadata-holds-an-object",
        where=Record("app", "events", (str(number),)),
        message=text,
        severity=severity,
        evidence=evidence,
    )


def broken(**changes: object) -> CheckResult:
    given: dict[str, object] = {
        "title": "metadata-holds-an-object",
        "kind": "wrong-json-type",
        "store": "app",
        "table": "analytics_activityevent",
        "columns": ("metadata",),
        "status": "findings",
        "rows": 1_204_551,
        "skipped": 12,
        "skipped_because": "their key is not valid UTF-8",
        "findings": 159,
        "distribution": (
            ("object", True, 1_200_000),
            ("SQL NULL", True, 4_392),
            ("string", False, 145),
            ("double", False, 14),
        ),
        "groups": (
            GroupCount("content_viewed", "string", 140, "low"),
            GroupCount("quiz_completed", "double", 14, "high"),
            GroupCount("page_left", "string", 5, "medium"),
        ),
        "group_by": "event_type",
        "samples": tuple(finding(n, type="string", user_id="4 characters") for n in range(1, 31)),
        "repairs": (
            RepairCount("decode", "lossless", 142),
            RepairCount("nullify", "lossy", 14),
            RepairCount("", "", 3),
        ),
        "letter": "C",
        "seconds": 1.234,
    }
    return CheckResult(**(given | changes))  # type: ignore[arg-type]  # a shorthand for tests


def clean(**changes: object) -> CheckResult:
    given: dict[str, object] = {
        "title": "orders-have-users",
        "kind": "orphan",
        "store": "app",
        "table": "orders",
        "columns": ("user_id",),
        "status": "clean",
        "rows": 12_000,
    }
    return CheckResult(**(given | changes))  # type: ignore[arg-type]  # a shorthand for tests


def failed() -> CheckResult:
    return clean(
        title="prices-in-range",
        kind="out-of-range",
        table="products",
        columns=("price",),
        status="not checked",
        rows=0,
        reason="permission denied for table products (42501)",
    )


def scan(*results: CheckResult, derived: bool = False) -> Scan:
    return Scan(
        environment="production", stores={"app": "PostgreSQL 15.18"}, results=results, seconds=2.5, derived=derived
    )


GROUPS = (
    Group(
        check="metadata-holds-an-object",
        repair="nullify",
        store="app",
        table="events",
        action="update",
        columns=("metadata",),
        effect="lossy",
    ),
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
        check="orders-have-users",
        repair="quarantine",
        store="app",
        table="orders",
        action="delete",
        columns=(),
        effect="destructive",
    ),
)


def preview(count: int = 1_234) -> Preview:
    plan = Plan(
        plan_id="p1",
        tool="trueup 0.1.0",
        environment="production",
        store="app",
        identity={"db": "x"},
        schema={},
        checks={},
        groups=GROUPS,
        created=1_795_000_000,
        expires=1_795_086_400,
        because="the importer wrote text until 4f2a1c",
    )
    left = (Left("metadata-holds-an-object", 3, "no repair fits"),)
    summary = PlanSummary(
        count=count, by_group=(14, 1_218, 2), left=left, findings=1_237, letter="D", digest="ab12cd34" + "0" * 56
    )
    samples = {0: (("7", "4 characters", "NULL"),), 1: (("8", "23 characters", "17 characters"),)}
    return Preview("plan.jsonl", plan, summary, samples)


def run(**changes: object) -> RunReport:
    given: dict[str, object] = {
        "run_id": "20261121-ab12",
        "store": "app",
        "state": "applied",
        "environment": "production",
        "plan_digest": "ab12cd34" + "0" * 56,
        "planned": 1_234,
        "states": {"applied": 1_230, "conflict": 3, "missing": 1},
        "groups": GROUPS[:2],
        "listed": (OpRecord(5, "events", "42", "conflict", "the application changed the row after the plan was made"),),
        "because": "the importer wrote text until 4f2a1c",
        "started": 1_795_000_000,
        "ended": 1_795_000_042,
        "undoable": 1_230,
        "seconds": 42.0,
    }
    return RunReport(**(given | changes))  # type: ignore[arg-type]  # a shorthand for tests


def verification(**changes: object) -> Verification:
    given: dict[str, object] = {
        "run_id": "20261121-ab12",
        "state": "applied",
        "rows": 1_230,
        "intact": 1_228,
        "changed_since": 2,
        "remaining": {"metadata-holds-an-object": 3},
    }
    return Verification(**(given | changes))  # type: ignore[arg-type]  # a shorthand for tests
