"""Each format says the same, and what reads it can read it."""

import json
import xml.etree.ElementTree as ElementTree

import jsonschema
import pytest

from trueup import discovery
from trueup.findings import Finding, Source
from trueup.lint.formats import Format
from trueup.lint.results import Report

WHERE = Source("app/models.py", 7, 5)
ODD = Source("a b/ü,x:y.py", 3, 1)
REPORT = Report(
    findings=(
        Finding("lost-json-change", WHERE, 'the change to "d" is lost at commit', "high", {"field": "d"}, "flag it"),
        Finding("placeholder", ODD, "does nothing, 100 %\nreally <&>", "medium"),
    ),
    lines={WHERE: '    user.d["k"] = 1', ODD: "def f(): pass  # \x1b[31m"},
    files=12,
    rules=("lost-json-change", "placeholder"),
    unreadable={"old.py": "line 3: invalid syntax"},
    ignored=2,
    known=1,
)
#: The parts of SARIF 2.1.0 that are written, with the names, types and limits that its schema gives them.
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "additionalProperties": False,
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "format": "uri-reference", "pattern": "^[!-~]+$"}},
                },
                "region": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "startLine": {"type": "integer", "minimum": 1},
                        "startColumn": {"type": "integer", "minimum": 1},
                        "snippet": {"type": "object", "properties": {"text": {"type": "string"}}},
                    },
                },
            },
        }
    },
}
TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}, "markdown": {"type": "string"}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "name": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "additionalProperties": False,
                                                    "properties": {"level": LEVEL},
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": LEVEL,
                                "message": TEXT,
                                "locations": {"type": "array", "items": LOCATION},
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                            },
                        },
                    },
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "additionalProperties": False,
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "exitCode": {"type": "integer"},
                                "toolExecutionNotifications": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["message"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "level": LEVEL,
                                            "message": TEXT,
                                            "locations": {"type": "array", "items": LOCATION},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def rendered(name: str, report: Report = REPORT) -> str:
    return discovery.load("lint.formats", name, Format)().render(report)


def test_sarif_has_the_shape_that_its_schema_asks_for() -> None:
    data = json.loads(rendered("sarif"))
    jsonschema.Draft7Validator(SARIF, format_checker=jsonschema.FormatChecker()).validate(data)
    (run,) = data["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["lost-json-change", "placeholder"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["invocations"][0]["executionSuccessful"] is False


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
