"""Each format says the same, and what reads it can read it."""

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from trueup.cli.lint import rendered as in_bytes
from trueup.findings import Finding, Source
from trueup.lint.results import Report

WHERE = Source("app/models.py", 7, 5)
ODD = Source("a b/ü,x:y.py", 3, 1)
REPORT = Report(
    findings=(
        Finding(
            check="lost-json-change",
            where=WHERE,
            message='the change to "d" is lost at commit',
            severity="high",
            evidence={"field": "d"},
            hint="flag it",
        ),
        Finding(check="placeholder", where=ODD, message="does nothing, 100 %\nreally <&>", severity="medium"),
    ),
    lines={WHERE: '    user.d["k"] = 1', ODD: "def f(): pass  # \x1b[31m"},
    files=12,
    rules=("lost-json-change", "placeholder"),
    unreadable={"old.py": "line 3: invalid syntax"},
    ignored=2,
    known=1,
)


def an_object(*required: str, **properties: Any) -> dict[str, Any]:
    """The schema of an object with these properties and no others; a type for one that is only that."""
    kinds = {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in properties.items()}
    return {"type": "object", "required": list(required), "properties": kinds, "additionalProperties": False}


def many(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The schema of an array."""
    return {"type": "array", "items": items, **more}


TEXT = an_object("text", text="string", markdown="string")
LEVEL = {"enum": ["none", "note", "warning", "error"]}
FROM_ONE = {"type": "integer", "minimum": 1}
LOCATIONS = many(
    an_object(
        "physicalLocation",
        physicalLocation=an_object(
            "artifactLocation",
            artifactLocation=an_object("uri", uri={"type": "string", "format": "uri-reference", "pattern": "^[!-~]+$"}),
            region=an_object(startLine=FROM_ONE, startColumn=FROM_ONE, snippet=an_object(text="string")),
        ),
    )
)
RULE = an_object(
    "id",
    id="string",
    name="string",
    shortDescription=TEXT,
    fullDescription=TEXT,
    help=TEXT,
    defaultConfiguration=an_object(level=LEVEL),
)
DRIVER = an_object(
    "name",
    name="string",
    version="string",
    semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
    rules=many(RULE, uniqueItems=True),
)
RESULT = an_object(
    "message",
    ruleId="string",
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=TEXT,
    locations=LOCATIONS,
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
)
INVOCATION = an_object(
    "executionSuccessful",
    executionSuccessful="boolean",
    exitCode="integer",
    toolExecutionNotifications=many(an_object("message", level=LEVEL, message=TEXT, locations=LOCATIONS)),
)
#: The parts of SARIF 2.1.0 that are written, with the names, types and limits that its schema gives them.
SARIF = an_object(
    "version",
    "runs",
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs=many(
        an_object(
            "tool",
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            tool=an_object("driver", driver=DRIVER),
            results=many(RESULT),
            invocations=many(INVOCATION),
        )
    ),
)
#: Where the schema of SARIF 2.1.0 itself lies, for those who have it: it is not ours to hand on.
OFFICIAL = os.environ.get("TRUEUP_SARIF_SCHEMA", "")


def rendered(name: str, report: Report = REPORT) -> str:
    return in_bytes(name, report).decode()


def test_sarif_has_the_shape_that_its_schema_asks_for() -> None:
    data = json.loads(rendered("sarif"))
    jsonschema.Draft7Validator(SARIF, format_checker=jsonschema.FormatChecker()).validate(data)
    (run,) = data["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["lost-json-change", "placeholder"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["invocations"][0]["executionSuccessful"] is False


@pytest.mark.skipif(not OFFICIAL, reason="TRUEUP_SARIF_SCHEMA names no copy of the schema of SARIF 2.1.0")
@pytest.mark.parametrize("report", [REPORT, Report(rules=REPORT.rules), Report()])
def test_sarif_is_valid_against_the_schema_of_the_standard(report: Report) -> None:
    schema = json.loads(Path(OFFICIAL).read_text())
    validator = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
    validator.validate(json.loads(rendered("sarif", report)))


def test_an_empty_report_is_valid_too() -> None:
    data = json.loads(rendered("sarif", Report(rules=("placeholder",))))
    jsonschema.Draft7Validator(SARIF).validate(data)
    assert data["runs"][0]["results"] == []
    assert rendered("text", Report()) == "no findings in 0 files by 0 rules\n"
    assert rendered("github", Report()) == ""
    assert ElementTree.fromstring(rendered("junit", Report())).get("failures") == "0"


def test_text_shows_the_line_and_what_to_do_and_hides_what_a_terminal_obeys() -> None:
    assert rendered("text") == (
        'app/models.py:7:5: lost-json-change: the change to "d" is lost at commit\n'
        '    user.d["k"] = 1\n'
        "    ^\n"
        "    flag it\n"
        "\n"
        "a b/ü,x:y.py:3:1: placeholder: does nothing, 100 %\\nreally <&>\n"
        "    def f(): pass  # \\x1b[31m\n"
        "    ^\n"
        "\n"
        "old.py: not checked: line 3: invalid syntax\n"
        "2 findings in 12 files by 2 rules, 1 finding of the baseline, 2 ignored by comments, 1 file not checked\n"
    )


def test_github_escapes_what_separates() -> None:
    assert rendered("github") == (
        "::error file=app/models.py,line=7,col=5,title=lost-json-change::"
        'the change to "d" is lost at commit%0Aflag it\n'
        "::warning file=a b/ü%2Cx%3Ay.py,line=3,col=1,title=placeholder::does nothing, 100 %25%0Areally <&>\n"
        "::error file=old.py,title=not checked::line 3: invalid syntax\n"
    )


def test_junit_is_xml_with_a_failure_a_finding_and_an_error_a_file_not_checked() -> None:
    root = ElementTree.fromstring(rendered("junit"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "2", "1")
    assert [node.get("type") for node in root.iter("failure")] == ["lost-json-change", "placeholder"]
    assert len(list(root.iter("error"))) == 1


def test_json_has_all_that_is_known() -> None:
    data = json.loads(rendered("json"))
    first = data["findings"][0]
    assert (first["rule"], first["path"], first["line"], first["column"]) == ("lost-json-change", "app/models.py", 7, 5)
    assert first["evidence"] == {"field": "d"}
    assert data["not_checked"] == {"old.py": "line 3: invalid syntax"}
    assert len({finding["fingerprint"] for finding in data["findings"]}) == 2


@pytest.mark.parametrize(("report", "code"), [(REPORT, 3), (Report(findings=REPORT.findings), 1), (Report(), 0)])
def test_exit_codes(report: Report, code: int) -> None:
    assert report.exit_code == code
