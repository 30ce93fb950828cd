"""Options for pytest, there as soon as trueup is installed; without one of them nothing is loaded or called.

`--trueup-lost-writes` fails a test that commits while a JSON value was changed in place and would be lost.
`--trueup-n-plus-one N` fails a test in which one line sends the same statement more than N times with other values.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from trueup.sqlalchemy import Guard

#: Frames that are not the application's.
_FOREIGN = ("sqlalchemy", "sqlmodel", "django", "trueup", "contextlib", "_pytest", "pluggy")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("trueup")
    group.addoption("--trueup-lost-writes", action="store_true", help="fail when a JSON change would be lost at commit")
    group.addoption(
        "--trueup-n-plus-one",
        type=int,
        default=0,
        metavar="N",
        help="fail when one line sends the same statement more than N times in a test",
    )


_GUARD: pytest.StashKey[Guard] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Put the guard on all sessions of SQLAlchemy, and count the queries of each test."""
    if config.getoption("--trueup-lost-writes"):
        from sqlalchemy.orm import Session

        from trueup.sqlalchemy import guard

        config.stash[_GUARD] = guard(Session, mode="raise")
    most = int(config.getoption("--trueup-n-plus-one"))
    if most:
        config.pluginmanager.register(_Counting(most), "trueup-n-plus-one")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the guard off."""
    if _GUARD in config.stash:
        config.stash[_GUARD].remove()


class Count:
    """The statements of one test by the line that sends them, each with the values it was sent with."""

    def __init__(self) -> None:
        self.sent: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def add(self, statement: str, values: object) -> None:
        """Count a statement at the line of the application that is running."""
        self.sent[_place(), statement][repr(values)] += 1

    def over(self, most: int) -> list[str]:
        """A sentence for each line that sends a statement with more than `most` different values."""
        return [
            f"{place} sends one statement {len(values)} times, each with another value: {' '.join(text.split())[:200]}"
            for (place, text), values in self.sent.items()
            if len(values) > most
        ]


class _Counting:
    """Counts the queries of each test, and fails it for those that go with the rows."""

    def __init__(self, most: int) -> None:
        self.most = most

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        count = Count()
        with ExitStack() as stack:
            stack.enter_context(_sqlalchemy(count))
            stack.enter_context(_django(count))
            outcome: Any = yield
        over = count.over(self.most)
        if over and outcome.excinfo is None:
            outcome.force_exception(pytest.fail.Exception("\n".join(over), pytrace=False))


@contextmanager
def _sqlalchemy(count: Count) -> Iterator[None]:
    """Count what engines of SQLAlchemy send, if the application has it."""
    if "sqlalchemy" not in sys.modules:
        yield
        return
    from sqlalchemy import Engine, event

    def before(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many and statement.lstrip()[:6].upper() == "SELECT":
            count.add(statement, parameters)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)


@contextmanager
def _django(count: Count) -> Iterator[None]:
    """Count what connections of Django send, if the application has it."""
    if "django.db" not in sys.modules:
        yield
        return
    from django.conf import settings
    from django.db import connections

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not many and sql.lstrip()[:6].upper() == "SELECT":
            count.add(sql, params)
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        if settings.configured:
            for connection in connections.all():
                stack.enter_context(connection.execute_wrapper(wrapper))
        yield


def _place() -> str:
    """The line of the application that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _FOREIGN:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
