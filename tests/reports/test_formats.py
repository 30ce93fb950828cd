"""Findings and scans as files: what is written is read back by the format's own reader."""

import csv
import json
import sys
import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path

import pytest

from tests.reports.examples import HOSTILE, broken, clean, failed, finding, scan
from trueup.errors import UsageError
from trueup.findings import Finding, Record, Source
from trueup.reports.documents.scan import scan_json
from trueup.reports.export import About, Export, Rule
from trueup.reports.findings.csv import COLUMNS, Csv, cell
from trueup.reports.findings.github import Github
from trueup.reports.findings.jsonl import JsonLines
from trueup.reports.findings.junit import Junit
from trueup.reports.findings.parquet import Parquet
from trueup.reports.findings.sarif import Sarif
from trueup.reports.plain import plain

FINDINGS = [
    finding(1, value=None, length=23),
    finding(2, message=HOSTILE, value=HOSTILE),
    Finding(
        check="c",
        where=Record("app", "t", ("a,b", "-5\n")),
        message="=1+1",
        severity="low",
        evidence={"value": 2**60, "f": float("nan")},
        hint="@x",
    ),
    Finding(check="lint", where=Source("app/models.py", 3, 9), message="lost at commit"),
]


def write(kind: type[Export], path: Path) -> None:
    with path.open("wb") as file:
        export = kind(file, About())
        for one in FINDINGS:
            export.add(one)
        export.close({})


def test_csv_is_read_back_a_line_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    write(Csv, path)
    assert path.read_text(encoding="utf-8").count("\n") == len(FINDINGS) + 1
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0]["key"] == "1"
    assert json.loads(rows[0]["evidence"]) == {"value": None, "length": 23}
    assert rows[2]["key"] == '["a,b", "-5\\n"]'
    assert rows[2]["message"] == "'=1+1"
    assert rows[2]["hint"] == "'@x"
    assert (rows[3]["path"], rows[3]["line"], rows[3]["key"]) == ("app/models.py", "3", "")


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-2+3", "@SUM(A1)", " =1", "\t=1", "＝1", "-", "+cmd|' /C calc'!A0"])
def test_no_cell_becomes_a_formula(text: str) -> None:
    shown = cell(text)
    assert shown.startswith(("'", "\\"))


@pytest.mark.parametrize("text", ["-5", "+5.25", "12", "a=b", "", "1-2"])
def test_numbers_and_plain_text_keep_their_looks(text: str) -> None:
    assert cell(text) == text


def test_json_lines_hold_each_finding_whole(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    write(JsonLines, path)
    rows = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    assert rows[0] == {
        "fingerprint": FINDINGS[0].fingerprint,
        "check": "metadata-holds-an-object",
        "severity": "high",
        "store": "app",
        "table": "events",
        "key": ["1"],
        "path": None,
        "line": None,
        "message": FINDINGS[0].message,
        "hint": "",
        "evidence": {"value": None, "length": 23},
    }
    assert rows[1]["message"] == HOSTILE.replace("\udcff", "\\udcff")
    assert rows[2]["key"] == ["a,b", "-5\n"]
    assert rows[2]["evidence"] == {"value": str(2**60), "f": "nan"}
    assert {tuple(row) for row in rows} == {tuple(rows[0])}


def test_parquet_is_read_back_by_arrow(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write(Parquet, tmp_path / "f.parquet")
    rows = parquet.read_table(tmp_path / "f.parquet").to_pylist()
    assert [row["key"] for row in rows] == [["1"], ["2"], ["a,b", "-5\n"], None]
    assert [row["line"] for row in rows] == [None, None, None, 3]
    assert json.loads(rows[2]["evidence"]) == {"value": str(2**60), "f": "nan"}


def test_parquet_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        write(Parquet, tmp_path / "f.parquet")
    assert str(caught.value) == ("Parquet needs pyarrow: pip install 'trueup[parquet]'; .csv and .jsonl need nothing")


def test_a_scan_as_json_keeps_its_keys() -> None:
    document = json.loads(scan_json(scan(broken(), clean(), failed())))
    assert list(document) == [
        "format", "environment", "stores", "derived", "exit_code", "findings", "notices", "milliseconds", "checks",
    ]  # fmt: skip
    assert (document["exit_code"], document["findings"], document["milliseconds"]) == (3, 159, 2500)
    first, second, third = document["checks"]
    assert list(first) == [
        "title", "kind", "store", "table", "columns", "status", "reason", "rows", "skipped", "skipped_because",
        "findings", "letter", "distribution", "parts", "group_by", "groups", "repairs", "samples", "code",
        "milliseconds",
    ]  # fmt: skip
    assert list(first) == list(second) == list(third)
    assert first["parts"] == []
    assert first["distribution"][0] == {"word": "object", "healthy": True, "count": 1_200_000}
    assert first["groups"][0] == {"group": "content_viewed", "word": "string", "count": 140, "severity": "low"}
    assert first["repairs"][2] == {"repair": "", "effect": "", "count": 3}
    assert len(first["samples"]) == 30
    assert third["reason"] == "permission denied for table products (42501)"


def test_a_scan_as_json_has_no_floats_and_no_terminal_codes() -> None:
    def refuse(_: str) -> object:
        raise AssertionError("a float")

    told = scan_json(scan(broken(title=HOSTILE, samples=(finding(message=HOSTILE, ratio=0.1),))))
    json.loads(told, parse_float=refuse, parse_constant=refuse)
    assert told.isascii()
    assert "\x1b" not in told


def test_values_become_what_every_reader_of_json_takes() -> None:
    assert plain([1, 2**53 + 1, 1.5, float("inf"), b"\x00\xff", None, True, {"a": (1,)}, "\udcff"]) == [
        1, str(2**53 + 1), "1.5", "inf", "00ff", None, True, {"a": [1]}, "\\udcff",
    ]  # fmt: skip


ABOUT = About("data", {"metadata-holds-an-object": Rule("wrong-json-type", "high", "# x\n\nJSON of the wrong type.\n"),
                       "c": Rule("missing", "low", "A value that is missing."),
                       "clean": Rule("orphan", "medium", "A row whose parent is gone."),
                       "locked": Rule("orphan", "medium", "A row whose parent is gone.")}, "trueup.yaml")  # fmt: skip


def in_data(kind: type[Export]) -> str:
    file = BytesIO()
    export = kind(file, ABOUT)
    for one in FINDINGS[:3]:
        export.add(one)
    export.close({"locked": "permission denied"})
    return file.getvalue().decode()


def test_sarif_places_a_record_by_its_name_and_at_the_file_that_states_the_check() -> None:
    data = json.loads(in_data(Sarif))
    (run,) = data["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(ABOUT.rules)
    assert run["tool"]["driver"]["rules"][0]["shortDescription"] == {"text": "JSON of the wrong type."}
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("metadata-holds-an-object", 0, "error")
    assert first["locations"] == [
        {
            "logicalLocations": [{"name": "events 1", "fullyQualifiedName": "app.events 1", "kind": "row"}],
            "physicalLocation": {"artifactLocation": {"uri": "trueup.yaml"}},
        }
    ]
    assert first["partialFingerprints"] == {"trueup/v1": FINDINGS[0].fingerprint}
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"] == "locked was not checked: permission denied"
    assert run["invocations"][0]["exitCode"] == 3


def test_junit_has_a_suite_a_check_a_passed_case_where_it_is_clean_and_an_error_where_it_did_not_run() -> None:
    root = ElementTree.fromstring(in_data(Junit))
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["5", "3", "1"]
    cases = {suite.get("name"): [len(case) and case[0].tag for case in suite] for suite in root}
    assert cases == {"metadata-holds-an-object": ["failure"] * 2, "c": ["failure"], "locked": ["error"], "clean": [0]}


def test_github_is_a_command_a_record_at_the_file_that_states_the_check() -> None:
    lines = in_data(Github).splitlines()
    assert lines[2] == "::notice file=trueup.yaml,title=c::t a,b, -5%0A: =1+1%0A@x"
    assert lines[3] == "::error file=trueup.yaml,title=locked::not checked: permission denied"
    assert len(lines) == 4
