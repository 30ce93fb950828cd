"""What the command line says to bad input: one line on stderr, read whole, and nothing written."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli import shop
from tests.cli.conftest import Trueup

BEGIN = (
    "trueup: there is no trueup.yaml here; look at a database with 'trueup scan URL', "
    "or write a configuration with 'trueup init URL'\n"
)
NO_URL = "trueup: that is no URL of a database; it reads like postgresql://user@host/name or sqlite:///file.db\n"
REFUSED = "trueup: environment 'production': --yes is not enough; type --confirm production:15:"

MESSAGES = {
    "scn": "trueup: there is no command 'scn'; did you mean 'scan'?\n",
    "frobnicate": "trueup: there is no command 'frobnicate'; see 'trueup --help'\n",
    "--frobnicate": "trueup: no such option '--frobnicate'; see 'trueup --help'\n",
    "scan --lmit 3": "trueup: no such option '--lmit'; did you mean '--limit'?\n",
    "scan --limit many": (
        "trueup: invalid value for '--limit': 'many' is not a valid integer range; see 'trueup scan --help'\n"
    ),
    "undo": "trueup: missing argument 'RUN'; see 'trueup undo --help'\n",
    "scan shop": NO_URL,
    "scan shop.db": "trueup: 'shop.db' is a file, not a URL; for a SQLite database write sqlite:///shop.db\n",
    "scan --check metdata": "trueup: there is no check 'metdata'; did you mean 'metadata'?\n",
    "scan --store ap": "trueup: there is no store 'ap'; did you mean 'app'?\n",
    "scan -c nowhere.yaml": "trueup: nowhere.yaml: cannot be read: No such file or directory\n",
    "scan --export f.xlsx": (
        "trueup: cannot export to 'f.xlsx': the ending must be one of .csv, .github, .jsonl, .parquet, .sarif, .xml, "
        "or --format must say it\n"
    ),
    "scan --export nowhere/f.csv": "trueup: cannot write 'nowhere/f.csv': No such file or directory\n",
    "scan --json nowhere/f.json": "trueup: cannot write 'nowhere/f.json': No such file or directory\n",
    "scan --json .": "trueup: cannot write '.': Is a directory\n",
    "init sqlite:///shop.db -o nowhere/t.yaml": "trueup: cannot write 'nowhere/t.yaml': No such file or directory\n",
    "plan --repair metadata": (
        "trueup: --repair takes CHECK=REPAIR, as in orders-have-users=nullify; it is 'metadata'\n"
    ),
    "plan --repair metadata=a --repair metadata=b": "trueup: --repair is given twice for metadata\n",
    "plan -o trueup.yaml": (
        "trueup: 'trueup.yaml' is there already; choose another name with -o, or replace it with --force\n"
    ),
    "init sqlite:///shop.db": (
        "trueup: 'trueup.yaml' is there already; choose another name with -o, or replace it with --force\n"
    ),
    "undo last --preview --yes": (
        "trueup: --preview changes nothing, --yes and --confirm do; give one of them\n"
    ),
    "plan --repair metdata=decode -o p.jsonl": (
        "trueup: there is no check 'metdata' to repair with 'decode'; did you mean 'metadata'?\n"
    ),
    "sql --dialect oracle": (
        "trueup: there is no dialect 'oracle'; there is mariadb, mysql, postgresql, sqlite\n"
    ),
    "apply trueup.yaml": "trueup: trueup.yaml is no plan of trueup; 'trueup plan -o FILE' writes one\n",
    "scan postgres+pg8000://me@localhost/shop": (
        "trueup: trueup does not use the driver 'pg8000'; write postgresql://...\n"
    ),
    "apply nowhere.jsonl": "trueup: cannot read the plan 'nowhere.jsonl': No such file or directory\n",
}  # fmt: skip


@pytest.mark.parametrize("arguments", MESSAGES)
def test_bad_usage_is_one_line_and_exit_2(trueup: Trueup, arguments: str) -> None:
    before = shop.contents()
    told = trueup(*arguments.split())
    assert (told.code, told.out, told.err) == (2, "", MESSAGES[arguments])
    assert shop.contents() == before


@pytest.mark.parametrize("arguments", ["scan", "sql", "plan", "apply x", "verify last", "undo last", "runs", "recover"])
def test_without_a_configuration_the_two_ways_to_begin_are_shown(trueup: Trueup, arguments: str) -> None:
    Path("trueup.yaml").unlink()
    told = trueup(*arguments.split())
    assert (told.code, told.out, told.err) == (2, "", BEGIN)


def test_malformed_yaml_names_its_line(trueup: Trueup) -> None:
    Path("trueup.yaml").write_text("stores:\n  app: 'x\n")
    told = trueup("scan")
    assert told.code == 2
    assert told.err == "trueup: trueup.yaml:3: not readable as YAML: a quotation mark that is never closed\n"


def test_a_column_that_is_not_there_is_not_checked_and_exit_3(trueup: Trueup) -> None:
    Path("trueup.yaml").write_text(Path("trueup.yaml").read_text().replace("column: metadata", "column: metdata"))
    told = trueup("scan")
    assert told.code == 3
    assert "NOT CHECKED  metadata: table 'events' has no column 'metdata'; did you mean 'metadata'?" in told.out


def test_a_table_that_is_not_there_is_not_checked_and_exit_3(trueup: Trueup) -> None:
    Path("trueup.yaml").write_text(Path("trueup.yaml").read_text().replace("table: events", "table: evnets"))
    told = trueup("scan")
    assert told.code == 3
    assert "NOT CHECKED  metadata: " in told.out
    assert "did you mean 'events'?" in told.out


def test_an_engine_without_a_dialect_says_which_there_are(trueup: Trueup) -> None:
    told = trueup("scan", "oracle://me:secret@db/app")
    assert told.code == 2
    assert told.err.startswith("trueup: store 'app': no dialect for oracle://; there is ")
    assert "secret" not in told.err


def test_a_plan_edited_by_hand_is_refused_with_its_line(trueup: Trueup) -> None:
    trueup("plan", "-o", "plan.jsonl")
    lines = Path("plan.jsonl").read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace('"g":', '"g" :')
    Path("plan.jsonl").write_text("".join(lines))
    before = shop.contents()
    told = trueup("apply", "plan.jsonl", "--yes")
    assert told.code == 2
    assert told.err == (
        "trueup: plan.jsonl:4: this line is not as it was written; a plan cannot be edited, make it again\n"
    )
    assert shop.contents() == before


def test_a_plan_for_another_environment_is_refused(trueup: Trueup) -> None:
    trueup("plan", "-o", "plan.jsonl")
    Path("trueup.yaml").write_text(shop.CONFIG.format(environment="staging"))
    told = trueup("apply", "plan.jsonl", "--yes")
    assert (told.code, told.err) == (2, "trueup: the plan is for environment 'test', this one is 'staging'\n")


def test_a_table_that_changed_its_shape_is_refused(trueup: Trueup) -> None:
    trueup("plan", "-o", "plan.jsonl")
    with sqlite3.connect("shop.db") as connection:
        connection.execute("ALTER TABLE events ADD COLUMN more TEXT")
    connection.close()
    told = trueup("apply", "plan.jsonl", "--yes")
    assert told.code == 2
    assert told.err == "trueup: table events changed its shape since the plan was made; make the plan again\n"


def test_yes_is_not_enough_in_production_and_the_words_to_type_are_shown(trueup: Trueup) -> None:
    Path("trueup.yaml").write_text(shop.CONFIG.format(environment="production"))
    trueup("plan", "-o", "plan.jsonl")
    before = shop.contents()
    told = trueup("apply", "plan.jsonl", "--yes")
    assert told.code == 2
    assert told.err.startswith(REFUSED)
    assert shop.contents() == before
    word = told.err.split()[-1]
    assert trueup("apply", "plan.jsonl").out.endswith(
        f"trueup apply plan.jsonl --confirm {word}  # makes these changes\n"
    )
    assert trueup("apply", "plan.jsonl", "--confirm", word).code == 0
    undo = trueup("undo", "last", "--yes")
    assert undo.err.startswith(REFUSED)
    assert trueup("undo", "last", "--confirm", undo.err.split()[-1]).code == 0
    assert shop.contents() == before


def test_something_unforeseen_is_called_a_bug_and_shows_no_data(
    trueup: Trueup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("password=hunter2")

    monkeypatch.setattr("trueup.verbs.scan.scan", fail)
    told = trueup("scan")
    assert told.code == 3
    assert told.err.startswith("trueup: this is a bug: ValueError at trueup.cli.scan:")
    assert told.err.endswith(
        "; TRUEUP_TRACEBACK=1 before the command shows all of it, and may show values of your data\n"
    )
    assert told.err.count("\n") == 1
    assert "hunter2" not in told.err
    monkeypatch.setenv("TRUEUP_TRACEBACK", "1")
    assert "Traceback" in trueup("scan").err


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["scan"], "trueup: interrupted; nothing was changed\n"),
        (
            ["apply", "plan.jsonl", "--yes"],
            (
                "trueup: interrupted; each chunk was written whole or not at all: 'trueup status last' shows how far "
                "it came, 'trueup apply' again goes on, 'trueup undo last' takes it back\n"
            ),
        ),
    ],
)
def test_an_interruption_says_what_state_things_are_in(
    trueup: Trueup, monkeypatch: pytest.MonkeyPatch, command: list[str], expected: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    trueup("plan", "-o", "plan.jsonl")
    monkeypatch.setattr(f"trueup.verbs.{command[0]}.{command[0]}", interrupt)
    told = trueup(*command)
    assert (told.code, told.err) == (130, expected)


def test_a_name_cannot_send_commands_to_the_terminal(trueup: Trueup) -> None:
    told = trueup("scan", "--check", "\x1b[2Jx\u202e")
    assert told.err == "trueup: there is no check '\\x1b[2Jx\\u202e'; there is metadata\n"
