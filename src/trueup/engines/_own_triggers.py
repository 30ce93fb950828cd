"""Recognises the triggers of trueup's guards, and what they say: they refuse a value, and write nothing.

A name proves nothing, as anybody can give it. A trigger is taken for a guard only when its whole text is one condition
and one refusal, and the condition can do nothing but compute. What could be read in two ways is somebody else's.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"_?trueup_guard\w*")
# quoted names become Q, literals L: so that no word and no semicolon in them is taken for a part of the statement
_SQLITE_QUOTED = re.compile(r"(?P<name>\"(?:[^\"]|\"\")*\")|'(?:[^']|'')*'", re.DOTALL)
# the session that made the trigger decided whether a backslash escapes: it is read in both ways
_INNODB_QUOTED = tuple(
    re.compile(rf"(?P<name>`(?:[^`]|``)*`)|'(?:{inside}|'')*'", re.DOTALL) for inside in (r"[^'\\]|\\.", r"[^']")
)
#: Begins a comment, another way to quote, or a variable of the session.
_DOUBTFUL = re.compile(r"--|/\*|#|['\"`\[@]|:=")
_SQLITE = re.compile(
    r"CREATE TRIGGER (?:Q|\w+) BEFORE (?:INSERT|UPDATE OF [\w, ]+) ON (?:Q|\w+) WHEN (?P<condition>[^;]+) "
    r"BEGIN SELECT RAISE\(ABORT, L\); END"
)
_INNODB = re.compile(r"IF (?P<condition>[^;]+) THEN SIGNAL SQLSTATE L SET MESSAGE_TEXT = L; END IF")
_CALL = re.compile(r"([\w$.\u0080-\uffff]+) ?\(")
#: What may stand before a bracket in a condition of MySQL and MariaDB: words of the language, and functions of the
#: engine that only compute. A function that somebody wrote could write.
_INNODB_WORDS = re.compile(
    r"all|and|any|as|between|binary|case|columns|distinct|else|exists|from|if|in|interval|is|"
    r"join|like|not|nested|null|on|or|over|regexp|rlike|select|then|union|using|values|when|"
    r"where|xor|char|character|date|datetime|decimal|double|signed|time|unsigned|varchar|abs|"
    r"ascii|avg|cast|ceil|ceiling|char_length|character_length|coalesce|concat|concat_ws|convert|"
    r"count|date_add|date_sub|datediff|first_value|floor|format|greatest|group_concat|hex|ifnull|"
    r"instr|isnull|json_array|json_array_append|json_arrayagg|json_compact|json_contains|"
    r"json_contains_path|json_depth|json_detailed|json_exists|json_extract|json_insert|json_keys|"
    r"json_length|json_loose|json_merge_patch|json_merge_preserve|json_normalize|json_object|"
    r"json_objectagg|json_query|json_quote|json_remove|json_replace|json_search|json_set|json_table|"
    r"json_type|json_unquote|json_valid|json_value|last_value|lcase|least|left|length|locate|lower|"
    r"lpad|ltrim|max|md5|mid|min|mod|nullif|octet_length|ord|position|pow|power|regexp_instr|"
    r"regexp_replace|regexp_substr|repeat|replace|reverse|right|round|row_number|rpad|rtrim|sha1|"
    r"sha2|sign|str_to_date|substr|substring|substring_index|sum|timestamp|timestampdiff|trim|"
    r"truncate|ucase|unhex|unix_timestamp|upper|weight_string|year",
    re.IGNORECASE,
)


def is_guard(name: str, text: str) -> bool:
    """Whether a trigger is a guard of ours: by its name, and by a text that as a whole can do nothing but refuse.

    `text` is the CREATE statement of SQLite, or the body of MySQL's and MariaDB's.
    """
    if not _NAME.fullmatch(name):
        return False
    if text.startswith("CREATE"):
        bare = _bare(_SQLITE_QUOTED, text)
        # a condition could leave a row out (IGNORE), or end the transaction; its functions are SQLite's own and ours
        return bool(_SQLITE.fullmatch(bare)) and bare.upper().count("RAISE") == 1 and not _DOUBTFUL.search(bare)
    return all(_only_refuses(_bare(quoted, text)) for quoted in _INNODB_QUOTED)


def names_guard(name: str) -> bool:
    """Whether an object of this name is a guard's."""
    return bool(_NAME.fullmatch(name))


def says_guard(message: str) -> bool:
    """Whether a trigger refused with the words of a guard: its name comes first, and nothing of a row is in them."""
    name, colon, _ = message.partition(": ")
    return bool(colon) and names_guard(name)


def _only_refuses(bare: str) -> bool:
    found = _INNODB.fullmatch(bare)
    if not found or _DOUBTFUL.search(bare):
        return False
    return all(_INNODB_WORDS.fullmatch(word) for word in _CALL.findall(found["condition"]))


def _bare(quoted: re.Pattern[str], text: str) -> str:
    return " ".join(quoted.sub(lambda found: "Q" if found["name"] else "L", text).split())
