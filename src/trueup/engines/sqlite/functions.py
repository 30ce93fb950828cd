"""Python functions that a connection registers for what SQLite cannot compute itself.

SQLite passes text to Python as UTF-8 and fails on bytes that are not UTF-8. So text comes in as a BLOB (`CAST(x AS
BLOB)`: the bytes as stored, in the database's own `encoding`) beside its storage class, and is returned as a BLOB, to
be cast.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import struct
import unicodedata
from collections.abc import Callable
from functools import partial

from trueup.sql.reading import SUMMED

#: What SQLite stores: one of its five storage classes.
Value = int | float | str | bytes | None

PREVIEW = 200
#: The error handler with which bytes that are invalid in the database's encoding survive a trip through Python.
_LENIENT = {"utf-8": "surrogateescape", "utf-16-le": "surrogatepass", "utf-16-be": "surrogatepass"}
#: The prefix that `key_text` gives to text that cannot go through Python unchanged.
_MARK = "\0trueup:"
_LOST = re.compile("[\0\ufffe\uffff]")
_BLANKS = " \t\n\r"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ATOM = re.compile(r"[^\s,\[\]{}:\"]+")


STAGES = 4


class Marked(str):
    """A part of a key that `key_text` marked."""

    __slots__ = ()


def register(connection: sqlite3.Connection) -> None:
    """Register the functions that `Sqlite` uses in expressions, and the conversion of text, on `connection`."""
    encoding = _codec(str(connection.execute("PRAGMA encoding").fetchone()[0]))
    # bytes that are not UTF-8 must not end a scan; `token` turns them back
    connection.text_factory = _plain if encoding == "utf-8" else _marked
    scratch = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    functions: list[tuple[str, int, Callable[..., Value]]] = [
        ("trueup_digest", -1, digest),
        ("trueup_untoken", 1, untoken),
        ("trueup_key", 1, partial(key_text, encoding)),
        ("trueup_stored", 2, partial(stored, scratch, encoding)),
        ("trueup_preview", 2, partial(preview, encoding)),
        ("trueup_fold", 2, partial(fold, encoding)),
        ("trueup_json_get", 2, partial(json_get, encoding)),
        ("trueup_json_null", 2, partial(json_null, encoding)),
        ("trueup_json_put", -1, partial(json_put, encoding)),
        ("trueup_json_change", -1, partial(json_change, encoding)),
        ("trueup_matches", 2, partial(matches, encoding)),
    ]
    for name, count, function in functions:
        connection.create_function(name, count, function, deterministic=True)
    connection.create_aggregate("trueup_digest_sum", 1, DigestSum)  # type: ignore[arg-type]  # typeshed knows integers only


class DigestSum:
    """The aggregate `trueup_digest_sum`. It is in Python because SQLite's integers end at 64 bits."""

    def __init__(self) -> None:
        self.total: int | None = None

    def step(self, digest: str) -> None:
        """Add one digest."""
        self.total = (self.total or 0) + int(digest[:SUMMED], 16)

    def finalize(self) -> str | None:
        """Return the sum."""
        return None if self.total is None else str(self.total)


def make_stages(connection: sqlite3.Connection) -> None:
    """Create the temporary tables that receive a chunk's operations, one for each usual number of key parts.

    Without statistics SQLite assumes a million rows in a temporary table, and scans the application's whole table to
    build a filter for it. So each table is analysed with one row in it.
    """
    for count in range(1, STAGES + 1):
        keys = [f"k{position}" for position in range(count)]
        name = f"_trueup_stage_{count}"
        connection.execute(f"CREATE TEMP TABLE {name} (seq, before, after, {', '.join(keys)})")
        connection.execute(f"INSERT INTO temp.{name} (seq) VALUES (1)")  # noqa: S608 - our own names
        connection.execute(f"ANALYZE temp.{name}")
        connection.execute(f"DELETE FROM temp.{name}")  # noqa: S608 - our own names


def _codec(encoding: str) -> str:
    return {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}.get(encoding, "utf-8")


def digest(*values: Value) -> str:
    """Return the SHA-256 in hexadecimal of values with their classes: bytes are TEXT, text is a BLOB in hexadecimal.

    Each value is its class, the length of its bytes, and its bytes: INTEGER in decimal, REAL as its eight bytes, TEXT
    as stored. It runs for every row that is read for a repair, so it does only what is necessary.
    """
    parts = [b"%d;" % len(values)]
    for value in values:
        if type(value) is bytes:
            parts.append(b"text;%d;" % len(value))
            parts.append(value)
        elif value is None:
            parts.append(b"null;")
        elif type(value) is int:
            parts.append(b"integer;%d;" % value)
        elif type(value) is float:
            parts.append(b"real;" + struct.pack(">d", value))
        else:
            data = str(value).encode()
            parts.append(b"blob;%d;" % len(data))
            parts.append(data)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _plain(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _marked(data: bytes) -> str:
    text = data.decode(errors="surrogateescape")
    return Marked(text) if text.startswith(_MARK) else text


def key_text(encoding: str, value: bytes) -> str:
    """Return the text of a key, marked with its stored bytes where SQLite would change it on the way to Python.

    SQLite returns UTF-8: in a UTF-16 database half a surrogate pair becomes another character, and so does U+FFFE on
    the way back. A key with that text would not find its row again.
    """
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        return _MARK + value.hex()
    return _MARK + value.hex() if _LOST.search(text) else text


def token(raw: Value) -> str:
    """Return a key part as text with its class: `7`, `0.5`, `'it''s'`, `x'0a'`, `NULL`, and `t'6100'` for unsafe text.

    Unsafe text is invalid in the database's encoding, or holds a NUL, which SQLite's JSON functions cut off. It is
    written as its stored bytes.
    """
    if raw is None:
        return "NULL"
    if isinstance(raw, bytes):
        return f"x'{raw.hex()}'"
    if isinstance(raw, Marked):
        return f"t'{raw.removeprefix(_MARK)}'"
    if isinstance(raw, str):
        data = raw.encode(errors="surrogateescape")
        if "\0" in raw or data != raw.encode(errors="replace"):
            return f"t'{data.hex()}'"
        return "'" + raw.replace("'", "''") + "'"
    return repr(raw)


def untoken(text: str) -> Value:
    """Return the value of a `token`; unsafe text as its bytes, to be cast."""
    if text == "NULL":
        return None
    if text.startswith(("x'", "t'")):
        return bytes.fromhex(text[2:-1])
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return float(text) if set(text) & set(".en") else int(text)


def stored(scratch: sqlite3.Connection, encoding: str, value: Value, affinity: str) -> Value:
    """Return `value` as a column of `affinity` (NUMERIC, REAL, TEXT) stores it, as SQLite itself converts it.

    Text comes as a BLOB; None means that it stays the same text.
    """
    text = isinstance(value, bytes)
    if isinstance(value, bytes):
        try:
            value = value.decode(encoding)
        except UnicodeDecodeError:
            return None
    scratch.execute("CREATE TABLE IF NOT EXISTS s (n NUMERIC, r REAL, t TEXT)")
    insert, select = {
        "NUMERIC": ("INSERT INTO s (n) VALUES (?)", "SELECT n FROM s"),
        "REAL": ("INSERT INTO s (r) VALUES (?)", "SELECT r FROM s"),
        "TEXT": ("INSERT INTO s (t) VALUES (?)", "SELECT t FROM s"),
    }[affinity]
    scratch.execute(insert, (value,))
    # not RETURNING: it shows the integer that a whole REAL is kept as
    row: tuple[Value, ...] = scratch.execute(select).fetchone()
    scratch.execute("DELETE FROM s")
    return None if text and isinstance(row[0], str) else row[0]


def preview(encoding: str, kind: str, value: Value) -> str | None:
    """Return at most `PREVIEW` characters for a reader; bytes that are not text are shown as escapes."""
    if value is None:
        return None if kind == "null" else ""  # SQLite's substr() of nothing is NULL
    if isinstance(value, bytes):
        if kind == "blob":
            return f"x'{value.hex()}'"[:PREVIEW]
        return value.decode(encoding, "backslashreplace").replace("\0", "\\x00")[:PREVIEW]
    return str(value) if isinstance(value, str) else repr(value)


def fold(encoding: str, value: bytes, rules: str) -> bytes:
    """Return text after `rules` (comma-separated): Unicode case folding, white space collapsed, NFC."""
    text = value.decode(encoding, _LENIENT[encoding])
    chosen = rules.split(",")
    if "unicode" in chosen:
        text = unicodedata.normalize("NFC", text)
    if "case" in chosen:
        text = text.casefold()
    if "unicode" in chosen:  # folding can take a composed letter apart
        text = unicodedata.normalize("NFC", text)
    if "space" in chosen:
        text = " ".join(text.split())
    return text.encode(encoding, _LENIENT[encoding])


def json_get(encoding: str, value: bytes, path: str) -> bytes | None:
    """Return the JSON text at `path` (a JSON list of keys) of a valid document; None where there is none."""
    text = value.decode(encoding, _LENIENT[encoding])
    found = span(text, json.loads(path))
    return None if found is None else text[slice(*found)].encode(encoding, _LENIENT[encoding])


def json_null(encoding: str, value: bytes, path: str) -> bytes:
    """Return a valid document with `null` in place of the value at `path`, every other byte unchanged."""
    text = value.decode(encoding, _LENIENT[encoding])
    found = span(text, json.loads(path))
    if found is None:
        return value
    return (text[: found[0]] + "null" + text[found[1] :]).encode(encoding, _LENIENT[encoding])


def json_put(encoding: str, value: bytes, *pairs: str | bytes) -> bytes:
    """Return a valid document with JSON text set at paths. The pairs are a JSON list of keys, then the text, in turn.

    The last key of a path need not exist; the object that it belongs to must.
    """
    text = value.decode(encoding, _LENIENT[encoding])
    for path, raw in zip(pairs[::2], pairs[1::2], strict=True):
        keys = json.loads(path)
        new = raw.decode(encoding, _LENIENT[encoding]) if isinstance(raw, bytes) else str(raw)
        found = span(text, keys)
        if found is None:
            whole = span(text, keys[:-1])
            if whole is None or text[whole[0]] != "{":
                return value
            # after the last member, before the blanks that lay the document out
            inside = text[whole[0] + 1 : whole[1] - 1].rstrip(_BLANKS)
            place = whole[0] + 1 + len(inside)
            found = place, place
            new = f"{', ' if inside else ''}{json.dumps(keys[-1], ensure_ascii=False)}: {new}"
        text = text[: found[0]] + new + text[found[1] :]
    return text.encode(encoding, _LENIENT[encoding])


def json_change(encoding: str, value: bytes | None, *pairs: str | bytes | None) -> bytes | None:
    """Apply `json_put` to the pairs whose text is not None, one after the other."""
    for path, new in zip(pairs[::2], pairs[1::2], strict=True):
        if value is not None and path is not None and new is not None:
            value = json_put(encoding, value, path, new)
    return value


def matches(encoding: str, value: bytes | None, pattern: str) -> bool | None:
    """Whether a pattern matches anywhere in text; None for None.

    The condition must not read None as "no match".
    """
    return None if value is None else re.search(pattern, value.decode(encoding, _LENIENT[encoding])) is not None


def span(text: str, path: list[str]) -> tuple[int, int] | None:
    """Return where the value at `path` is in a valid document; of equal keys the first, as SQLite reads it."""
    position = _blanks(text, 0)
    for key in path:
        inside = _member(text, position, key)
        if inside is None:
            return None
        position = inside
    return position, _end(text, position)


def _member(text: str, position: int, key: str) -> int | None:
    if text[position] != "{":
        return None
    position = _blanks(text, position + 1)
    while text[position] != "}":
        match = _STRING.match(text, position)
        if match is None:
            return None
        position = _blanks(text, _blanks(text, match.end()) + 1)  # past the colon
        if json.loads(match[0], strict=False) == key:
            return position
        position = _blanks(text, _end(text, position))
        if text[position] == ",":
            position = _blanks(text, position + 1)
    return None


def _blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANKS:
        position += 1
    return position


def _end(text: str, position: int) -> int:
    """Return where the value that starts at `position` ends. It counts brackets, because recursion has a limit."""
    depth = 0
    while True:
        match = _STRING.match(text, position) or _ATOM.match(text, position)
        if match:
            position = match.end()
        else:
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(text[position], 0)
            position += 1
        if depth == 0:
            return position
