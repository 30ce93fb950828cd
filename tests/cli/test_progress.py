"""Progress: silent when quick, a bar on a terminal, a plain line now and then elsewhere."""

import io
import time

from trueup.cli.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_quick_work_shows_nothing() -> None:
    for stream in (io.StringIO(), Terminal()):
        with ProgressBar(stream) as progress:
            progress.task("events: 3 checks", 1_000)
            progress.advance(1_000)
        assert stream.getvalue() == ""


def test_off_a_terminal_a_plain_line_comes_now_and_then() -> None:
    stream = io.StringIO()
    with ProgressBar(stream, every=0.05) as progress:
        progress.task("events\x1b[2J: 3 checks", 1_000)
        progress.advance(250)
        progress.waiting("replica lag is 3 s")
        deadline = time.monotonic() + 10
        while not stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    first = stream.getvalue().splitlines()[0]
    assert first.startswith("events\\x1b[2J: 3 checks: 250 of 1,000, about ")
    assert first.endswith(" left, waiting: replica lag is 3 s")


def test_on_a_terminal_a_bar_appears_and_goes() -> None:
    stream = Terminal()
    with ProgressBar(stream, patience=0.02) as progress:
        progress.task("applying [bold]", 1_000)
        progress.advance(100)
        progress.waiting("paused by an operator")
        deadline = time.monotonic() + 10
        while "operator" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        progress.task("verifying", None)
        progress.waiting("")
        progress.advance(7)
    shown = stream.getvalue()
    assert "applying [bold]" in shown
    assert "100/1000" in shown
    assert "waiting: paused by an operator" in shown
    assert "7/?" in shown.rpartition("verifying")[2]


def test_work_of_unknown_size_has_no_end_in_sight() -> None:
    progress = ProgressBar(io.StringIO(), clock=lambda: 5.0)
    progress.task("looking", None)
    progress.advance(1_234)
    assert progress._line() == "looking: 1,234"
