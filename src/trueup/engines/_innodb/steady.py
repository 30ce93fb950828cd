"""Decides whether an expression of MySQL or MariaDB has the same value in every session.

An index over a virtual column, or over an expression, holds what the application's session computed. Our session
searches for the entry that it computes itself. Where settings (`sql_mode`, `lc_time_names`, `div_precision_increment`
...) change the value, the old entry stays in the index for ever (CHECK TABLE: corrupt). So trueup writes only where no
setting changes an expression. It uses an allow list of words, since settings and functions are added with every
version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from trueup.engines._innodb.computed import Computed, named, tokens
from trueup.engines._innodb.sql import kind_of
from trueup.sql.tables import Column

_OTHERWISE = "may hold what another session computed by other settings, and nothing tells"
_TEMPORAL = frozenset({"date", "datetime", "timestamp", "time"})

_WORDS = """
    abs and array as ascii ast between bigint bin bin_to_uuid binary bit_count bit_length both by case cast ceil
    ceiling char char_length character_length coalesce concat concat_ws conv convert crc32 decimal default div
    double else elt empty end error escape false field find_in_set float floor from from_base64 greatest hex if
    ifnull in inet6_aton inet6_ntoa inet_aton inet_ntoa insert instr int integer is is_uuid isnull lcase leading
    least left length like locate lower lpad ltrim md5 member mid mod not null nullif octet_length of on or ord
    position pow power quote real repeat replace returning reverse right round rpad rtrim sha sha1 sha2 sign signed
    soundex space sqrt strcmp substr substring substring_index then to_base64 trailing trim true truncate ucase
    unhex unicode unknown unsigned upper uuid_to_bin when xor
"""
_STEADY = frozenset(_WORDS.split())
#: Numbers that are parts of a date or a time as it is written, real or not.
_PARTS = frozenset({"year", "month", "day", "dayofmonth", "quarter", "hour", "minute", "second", "microsecond"})
#: Functions that use a date only as text, or only test it for NULL.
_AS_TEXT = frozenset(
    {"if", "ifnull", "coalesce", "isnull", "concat", "concat_ws", "case", "when", "then", "else", "end", "is", "not",
     "null", "and", "or"}
)  # fmt: skip
_CHARSET = re.compile(r"\b(?:(?:charset|using|collate|character set) \w+|(?:_[a-z]\w*|[bnx])(?='))", re.IGNORECASE)


def bent(computed: Computed, columns: Sequence[Column]) -> dict[str, frozenset[str]]:
    """Return clauses that say why rows must not be inserted or deleted, nor these columns changed."""
    by_name = {column.name: column for column in columns}
    found: dict[str, frozenset[str]] = {}
    for index in dict.fromkeys(name for name, _, _ in computed.indexes):
        parts = [(column, expression) for name, column, expression in computed.indexes if name == index]
        virtual = [one for one, _ in parts if one in computed.expressions and one not in computed.stored]
        loose = [f"column {one!r}" for one in virtual if one and not _steady_column(one, computed, by_name)]
        loose += ["expression" for _, one in parts if one is not None and not _steady(one, computed, by_name)]
        if loose:
            # an index entry is searched by all of its parts
            bears = {one for one, _ in parts if one}
            bears |= {name for one in virtual if one for name in computed.sources(f"`{one}`", by_name)}
            bears |= {name for _, one in parts if one for name in computed.sources(one, by_name)}
            found[f"its index {index!r}, over the computed {loose[0]}, {_OTHERWISE}"] = frozenset(bears)
    return found


def _steady_column(name: str, computed: Computed, columns: Mapping[str, Column]) -> bool:
    return kind_of(columns[name].ddl).word not in _TEMPORAL and _steady(computed.expressions[name], computed, columns)


def _steady(expression: str, computed: Computed, columns: Mapping[str, Column]) -> bool:
    """Whether no setting of a session changes the value of an expression."""
    names = {name.lower(): name for name in columns}
    if any(  # a stored column has its value already
        name in computed.expressions and name not in computed.stored and not _steady_column(name, computed, columns)
        for name in named(expression, names)
    ):
        return False
    signs = _without_parts(tokens(_CHARSET.sub("", expression), names), columns)
    kinds = [kind_of(columns[one[1:]].ddl) for one in signs if one.startswith("`")]
    words = {one.lower() for one in signs if re.match(r"[A-Za-z_$]", one)}
    if "/" in signs or any(not (one in _STEADY or one.startswith("json_")) for one in words):
        return False
    if "like" in words and any("\\" in one for one in signs):
        return False  # NO_BACKSLASH_ESCAPES
    if any(kind.word == "char" and kind.arguments != (1,) for kind in kinds):
        return False  # PAD_CHAR_TO_FULL_LENGTH
    unsigned = any(kind.unsigned for kind in kinds) or {"unsigned", "crc32", "conv"} & words or set("&|^~") & set(signs)
    if unsigned and _subtracts(signs):
        return False  # NO_UNSIGNED_SUBTRACTION
    if any(kind.word in _TEMPORAL for kind in kinds):
        bare = {one for one in signs if one[0] not in "`'"}
        text = any(one.startswith("'") for one in signs) or {"concat", "concat_ws"} & words
        return bool(text) and words <= _AS_TEXT and not bare & {"<", ">", "=", "<>", "<=>", "+", "-", "*", "%"}
    return True


def _without_parts(signs: Sequence[str], columns: Mapping[str, Column]) -> list[str]:
    """Return the tokens with a number in place of a part that is a number under any settings: `year(column)`.

    Another such part is `column is null`.
    """
    left: list[str] = []
    at = 0
    while at < len(signs):
        word, *after = (one if one.startswith("`") else one.lower() for one in signs[at : at + 4])
        column = word[1:] if word.startswith("`") else ""
        within = after[1][1:] if len(after) == 3 and after[0] == "(" and after[2] == ")" and after[1][0] == "`" else ""
        kind = kind_of(columns[within].ddl).word if within else ""
        moment = kind in _TEMPORAL and (word in _PARTS or (word == "unix_timestamp" and kind == "timestamp"))
        if within and (word == "isnull" or moment):
            left.append("0")
            at += 4
        elif column and (after[:2] == ["is", "null"] or after == ["is", "not", "null"]):
            left.append("0")
            at += 1
        else:
            left.append(signs[at])
            at += 1
    return left


def _subtracts(signs: Sequence[str]) -> bool:
    """Whether a minus stands between two values."""
    return any(sign == "-" and number and re.match(r"[)`'\w]", signs[number - 1]) for number, sign in enumerate(signs))
