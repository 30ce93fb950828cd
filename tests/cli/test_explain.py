"""`trueup explain` on the command line."""

import json
from pathlib import Path

from tests.cli.conftest import Trueup


def test_explain_says_where_the_broken_rows_are(trueup: Trueup) -> None:
    told = trueup("explain", "metadata")
    assert told.code == 1
    assert told.out.splitlines()[0] == "metadata  15 broken of 300 rows"
    assert "of 2 types: string 12, double 3" in told.out
    assert "event_type" in told.out


def test_explain_writes_a_document_and_a_page(trueup: Trueup, folder: Path) -> None:
    told = trueup("explain", "metadata", "--json", "-", "--html", "explained.html")
    assert told.code == 1
    document = json.loads(told.out)
    assert (document["broken"], document["rows"]) == (15, 300)
    assert (folder / "explained.html").read_text().startswith("<!doctype html>")


def test_an_unknown_check_or_column_is_one_line(trueup: Trueup) -> None:
    assert trueup("explain", "metadat").err == "trueup: there is no check 'metadat'; did you mean 'metadata'?\n"
    told = trueup("explain", "metadata", "--by", "user")
    assert told.code == 2
    assert told.err == "trueup: table 'events' has no column 'user'; it has id, event_type, note, metadata\n"
