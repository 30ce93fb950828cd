"""The errors trueup raises on purpose; each is one line for the reader and an exit code."""

from __future__ import annotations

from trueup.redaction import redacted


class TrueupError(Exception):
    """Something could not be finished; the message is one line that says what, where and what to do.

    No message holds a secret of a URL that this process was given (see `trueup.redaction`).
    """

    exit_code = 3

    def __init__(self, *args: object) -> None:
        super().__init__(*(redacted(one) if isinstance(one, str) else one for one in args))


class UsageError(TrueupError):
    """The call, the configuration or the plan is wrong; nothing was read or written."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration cannot be used; the message starts with file and line."""


class PlanError(UsageError):
    """The plan was edited, is incomplete, has expired or was made for another database."""


class Refused(UsageError):
    """The act is possible but not allowed as things stand; the message says what would allow it."""


class StoreError(TrueupError):
    """A store cannot be reached, read or written."""


class NotChecked(TrueupError):
    """A check could not run; it is reported as not checked, never as healthy."""


class Fenced(TrueupError):
    """Another operator took the run over; this one stops without writing."""


class Stopped(TrueupError):
    """The run stopped by itself (circuit breaker, failed verification); it can be looked at and resumed or undone."""
