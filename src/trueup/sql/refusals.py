"""Describes in trueup's own words why a database could not be connected to.

The driver's message is never repeated: it quotes hosts, users and options, and in a URL that is not escaped any of them
may be a piece of the password.
"""

from __future__ import annotations

import re

_WHY = (
    (
        r"password authentication failed|no password supplied|authentication failed",
        "access denied: wrong user or password",
    ),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", "the server lets nobody in who comes like this (pg_hba.conf)"),
    (r"is not permitted to log in", "the user may not log in"),
    (r"role .* does not exist|user .* does not exist", "there is no such user"),
    (r"database .* does not exist", "there is no such database"),
    (r"permission denied for database|not have CONNECT privilege", "the user may not connect to the database"),
    (
        r"resolve host|translate host name|name or service not known|nodename nor servname|no address associated",
        "the host's name is unknown",
    ),
    (
        r"name resolution|unknown .*server host|getaddrinfo|idna|label (empty|too long|or host)",
        "the host's name is unknown",
    ),
    (r"connection refused", "no server listens there: is it running, and on that port?"),
    (r"timeout expired|timed out|connection timeout", "no answer in time"),
    (r"no route to host|network is unreachable|address not available", "the host cannot be reached"),
    (r"too many (clients|connections)|connection slots|max_client_conn", "too many connections"),
    (r"starting up|shutting down|recovery mode|not (yet )?accepting connections", "the server is starting or stopping"),
    (
        r"cryptography",
        "the driver lacks the package 'cryptography' for this way of logging in: pip install cryptography",
    ),
    (r"\bssl\b|certificate|\btls\b|gssapi|gssencmode", "the encrypted connection failed"),
    (r"no such file or directory|socket", "there is no such socket or file"),
    (
        r"invalid (connection|dsn|uri|port|integer|value|percent|sslmode)|invalid \S+ value|missing \"=\"|unrecognized",
        "an option of the URL is not understood",
    ),
    (
        r"unexpected (keyword|character)|definition of service|command-line|cannot be changed|must be|null (byte|char)",
        "an option of the URL is not understood",
    ),
    (
        r"closed the connection|terminat|reset by peer|lost connection|connection is bad",
        "the server closed the connection",
    ),
)


def why(error: BaseException) -> str:
    """Return one clause, with the error's code where there is one."""
    inner = getattr(error, "orig", None) or error
    text = str(inner)
    code = getattr(inner, "sqlstate", None) or getattr(inner, "pgcode", None) or getattr(inner, "errno", None)
    words = next((told for sign, told in _WHY if re.search(sign, text, re.IGNORECASE)), type(inner).__name__)
    return f"{words} ({code})" if code else words
