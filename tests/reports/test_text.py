"""The text reports, read whole: what a person sees at night."""

import io
import os
import re
from collections.abc import Sequence

import pytest
from rich.console import Console, RenderableType

from tests.reports.examples import HOSTILE, THRESHOLDS, broken, clean, failed, finding, preview, run, scan, verification
from trueup.journal.chain import OP_STATES
from trueup.journal.journal import STATES as RUN_STATES
from trueup.reports._words import counted, duration, masked, percent, safe
from trueup.reports.text.plan import plan_report
from trueup.reports.text.runs import OPERATIONS, STATES, run_report, runs_report, verification_report
from trueup.reports.text.scan import scan_report
from trueup.results import CheckResult, GroupCount, PartCount, moment


def text(report: RenderableType, *, terminal: bool = False, width: int = 160) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, markup=False, emoji=False, highlight=False
    )
    with console.capture() as captured:
        console.print(report, crop=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def scanned(*results: CheckResult, limit: int = 2, source: str = "", derived: bool = False) -> str:
    return text(scan_report(scan(*results, derived=derived), thresholds=THRESHOLDS, limit=limit, source=source))


def test_a_scan_with_findings_shows_how_much_where_and_what_to_do() -> None:
    assert scanned(broken(), clean(), failed(), source="-c shop.yaml") == (
        """\
production: app (PostgreSQL 15.18)

NOT CHECKED  prices-in-range: permission denied for table products (42501)

metadata-holds-an-object  wrong-json-type in analytics_activityevent (metadata)
  159 rows of 1,204,551 (0.01 %) are broken

  holds          rows    share
  object    1,200,000  99.62 %  healthy
  SQL NULL      4,392   0.36 %  healthy
  string          145   0.01 %  corrupt
  double           14  <0.01 %  corrupt
  total     1,204,551           1,204,392 healthy, 159 not

  severity  event_type      holds   rows
  high      quiz_completed  double    14
  medium    page_left       string     5
  low       content_viewed  string   140

  the first 2 of 159:
  high  1  events.metadata holds a string with an object inside (encoded twice), not an object  \
type: string, user_id: 4 characters
  high  2  events.metadata holds a string with an object inside (encoded twice), not an object  \
type: string, user_id: 4 characters

  strategy C (51 to 500 rows) - many rows: find where they come from first, keep a copy of them, then clean up
  repair: decode mends 142 (lossless), nullify mends 14 (lossy), 3 need a person
  checked 1,204,551 rows; skipped 12 because their key is not valid UTF-8

clean  orders-have-users  12,000 rows

159 findings in 1 check, 1 check NOT CHECKED; 1,216,551 rows of 2 tables read in 2.5 s
trueup plan -c shop.yaml -o plan.jsonl --because 'what caused this'  # writes down each change, for you to read"""
    )


def test_evidence_that_the_message_tells_is_not_told_again() -> None:
    told = scanned(broken(in_message=frozenset({"type"})))
    assert "(encoded twice), not an object  user_id: 4 characters" in told
    assert "type:" not in told


def test_samples_stand_in_the_order_of_their_keys() -> None:
    found = [finding(number, message=f"<{number}>") for number in (10, 9, 100)]
    told = scanned(broken(samples=(*found, finding(1, severity="low", message="<1>"))), limit=4)
    assert re.findall("<([0-9]+)>", told) == ["9", "10", "100", "1"]


def test_a_healthy_scan_is_one_line() -> None:
    told = scanned(clean(), clean(title="b", table="users", rows=7))
    assert told == "healthy: 2 checks over 12,007 rows in 2 tables, 2.5 s"


def test_a_healthy_scan_says_what_it_skipped() -> None:
    told = scanned(clean(skipped=3, skipped_because="they hold NaN"))
    assert told == "healthy: 1 check over 12,000 rows in 1 table; orders-have-users skipped 3 (they hold NaN), 2.5 s"


def test_a_scan_of_nothing_is_not_called_healthy() -> None:
    assert scanned() == "nothing was checked: no checks for app"


def test_a_check_that_did_not_run_is_never_counted_as_read() -> None:
    assert scanned(failed(), clean()) == (
        """\
production: app (PostgreSQL 15.18)

NOT CHECKED  prices-in-range: permission denied for table products (42501)

clean  orders-have-users  12,000 rows

1 check NOT CHECKED; 12,000 rows of 1 table read in 2.5 s
trueup scan  # again, once the reasons above are mended"""
    )


def test_what_no_repair_fits_goes_to_a_person_and_a_derived_scan_goes_on_with_init() -> None:
    nobody = broken(repairs=())
    assert scanned(nobody).endswith(
        "trueup scan --export findings.csv  # hands all of it to the person who has to look"
    )
    assert scanned(nobody, derived=True, source="sqlite:///shop.db").endswith(
        "trueup init sqlite:///shop.db  # writes these checks to trueup.yaml, the place to go on from"
    )


def test_the_next_command_is_whole_on_a_narrow_terminal() -> None:
    report = scan_report(scan(broken()), thresholds=THRESHOLDS, source="-c a/long/way/to/shop.yaml")
    assert "trueup plan -c a/long/way/to/shop.yaml -o plan.jsonl --because 'what caused this'" in text(report, width=40)


def test_many_groups_are_summed_up() -> None:
    groups = tuple(GroupCount(f"g{i:02}", "string", 100 - i, "medium") for i in range(25))
    told = scanned(broken(groups=groups))
    assert "and 5 more groups           390" in told
    assert "g19" in told
    assert "g20" not in told


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_in_the_data_reaches_the_terminal_as_a_command(terminal: bool) -> None:
    result = broken(
        title=HOSTILE, table=HOSTILE, columns=(HOSTILE,), group_by=HOSTILE, skipped_because=HOSTILE,
        distribution=((HOSTILE, False, 1),), samples=(finding(message=HOSTILE, a=HOSTILE),),
        groups=(GroupCount(HOSTILE, HOSTILE, 1, "high"),),
    )  # fmt: skip
    reports: Sequence[RenderableType] = [
        scan_report(scan(result, clean(title=HOSTILE), failed()), thresholds=THRESHOLDS),
        run_report(run(because=HOSTILE, reason=HOSTILE, run_id=HOSTILE, state=HOSTILE)),
        runs_report([run(because=HOSTILE, run_id=HOSTILE)]),
        verification_report(verification(problems=(HOSTILE,), remaining={HOSTILE: 1})),
    ]
    for report in reports:
        shown = text(report, terminal=terminal)
        assert "[bold red]x[/]" in shown.replace("\n", "").replace(" ", "").replace("[boldred]", "[bold red]")
        for raw in ("\x1b[2J", "\x1b]", "\x07", "\r", "\u202e", "\u2066", "\x9b", "\udcff", "\x00"):
            assert raw not in shown
        assert terminal or "\x1b" not in shown


def test_a_plan_shows_its_groups_the_gentlest_first() -> None:
    assert text(plan_report(preview())) == (
        """\
plan.jsonl: 1,234 changes for 1,237 findings
  environment production, store app, digest ab12cd34, good until 2026-11-19 11:06:40 UTC
  strategy D: stop and think: root cause, approval, a quiet window and a tested restore come first
  because: the importer wrote text until 4f2a1c

lossless  metadata-holds-an-object
  decode changes 1,218 rows of events (metadata); nothing is lost
    8  23 characters  →  17 characters
    and 1,217 more

lossy  metadata-holds-an-object
  nullify changes 14 rows of events (metadata); the old value leaves the table; undo brings it back
    7  4 characters  →  NULL
    and 13 more

destructive  orders-have-users
  quarantine moves 2 rows out of orders; the journal keeps what is moved; undo brings it back

left for a person
  3  metadata-holds-an-object  no repair fits

trueup apply plan.jsonl  # shows what would happen and changes nothing yet"""
    )


def test_a_plan_without_changes_offers_nothing_to_apply() -> None:
    assert text(plan_report(preview(0))).endswith("nothing to apply: what was found is left for a person")


def test_a_run_says_what_became_of_each_operation_and_whether_it_can_be_undone() -> None:
    told = text(run_report(run(), next_steps=[("trueup verify last", "proves it")]))
    assert told == (
        """\
run 20261121-ab12: applied - finished, 1 left alone
  where    production, store app
  plan     1,234 operations, digest ab12cd34
  because  the importer wrote text until 4f2a1c
  started  2026-11-18 11:06:40 UTC
  ended    2026-11-18 11:07:22 UTC
  took     42.0 s
  undo     1,230 operations can be taken back

  1,230  applied   changed as planned
      3  conflict  changed by someone else since the plan, left alone
      1  missing   no longer there, left alone

  check                     repair             what           columns
  metadata-holds-an-object  nullify (lossy)    update events  metadata
  metadata-holds-an-object  decode (lossless)  update events  metadata

  left alone - a person should look:
    events 42  conflict  the application changed the row after the plan was made

trueup verify last  # proves it"""
    )


def test_a_dry_run_speaks_of_what_would_be() -> None:
    told = text(run_report(run(dry_run=True, run_id="", state="planned")))
    assert told.startswith("dry run: nothing was written\n")
    assert "1,230  applied   would be changed as planned, where the database takes it" in told
    assert "can be taken back" not in told


def test_a_run_that_stopped_says_how_much_is_open() -> None:
    told = text(run_report(run(state="stopped", states={"applied": 100}, paused=True)))
    assert told.startswith(
        "run 20261121-ab12: stopped - stopped before the end; what was written stands and is journaled, "
        "1 left alone, paused\n"
    )
    assert "  1,134  open     not reached, as it was before the run\n" in told


def test_every_state_of_a_run_and_of_an_operation_has_its_words() -> None:
    assert set(STATES) == set(RUN_STATES)
    assert set(OPERATIONS) == set(OP_STATES)


def test_runs_are_a_table_and_none_is_a_sentence() -> None:
    assert text(runs_report([run()])) == (
        """\
run            state    started                  operations  undoable  store  because
20261121-ab12  applied  2026-11-18 11:06:40 UTC       1,234     1,230  app    the importer wrote text until 4f2a1c"""
    )
    assert text(runs_report([])) == "no runs: the journal is empty, or there is none where it is looked for"


def test_a_verification_puts_its_problems_first() -> None:
    assert text(verification_report(verification(problems=("3 before-images are missing",), remaining={}))) == (
        """\
NOT SOUND: run 20261121-ab12 is not as its journal says
  3 before-images are missing
  1,230  rows of the run were looked at
  1,228  still show what the run wrote
      2  were written by the application since then, and stay as they are"""
    )


def test_a_sound_verification_says_what_remains() -> None:
    assert text(verification_report(verification())).startswith(
        "sound: run 20261121-ab12 (applied) is as its journal says\n"
    )
    assert text(verification_report(verification())).endswith(
        "3 findings remain of the checks that this run repaired:\n  3  metadata-holds-an-object"
    )


def test_a_verification_of_an_undone_run_says_what_is_as_before() -> None:
    told = text(verification_report(verification(state="undone", intact=0, restored=1_228)))
    assert told.splitlines()[1:4] == [
        "  1,230  rows of the run were looked at",
        "  1,228  show again what they held before the run",
        "      2  were written by the application since then, and stay as they are",
    ]
    assert text(verification_report(verification(remaining={"a": 0}))).endswith("nothing remains of a")


def test_shares_never_round_something_to_nothing_or_nearly_all_to_all() -> None:
    assert [percent(part, 1_000_000) for part in (0, 1, 100, 999_999, 1_000_000)] == [
        "0.00 %", "<0.01 %", "0.01 %", ">99.99 %", "100.00 %",
    ]  # fmt: skip
    assert percent(0, 0) == "-"


def test_words_for_counts_durations_and_moments() -> None:
    assert [counted(count, "row") for count in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [duration(seconds) for seconds in (0.004, 3.21, 61, 3_700)] == [
        "0.00 s",
        "3.2 s",
        "1 min 01 s",
        "1 h 01 min",
    ]
    assert [moment(0), moment(1)] == ["-", "1970-01-01 00:00:01 UTC"]


def test_foreign_text_stays_one_line_and_readable() -> None:
    assert safe("Zoë 中文 👩\u200d💻 a\tb\n") == "Zoë 中文 👩\u200d💻 a\\tb\\n"
    assert safe("x" * 10, 5) == "xxxx…"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("postgresql://me:secret@db/app", "postgresql://me:***@db/app"),
        ("(mysql+pymysql://me:s@c/ret@db:3306/app): no", "(mysql+pymysql://me:***@db:3306/app): no"),
        ("postgresql://me:two words@db/app", "postgresql://me:***@db/app"),
        ("redis://:secret@cache", "redis://:***@cache"),
        ("postgresql://me@db/app?password=secret&x=1", "postgresql://***@db/app?password=***&x=1"),
        ("host=db password=secret dbname=app", "host=db password=*** dbname=app"),
        ("mysql://db:3306/app refused me@host", "mysql://db:3306/app refused me@host"),
        ("sqlite:///C:/shop.db", "sqlite:///C:/shop.db"),
    ],
)
def test_passwords_are_masked_and_ports_are_not(told: str, expected: str) -> None:
    assert masked(told) == expected


def test_examples_do_not_depend_on_the_zone_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
    assert moment(1) == "1970-01-01 00:00:01 UTC"


def test_keys_of_documents_are_told_the_worst_first() -> None:
    parts = (
        PartCount("mlmStatus.isFounder", "boolean", "", 1000, 1000),
        PartCount("mlmStatus.rankQualifiedAt", "string", "", 982, 1000),
        PartCount("mlmStatus.rank", "integer or null", "", 999, 1000),
    )
    assert (
        """\
  key                        must be             right
  mlmStatus.rankQualifiedAt  string            98.20 %
  mlmStatus.rank             integer or null   99.90 %
  mlmStatus.isFounder        boolean          100.00 %
"""
        in scanned(broken(parts=parts)) + "\n"
    )


def test_keys_of_many_documents_are_told_with_what_says_which_is_meant() -> None:
    many = tuple(PartCount(f"metadata.k{n}", "any", "seen", 100 - n % 2, 100) for n in range(40))
    told = scanned(broken(parts=many))
    assert re.search(r"  of +key +must be +right\n  seen  metadata.k1 +any +99.00 %\n", told)
    assert "and 10 more keys, each at least 100.00 %" in told
