"""Classifies errors of PostgreSQL: whether to retry, whose fault they are, and what may be reported of them."""

from __future__ import annotations

import re

from trueup.engines._own_triggers import names_guard

_PASSING = {"40P01", "40001", "55P03", "57014"}
# resources, system and internal errors, read-only transactions, rights that the role lacks
_EXHAUSTED = ("53", "58", "XX", "25006", "42501")
_GONE = ("08", "57P")
_IDLE = {"25P03", "25P04", "57P05"}
# classes whose messages name objects and settings, and never the value of a row
_HARMLESS = ("08", "0A", "25", "28", "3D", "3F", "42", "53", "55", "57")
# codes of `_EXHAUSTED` that are a row's matter when a function of the application raises them
_RAISED = {"42501", "25006"}
# what of the server carries an error that a function's own words made: RAISE of PL/pgSQL, plpy.error() of PL/Python
_RAISE = {"exec_stmt_raise", "PLy_elog_impl", "PLy_output"}
# only these end a session; a function cannot raise them
_FATAL = ("", "FATAL", "PANIC")
# functions of the server itself, whose messages name objects and rights and nothing else, whatever runs them
_OURS_TO_TELL = {"aclcheck_error", "aclcheck_error_col", "PreventCommandIfReadOnly", "ProcessInterrupts"}

_ENCODING = re.compile(r'"(\w+)"$')


def _original(error: BaseException) -> BaseException:
    inner = getattr(error, "orig", None)
    return inner if isinstance(inner, BaseException) else error


def state_of(error: BaseException) -> str:
    """Return the error's SQLSTATE; '' where the driver has none."""
    original = _original(error)
    return str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")


def retryable(error: BaseException) -> bool:
    """Whether the error is transient."""
    passing = state_of(error) in _PASSING or "moved to another partition" in _diag(error, "message_primary")
    return passing and not _raised(error)


def exhausted(error: BaseException) -> bool:
    """Whether the server has run out of a resource or is damaged."""
    state = state_of(error)
    return state.startswith(_EXHAUSTED) and not (_raised(error) or (inside(error) and state in _RAISED))


def _raised(error: BaseException) -> bool:
    """Whether a function raised the error with RAISE. Then the application may have chosen any code."""
    return _diag(error, "source_function") in _RAISE


def inside(error: BaseException) -> bool:
    """Whether the error came from within a function, so that its message may be the application's and hold a value."""
    return bool(_diag(error, "context")) and _diag(error, "source_function") not in _OURS_TO_TELL


def refused_by_guard(error: BaseException) -> bool:
    """See `Dialect.refused_by_guard`.

    It reads the constraint field, which holds no value and which our triggers set too.
    """
    return names_guard(_diag(error, "constraint_name"))


def _diag(error: BaseException, field: str) -> str:
    return str(getattr(getattr(_original(error), "diag", None), field, None) or "")


def disconnected(error: BaseException) -> bool:
    """Whether the session is gone. A driver reports no code for a connection that broke while in use.

    An error that a function got from another server (dblink) does not count: our session goes on.
    """
    state = state_of(error)
    if state:
        return (state.startswith(_GONE) or state in _IDLE) and _diag(error, "severity_nonlocalized") in _FATAL
    return type(_original(error)).__name__ in ("OperationalError", "InterfaceError")


def idled(error: BaseException) -> bool:
    """Whether the server ended a session for being idle. On a busy machine that can happen to a new session."""
    return state_of(error) in _IDLE and disconnected(error)


def _lacking(error: BaseException, sentence: str) -> str:
    """Return the privilege that is missing according to the message, or '' where the statement leaves a doubt."""
    statement = str(getattr(error, "statement", None) or "").lstrip()
    if sentence.startswith("permission denied for schema "):
        return "CREATE" if statement.startswith("CREATE") else "USAGE"
    reads = statement.startswith("SELECT") and " FOR " not in statement
    return "SELECT" if reads and sentence.startswith("permission denied for table ") else ""


def describe(error: BaseException) -> str:
    """Describe the error in one line that holds no value of any row."""
    original = _original(error)
    state = state_of(error)
    lines = str(original).strip().splitlines()
    first = lines[0] if lines else type(original).__name__
    if not state:
        return f"{first}: the role needs CONNECT" if "permission denied for database" in first else first
    # of its sentence, which holds the bytes of the value, no more than the encoding
    if _diag(error, "source_function") == "report_untranslatable_char" and (named := _ENCODING.search(first)):
        return f"a value has a sign that the database's encoding {named[1]} lacks ({state})"
    if inside(error):
        return _bare(error)
    if state == "42501" and (right := _lacking(error, first)):
        return f"{first}: the role needs {right} on it ({state})"
    if (state == "42883" and "trueup_is_json" in first) or (state == "3F000" and '"pg_temp"' in first):
        return "JSON in text cannot be tested: the role needs the TEMP privilege, or the server PostgreSQL 16"
    if state == "42501" and "row-level security" in first:
        return f"{first}: row security hides rows from this role, and one with BYPASSRLS sees them ({state})"
    if state == "22021":
        return f"{type(original).__name__} ({state}): the database holds text that is no UTF-8"
    if state.startswith(_HARMLESS):
        return f"{first} ({state})"
    return _bare(error)


def _bare(error: BaseException) -> str:
    """Return the error's code and the objects it names, without any word of the message."""
    named = [
        f"{what} {name!r}"
        for what, field in (("constraint", "constraint_name"), ("table", "table_name"), ("column", "column_name"))
        if (name := _diag(error, field))
    ]
    return ", ".join([f"{type(_original(error)).__name__} ({state_of(error)})", *named])
