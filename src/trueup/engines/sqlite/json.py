"""The JSON expressions of SQLite, where JSON is text or a number."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, ScalarSelect, func, literal
from sqlalchemy.types import NullType

from trueup.errors import NotChecked
from trueup.sql.dialect import Dialect
from trueup.sql.json import Changes, Elements
from trueup.sql.short_circuit import ShortCircuit
from trueup.sql.tables import Column, Storage

BLANKS = " \t\n\r"
# a JSON value's first character says its type once it is known to be valid; numbers are the rest
_FIRST = {"object": "{", "array": "[", "string": '"', "boolean": "tf", "null": "n"}
# the words of json_type()
_TYPES = {
    "object": "object",
    "array": "array",
    "text": "string",
    "integer": "integer",
    "real": "double",
    "true": "boolean",
    "false": "boolean",
    "null": "null",
}
ARGUMENTS = 90  # SQLite takes 127 arguments, some builds 100
_PLAIN_KEY = re.compile(r"[ !#-\[\]-~]*")
# half a surrogate pair, as GLOB: a high one before anything else than a low one, a low one after anything else than a
# high one. A sign that differs is enough, as in valid JSON four digits follow a backslash and a u
_HIGH, _LOW = ("\\", "u", "dD", "89abAB"), ("\\", "u", "dD", "c-fC-F")
_DIGITS = "[0-9a-fA-F][0-9a-fA-F]"


def _signs(classes: Sequence[str]) -> str:
    return "".join(f"[{one}]" for one in classes)


_HALVES = (
    *(f"*{_signs(_HIGH)}{_DIGITS}{_signs(_LOW[:at])}[^{_LOW[at]}]*" for at in range(4)),
    *(f"*{_signs(_HIGH[:at])}[^{_HIGH[at]}]{'?' * (5 - at)}{_signs(_LOW)}{_DIGITS}*" for at in range(4)),
)


class SqliteJson(Dialect):
    """The JSON part of the dialect."""

    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Parse each value once: the first character of valid JSON shows the type."""
        first = func.substr(func.ltrim(value, BLANKS), 1, 1)
        number = sa.case((func.json_type(value) == "integer", "integer"), else_="double")
        kinds = {letter: kind for kind, letters in _FIRST.items() for letter in letters}
        valid = sa.case(kinds, value=first, else_=number)
        return sa.case((value.is_(None), sa.null()), (_invalid(value), "invalid"), else_=valid)

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """Test the first character where that decides: only a value that passes this test is parsed."""
        if tuple(types) == ("object",):
            return ShortCircuit(value, self.json_readable_if(value, storage), sa.false(), value.is_not(None))
        if "invalid" in types or not types:
            return super().json_is_not(value, storage, types)
        numbers = {"integer", "double"} & set(types)
        if len(numbers) == 1:
            known = func.json_type(value).in_([word for word, kind in _TYPES.items() if kind in types])
            return sa.case((value.is_(None), sa.false()), (_invalid(value), sa.true()), else_=sa.not_(known))
        letters = "".join(_FIRST[kind] for kind in types if kind in _FIRST) + ("0123456789-" if numbers else "")
        first = literal("{*" if letters == "{" else f"[{letters}]*", sa.Text)
        near = value.op("GLOB")(first)
        far = func.ltrim(value, BLANKS).op("GLOB")(first)
        # a BLOB is greater than any text; what follows a NUL is not seen, as SQLite's own functions do not see it
        broken = sa.or_(func.json_valid(value) == 0, value >= sa.text("x''"))
        return sa.case((value.is_(None), sa.false()), (sa.or_(near, far), broken), else_=sa.true())

    def json_readable_if(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[bool]:
        """Require an object: a path into text that is not JSON is an error."""
        first = literal("{*", sa.Text)
        begun = sa.or_(value.op("GLOB")(first), func.ltrim(value, BLANKS).op("GLOB")(first))
        # a BLOB is greater than any text
        return sa.case((begun, sa.and_(func.json_valid(value) == 1, value < sa.text("x''"))), else_=sa.false())

    def json_path_is_not(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """Use json_type() of the path, which parses a document once for all the paths of a statement."""
        words = [word for word, kind in _TYPES.items() if kind in types]
        if "invalid" in types or not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_is_not(value, storage, path, types)
        found = func.json_type(value, literal(_path(path), sa.Text))
        wrong = found != words[0] if len(words) == 1 else found.not_in(words)
        return wrong.is_(sa.true())

    def json_path_type(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """Use json_type() of the path."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_type(value, storage, path)
        word = sa.case(_TYPES, value=func.json_type(value, literal(_path(path), sa.Text)))
        return sa.case((self.json_readable_if(value, storage), word), else_=sa.null())

    def json_path_text(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """Use json_extract(), which nests few enough levels to stand inside of other expressions."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_text(value, storage, path)
        place = literal(_path(path), sa.Text)
        words = {"true": literal("true", sa.Text), "false": literal("false", sa.Text), "null": sa.null()}
        # json_extract() cuts a string off at an escaped NUL, and makes bytes that are no text of half a surrogate pair:
        # such a string stays as it is spelled
        spelled = value.op("->", return_type=sa.Text())(place)
        text = sa.cast(func.json_extract(value, place), sa.Text)
        ways = [(func.instr(spelled, "\\u0000") > 0, spelled), (_half_a_pair(spelled), spelled)]
        found = sa.case(words, value=func.json_type(value, place), else_=sa.case(*ways, else_=text))
        return sa.case((self.json_readable_if(value, storage), found), else_=sa.null())

    def json_path_number(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Use json_extract()."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_number(value, storage, path)
        place = literal(_path(path), sa.Text)
        is_one = func.json_type(value, place).in_(["integer", "real"])
        number = func.json_extract(value, place, type_=NullType())
        return sa.case((self.json_readable_if(value, storage), sa.case((is_one, number))))

    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Return JSON text exactly as it is in the document; of equal keys the first."""
        if all(_PLAIN_KEY.fullmatch(key) for key in path):
            found: ColumnElement[Any] = value.op("->")(literal(_path(path), sa.Text))
        else:
            found = sa.cast(func.trueup_json_get(as_argument(value), json.dumps(list(path))), sa.Text)
        return sa.case((self.json_readable_if(value, storage), found), else_=sa.null())

    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return strings decoded, and other values as they are."""
        forms = {"string": self.json_string(value, storage), "null": sa.null(), "invalid": sa.null()}
        spelled = func.trim(sa.cast(value, sa.Text), BLANKS)
        return sa.case(forms, value=self.json_type(value, storage), else_=spelled)

    def json_string(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Use json_extract() on the whole value."""
        spelled = func.trim(sa.cast(value, sa.Text), BLANKS)
        # json_extract() cuts a string off at an escaped NUL, which would make broken text look whole, and makes bytes
        # that are no text of half a surrogate pair: such a string stays as it is spelled, which is never JSON itself
        nul = func.instr(func.replace(value, "\\\\", ""), "\\u0000") > 0
        inner = func.substr(spelled, 2, func.length(spelled) - 2)
        return sa.case((sa.or_(nul, _half_a_pair(value)), inner), else_=func.json_extract(value, "$"))

    def json_valid(self, text: ColumnElement[str], types: Sequence[str]) -> ColumnElement[bool]:
        """Whether SQLite itself accepts the text, and no NUL cuts it off."""
        return sa.and_(text.is_not(None), sa.not_(self.json_is_not(text, "text", types)))

    def json_parse(self, text: ColumnElement[str], column: Column) -> ColumnElement[Any]:
        """Return the text itself: JSON is text here."""
        return text

    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Wrap the value without reformatting it.

        A value that is not JSON becomes a string, a BLOB its hexadecimal digits.
        """
        name = json.dumps(key, ensure_ascii=False)
        text = sa.case((func.typeof(value) == "blob", func.hex(value)), else_=sa.cast(value, sa.Text))
        inner = sa.case((_invalid(value), func.json_quote(text)), else_=sa.cast(value, sa.Text))
        whole = literal("{" + name + ": ", sa.Text).concat(inner).concat(literal("}", sa.Text))
        return sa.case((value.is_(None), literal("{" + name + ": null}", sa.Text)), else_=whole)

    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """Set null and keep every other byte of the document. A document without `path` stays as it is."""
        changed = sa.cast(func.trueup_json_null(as_argument(value), json.dumps(list(path))), sa.Text)
        return sa.case((self.json_valid(value, ["object"]), changed), else_=value)

    def json_literal(self, value: ColumnElement[Any], column: Column) -> ColumnElement[str]:
        """Use json_quote(), but write numbers as their shortest exact text: json_quote() keeps 15 digits.

        JSON stays as it is.

        A timestamp stored as text gets a `T` before its time and loses a fraction of zeros.
        """

        def quoted(value: ColumnElement[Any]) -> ColumnElement[str]:
            plain = sa.case((func.typeof(value) == "blob", func.hex(value)), else_=value)
            exact = func.trueup_preview(literal("real", sa.Text), value, type_=sa.Text)
            finite = sa.and_(func.typeof(value) == "real", func.abs(value) <= sys.float_info.max)
            ways = [(value.is_(None), sa.null()), (finite, exact)]
            if column.storage is not None:
                ways.append((sa.not_(_invalid(value)), sa.cast(value, sa.Text)))
            elif column.boolean:
                ways += [
                    (sa.and_(func.typeof(value) == "integer", value == n), literal(word, sa.Text))
                    for n, word in ((1, "true"), (0, "false"))
                ]
            if column.temporal:
                iso = func.replace(func.replace(value, " ", "T"), ".000000", "")
                plain = sa.case((value.op("GLOB")(literal("[0-9][0-9][0-9][0-9]-*", sa.Text)), iso), else_=plain)
            return sa.case(*ways, else_=func.json_quote(plain, type_=sa.Text))

        return once(value, quoted)

    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Set `members` and keep every other byte of the document. A new member comes last in its object."""
        pairs = [part for key, text in members.items() for part in (json.dumps([*path, key]), _bytes(text))]
        return sa.cast(func.trueup_json_put(as_argument(value), *pairs), sa.Text)

    def json_inside(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Use `->`, which parses a document once for all the paths of a statement."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return self.json_get(value, storage, path)
        return value.op("->")(literal(_path(path), sa.Text))

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """Use json_type() of the path, which is NULL where the path is missing."""
        if "invalid" in types or not types or not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_lacks(value, storage, path, types)
        words = [word for word, kind in _TYPES.items() if kind in types]
        found = func.json_type(value, literal(_path(path), sa.Text))
        if len(words) == 1:
            # not is_distinct_from(): SQLAlchemy's form of it leaves a parameter in a guard's text
            return found.bool_op("IS NOT")(literal(words[0], sa.Text))
        return found.in_(words).isnot(sa.true())

    def json_inside_string(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[str]:
        """Use json_extract(), which reads a string up to an escaped NUL."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return func.json_extract(self.json_inside(value, storage, path), "$")
        return func.json_extract(value, literal(_path(path), sa.Text))

    def json_inside_one_of(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], texts: Sequence[str]
    ) -> ColumnElement[bool]:
        """Use `IN`: text extracted from JSON is compared byte for byte."""
        return self.json_inside_string(value, storage, path).in_(list(texts))

    def json_inside_number(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[Any]:
        """Use json_extract() of the path."""
        return self.json_inside_string(value, storage, path)

    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """Return an INTEGER or a REAL."""
        return func.json_extract(value, "$")

    def json_length(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[int]:
        """Use json_array_length()."""
        return func.json_array_length(value)

    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """Use json_each(), which returns scalars as SQL values."""
        found = func.json_each(value).table_valued("value", "type")
        spelled = sa.case(
            {"text": func.json_quote(found.c.value), **{word: word for word in ("true", "false", "null")}},
            value=found.c.type,
            else_=sa.cast(found.c.value, sa.Text),
        )
        return Elements(found, spelled, "text")

    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether json_remove() of the keys leaves any key."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in keys):
            raise NotChecked("SQLite cannot tell whether keys beyond ASCII, or with quotes, are the only ones")
        rest: ColumnElement[Any] = func.json(value)
        for start in range(0, len(keys), ARGUMENTS):
            rest = func.json_remove(rest, *(_path([key]) for key in keys[start : start + ARGUMENTS]))
        return rest != "{}"

    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """Change the values and keep every other byte of the document."""
        changed: ColumnElement[Any] = _bytes(value)
        for start in range(0, len(changes), ARGUMENTS // 2):
            some = changes[start : start + ARGUMENTS // 2]
            pairs = [part for path, new in some for part in (json.dumps(list(path)), _bytes(new))]
            changed = func.trueup_json_change(changed, *pairs)
        return sa.cast(changed, sa.Text)

    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Return an INTEGER or a REAL."""
        return sa.type_coerce(sa.cast(text, sa.Numeric), NullType())

    def same_bytes(self, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether both are equal and of one storage class."""
        same = sa.and_(func.typeof(left) == func.typeof(right), left.collate("BINARY") == right)
        return sa.case((sa.or_(left.is_(None), right.is_(None)), sa.null()), else_=same)


def once(value: ColumnElement[Any], form: Callable[[ColumnElement[Any]], ColumnElement[Any]]) -> ColumnElement[Any]:
    """Return `form(value)`.

    Even if `form` uses the value many times, it is evaluated and written once, unless a column.
    """
    if isinstance(value, sa.ColumnClause | sa.BindParameter | sa.Null):
        return form(value)
    # SQLite's parser takes 100 levels: a subquery is taken as it is, not put into another one. Of no row every form
    # is NULL, as it is of NULL
    found = value.element if isinstance(value, ScalarSelect) else sa.select(value.label("v")).correlate_except()
    return sa.select(form(next(iter(found.subquery().c)))).scalar_subquery()


def _bytes(text: ColumnElement[str]) -> ColumnElement[Any]:
    return sa.cast(text, sa.LargeBinary)


def as_argument(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return `value` in a form that a Python function can receive: text as its bytes."""

    def plain(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return sa.case((func.typeof(value) == "text", sa.cast(value, sa.LargeBinary)), else_=value)

    return once(value, plain) if isinstance(value, ScalarSelect) else plain(value)


def as_classed(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return `value` so that a Python function can see its class: TEXT as bytes, a BLOB as text, the rest unchanged."""

    def classed(value: ColumnElement[Any]) -> ColumnElement[Any]:
        kind = func.typeof(value)
        return sa.case((kind == "text", sa.cast(value, sa.LargeBinary)), (kind == "blob", func.hex(value)), else_=value)

    return once(value, classed) if isinstance(value, ScalarSelect) else classed(value)


def _invalid(value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a value that is not NULL is no JSON. The cheap tests come last, because they seldom decide."""
    nul = func.instr(value, func.char(0)) > 0
    return sa.or_(func.json_valid(value) == 0, func.typeof(value) == "blob", nul)


def _half_a_pair(text: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether valid JSON escapes half a surrogate pair, which no text can hold. Most JSON has no surrogate at all."""
    # room before the first sign, and no backslash that is escaped itself
    plain = literal("      ", sa.Text).concat(func.replace(text, "\\\\", "__"))
    some = text.op("GLOB", return_type=sa.Boolean())(literal(f"*{_signs(_HIGH[:3])}[89a-fA-F]*", sa.Text))
    halves = (plain.op("GLOB", return_type=sa.Boolean())(literal(form, sa.Text)) for form in _HALVES)
    return sa.and_(some, sa.or_(*halves))


def _path(keys: Sequence[str]) -> str:
    return "$" + "".join(f'."{key}"' for key in keys)
