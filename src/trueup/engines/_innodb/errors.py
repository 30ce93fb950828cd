"""Classifies errors of MySQL and MariaDB: whether to retry, whose fault they are, and our own words for them."""

from __future__ import annotations

import re

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from trueup.engines._own_triggers import names_guard, says_guard

#: Deadlock, lock wait, NOWAIT, statement timeouts, killed by the watchdog, changed since read, and a conflict that
#: Galera or Group Replication found at commit.
RETRYABLE = frozenset({1205, 1213, 3572, 1969, 3024, 1317, 1020, 3058, 3101})
#: Out of disk space, memory, file handles, writing is switched off, or the account lacks a right: no row is at fault.
DENIED = frozenset({1044, 1142, 1143, 1227, 1370})
EXHAUSTED = DENIED | {3, 5, 28, 1021, 1026, 1030, 1037, 1038, 1041, 1114, 1135, 1290, 1792, 1836, 3170, 3675}
#: The session or its server is gone.
DISCONNECTED = frozenset({0, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
#: The error for a statement beyond max_allowed_packet, after which the server closes the connection.
TOO_LARGE = 1153
SIGNALLED = 1644
#: A unique key, a foreign key or a CHECK refused the row.
_CONSTRAINED = frozenset({1062, 1452, 3819, 4025})

_WORDS = {
    28: "the disk is full",
    1020: "the row changed since it was read",
    1021: "the disk is full",
    1040: "too many connections",
    1044: "the account has no right in the database",
    1045: "access denied: wrong user or password",
    1048: "a value is missing",
    1049: "there is no such database",
    1053: "the server is shutting down",
    1062: "duplicate key",
    1114: "the table is full",
    1142: "the account lacks the right to",
    1143: "the account lacks the right to",
    1146: "there is no such table",
    1153: "a statement is larger than max_allowed_packet",
    1178: "the storage engine of a table that this rests on has no transactions",
    1205: "a lock was not to be had in time",
    1213: "deadlock",
    1227: "the account lacks one of the privileges",
    1264: "a value is out of range",
    1265: "a value was cut off",
    1290: "the server is read-only",
    1292: "a value does not fit its type",
    1301: "a value is larger than max_allowed_packet",
    1317: "the statement ran too long and was ended",
    1364: "a column has no default",
    1366: "a value does not fit its column",
    1370: "the account may not call",
    1406: "a value is too long",
    1451: "other rows refer to the row",
    1452: "the row it refers to is not there",
    1644: "a trigger refused the row",
    1690: "a number is out of range",
    1698: "access denied",
    1792: "the session is read-only",
    1836: "the server is read-only",
    1969: "the statement ran too long and was ended",
    2002: "the server cannot be reached",
    2003: "the server cannot be reached",
    2005: "the server's name is unknown",
    2006: "the connection is gone",
    2013: "the connection was lost",
    3024: "the statement ran too long and was ended",
    3140: "the text is no JSON",
    3157: "a JSON document is nested deeper than the server reads",
    3572: "a lock was not to be had at once",
    3675: "the disk is full",
    3819: "a CHECK refused the row",
    4025: "a CHECK refused the row",
    4031: "the server closed a session that rested too long",
}
_TABLE = r"(?:`[^`]*`\.)?[`']((?:[^`']|``)+)[`']$"
_DENIAL = re.compile(rf"([A-Za-z ,]+) command denied to user .* for (?:column '([^']*)' in )?table {_TABLE}", re.DOTALL)
# what is named at the end of a message; what stands before it may be a value
_NAMED = (
    (frozenset({1044}), re.compile(r".* to database '([^']*)'$", re.DOTALL)),
    (frozenset({1370}), re.compile(r".* for routine '([^']*)'$", re.DOTALL)),
    (frozenset({1227}), re.compile(r".*one of\) the ([\w ,]+) privilege\(s\)", re.DOTALL)),
    (frozenset({1062}), re.compile(r"for key '([^']*)'$", re.DOTALL)),
    (frozenset({1451, 1452}), re.compile(r"CONSTRAINT `((?:[^`]|``)*)` FOREIGN KEY")),
    (frozenset({3819, 4025}), re.compile(r"^(?:Check constraint '([^']*)' is|CONSTRAINT `([^`]*)` failed)")),
    (frozenset({1048, 1364}), re.compile(r"^(?:Column|Field) '([^']*)'")),
    (frozenset({1264, 1265, 1366, 1406}), re.compile(r".*for column [`']?([^'\s]*?)[`']? at row \d+$", re.DOTALL)),
)


def refused(connection: Connection, code: int) -> OperationalError:
    """Return the error that the server would raise, for something that it refuses without one."""
    return OperationalError("", {}, connection.dialect.loaded_dbapi.OperationalError(code, "refused"))


def code_of(error: BaseException) -> int | None:
    """Return the server's or the driver's number of an error; None when it has none."""
    inner = error.orig if isinstance(error, DBAPIError) else error
    arguments = getattr(inner, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _message(error: BaseException) -> str:
    inner = error.orig if isinstance(error, DBAPIError) else error
    return str(inner.args[1]) if inner is not None and len(inner.args) > 1 else ""


def _named(code: int | None, message: str) -> str:
    """Return the constraint, column or privilege that a message names."""
    for codes, pattern in _NAMED:
        if code in codes and (found := pattern.search(message)):
            return next(group for group in found.groups() if group is not None).replace("``", "`")
    return ""


def refused_by_guard(error: BaseException) -> bool:
    """See `Dialect.refused_by_guard`. It reads the message of a SIGNAL, or the constraint's name (MySQL: TABLE.KEY)."""
    code, message = code_of(error), _message(error)
    if code == SIGNALLED:
        return says_guard(message)
    return code in _CONSTRAINED and names_guard(_named(code, message).rpartition(".")[2])


def describe(error: BaseException) -> str:
    """Return our own words, the number and a constraint's name. The server's sentence is dropped: it repeats values."""
    code = code_of(error)
    if code is None:
        return type(error.orig if isinstance(error, DBAPIError) else error).__name__
    message = _message(error)
    name = f" {named!r}" if (named := _named(code, message)) else ""
    words = _WORDS.get(code)
    if denied := _DENIAL.fullmatch(message):
        what, column, table = denied.groups()
        name = f" {what} {repr(column) + ' of ' if column else ''}{table.replace('``', '`')!r}"
    return f"{words}{name} (error {code})" if words else f"error {code}{name}"
