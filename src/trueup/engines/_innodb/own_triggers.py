"""Recognises the triggers of MySQL and MariaDB that are trueup's guards, by their body."""

from __future__ import annotations

import re

from trueup.engines._own_triggers import DOUBTFUL, bare, names_guard

# the session that made the trigger decided whether a backslash escapes: it is read in both ways
_QUOTED = tuple(
    re.compile(rf"(?P<name>`(?:[^`]|``)*`)|'(?:{inside}|'')*'", re.DOTALL) for inside in (r"[^'\\]|\\.", r"[^']")
)
_SHAPE = re.compile(r"IF (?P<condition>[^;]+) THEN SIGNAL SQLSTATE L SET MESSAGE_TEXT = L; END IF")
_CALL = re.compile(r"([\w$.\u0080-\uffff]+) ?\(")
#: Words that may precede a bracket in a condition: keywords, and functions of the engine that only
#: compute. A function that somebody wrote could write.
_WORDS = re.compile(
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
    """Whether a trigger is a guard of trueup: it has a guard's name, and its whole body can do nothing but refuse."""
    return names_guard(name) and all(_only_refuses(bare(quoted, text)) for quoted in _QUOTED)


def _only_refuses(text: str) -> bool:
    found = _SHAPE.fullmatch(text)
    if not found or DOUBTFUL.search(text):
        return False
    return all(_WORDS.fullmatch(word) for word in _CALL.findall(found["condition"]))
