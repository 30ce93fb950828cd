"""The secrets of the URLs that this process was given, and text without them: the last guard before a text is shown.

The first guard is that nothing repeats a URL, or what a driver says while it connects: one `@` that was not escaped
makes the rest of a password a host name, and a driver names hosts. This one masks what is known to be secret in every
error, whoever words it. It is for errors only: data is never changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

MASK = "***"
#: Characters from which on a text is masked; shorter ones would be found in every word.
SHORTEST = 4

_WORDS = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)")
_SECRET = re.compile(r"pass|pwd|secret|token|key|service|options|credential|auth", re.IGNORECASE)
#: Settings that a URL may carry in `options` and that errors have to name.
_PLAIN = re.compile(r"search_path|timezone|role|application_name|\w+_timeout|\w+_encoding", re.IGNORECASE)
_SETTING = re.compile(r"([\w.]+)\s*=\s*((?:[^\s\\]|\\.)+)")
#: A URL that lacks its beginning, or half of it: `user:password@host`.
_HALF = re.compile(r"[^\s:@]*:(\S+)@")
_APART = re.compile(r"[^0-9A-Za-z]+")

_known: set[str] = set()


def learn(text: str) -> None:
    """Remember what is secret in a URL, or in a connection of `key=value` words; anything else holds none."""
    found = {form for part in _parts(text) for form in _forms(part) if len(form) >= SHORTEST and form != MASK}
    if not found <= _known:
        _known.update(found)
        _pattern.cache_clear()


def forget() -> None:
    """Know nothing any more."""
    _known.clear()
    _pattern.cache_clear()


def redacted(text: str) -> str:
    """`text` with every secret that is known replaced by `***`."""
    return _pattern().sub(MASK, text) if _known else text


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    # the longest first: one secret may begin with another
    return re.compile("|".join(map(_found, sorted(_known, key=lambda one: (-len(one), one)))))


def _found(secret: str) -> str:
    # a word (such as `postgres`) is no secret within a longer one
    return rf"(?<![A-Za-z]){re.escape(secret)}(?![A-Za-z])" if secret.isalpha() else re.escape(secret)


def _parts(text: str) -> Iterator[str]:
    scheme, sign, rest = text.partition("://")
    if not sign or not re.fullmatch(r"\s*[\w+.-]+", scheme):
        yield from (value.strip("'") for name, value in _WORDS.findall(text) if _SECRET.search(name))
        if (half := _HALF.match(text)) is not None:
            yield from re.split(r"[:/]", half[1])
            yield half[1]
        return
    if scheme != "sqlite" and re.search("[@?]", rest):
        yield text
    account, at, place = rest.rpartition("@")
    query = place.partition("?")[2]
    if "?" in account and "/" in account.partition("?")[0].partition("@")[2]:
        # the last @ stands in the query: user:password@host/database?user=me@there
        account, _, place = rest.partition("@")
        query = place.partition("?")[2]
    if at or "@" in rest:
        user, colon, password = account.partition(":")
        # a name alone is one: `postgres@host` is common, and would be found in every other error
        yield password or (user if colon else "")
        if _odd(account):
            # an @, / or ? that is not escaped: a driver takes a piece of the secret for the host or the database
            yield account
            yield from _APART.split(account.partition(":")[2] or account)
            yield from re.split(r"[@/?#]", account)
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.lower() == "options":
            yield value
            yield from (one for word, one in _SETTING.findall(value) if not _PLAIN.fullmatch(word))
        elif _SECRET.search(name):
            yield value


def _odd(account: str) -> bool:
    return bool(re.search(r"[@/?#\s]", account)) or account.count(":") > 1


def _forms(secret: str) -> set[str]:
    """A secret as drivers, Python and JSON may spell it."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    spelled = {form for one in plain for form in (quote(one, safe=""), quote(one), quote_plus(one))} | plain
    escaped = {form for one in spelled for form in (repr(one)[1:-1], json.dumps(one)[1:-1], one.replace("'", r"\'"))}
    return spelled | escaped | {one.encode("unicode_escape").decode("ascii") for one in spelled}
